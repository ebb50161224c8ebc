"""The base of every result: immutable, readable at the prompt, a row of a table."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

Interval = tuple[float, float]


class Result:
    """What a statistical test gives back: a frozen dataclass that prints its fields and turns into a table row."""

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
