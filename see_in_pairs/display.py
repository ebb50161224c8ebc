"""How results are shown: text at the prompt, a table in a notebook, a row of a DataFrame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 30
"""Rows of a table that a notebook shows."""


class Result:
    """Base of results: a frozen dataclass that prints its fields and can be turned into a table row."""

    def to_dict(self) -> dict[str, Any]:
        """Fields by name, nested results included."""
        return {name: _plain(value) for name, value in self._fields().items()}

    def to_frame(self) -> pd.DataFrame:
        """One row, one column per number; the two ends of an interval are ``<name>_low`` and ``<name>_high``."""
        import pandas as pd

        return pd.DataFrame([_flat(self.to_dict())])

    def _fields(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]

    def __repr__(self) -> str:
        rows = _flat(self._fields(), join=True)
        width = max(map(len, rows), default=0)
        return "\n".join([type(self).__name__, *(f"  {name:<{width}}  {_show(value)}" for name, value in rows.items())])

    def _repr_html_(self) -> str:
        rows = _flat(self._fields(), join=True)
        return html_table(type(self).__name__, [(name, _show(value)) for name, value in rows.items()])


def html_table(title: str, rows: Sequence[Sequence[object]], head: Sequence[str] = (), note: str = "") -> str:
    """A small table for a notebook, every text escaped; of a long one the first rows."""
    body = [f"<tr>{''.join(f'<td>{escape(_cell(value))}</td>' for value in row)}</tr>" for row in rows[:MOST_ROWS]]
    more = f"{len(rows) - MOST_ROWS:,} more rows" if len(rows) > MOST_ROWS else ""
    heads = f"<thead><tr>{''.join(f'<th>{escape(name)}</th>' for name in head)}</tr></thead>" if head else ""
    said = "".join(f"<p>{escape(text)}</p>" for text in (note, more) if text)
    return f"<p><b>{escape(title)}</b></p><table>{heads}<tbody>{''.join(body)}</tbody></table>{said}"


def html_frame(title: str, frame: pd.DataFrame, note: str = "") -> str:
    """A data frame as `html_table`."""
    return html_table(title, frame.to_numpy(dtype=object).tolist(), [str(name) for name in frame.columns], note)


def plural(count: int, noun: str, many: str = "") -> str:
    """A number with its noun: ``1 item``, ``1,200 items``."""
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"


def _cell(value: object) -> str:
    missing = value is None or (isinstance(value, float) and value != value)
    return "" if missing else _show(value)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and isinstance(value, Result):
        return value.to_dict()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _flat(content: dict[str, Any], prefix: str = "", join: bool = False) -> dict[str, Any]:
    """Spread nested results and intervals over columns; with `join`, an interval stays one value."""
    row: dict[str, Any] = {}
    for key, value in content.items():
        name = f"{prefix}{key}"
        if isinstance(value, Result):
            value = value.to_dict()
        elif is_dataclass(value) and not isinstance(value, type):  # for example an estimate with its Monte Carlo error
            value = {field.name: getattr(value, field.name) for field in fields(value)}
        if isinstance(value, dict):
            row |= _flat(value, f"{name}.", join)
        elif isinstance(value, tuple) and len(value) == 2 and not join:
            row |= {f"{name}_low": value[0], f"{name}_high": value[1]}
        else:
            row[name] = value
    return row


def _show(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, tuple):
        return "[" + ", ".join(_show(item) for item in value) + "]"
    if hasattr(value, "shape") and getattr(value, "size", 0) > 12:
        return f"array of shape {value.shape}"
    return " ".join(str(value).split())
