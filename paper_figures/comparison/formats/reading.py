"""Finding a file's format, and reading the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from see_in_pairs.errors import InputError
from see_in_pairs.files import read_json

if TYPE_CHECKING:
    import pandas as pd

LOGS = (".jsonl", ".jsonl.gz", ".eval", ".json")


@dataclass(frozen=True)
class ItemFile:
    """The content of a file, by item."""

    table: pd.DataFrame  # as in the file; for a log ``item_id``, ``value`` and columns of the documents
    name: str  # the model if the file names it, else the file's name
    is_log: bool  # further columns are of the documents, not of how they were scored
    metric: str  # that of ``value``; '' without one


def is_log(path: Path) -> bool:
    """Whether a file may be a harness's log, by its name."""
    return path.name.lower().endswith(LOGS)


def read_item_file(path: Path, metrics: Sequence[str] = ()) -> ItemFile:
    """Read a table or log of any format; `metrics` are the metrics of an item to take, of several the first that the file has."""
    from paper_figures.comparison.formats.tables import read_item_table, rows_table

    if not path.is_file():  # a pipe may never end
        raise InputError(f"{path}: is not a regular file; name a file" if path.exists() else f"{path}: no such file")
    name = path.name.lower()
    if name.endswith(".eval"):
        from paper_figures.comparison.formats.inspect_logs import read_eval_file

        return _inspect(read_eval_file(path), path, metrics)
    if name.endswith((".jsonl", ".jsonl.gz")):
        from paper_figures.comparison.formats.harness_logs import json_lines, read_samples

        rows = json_lines(path)
        if rows and "item_id" in rows[0]:
            return read_frame(rows_table(rows, path), path, metrics)
        table, metric = read_samples(rows, path, metrics)
        return ItemFile(table, path.name.split(".")[0], True, metric)
    if name.endswith(".json"):
        return _of_json(read_json(path), path, metrics)
    return read_frame(read_item_table(path), path, metrics)


def _inspect(content: dict[str, Any], path: Path, metrics: Sequence[str]) -> ItemFile:
    from paper_figures.comparison.formats.inspect_logs import read_inspect_log

    table, metric = read_inspect_log(content, path, metrics)
    model = content["eval"].get("model")
    return ItemFile(table, model if isinstance(model, str) else path.stem, True, metric)


def _of_json(content: Any, path: Path, metrics: Sequence[str]) -> ItemFile:
    from paper_figures.comparison.formats.inspect_logs import is_inspect_log
    from paper_figures.comparison.formats.tables import rows_table

    if is_inspect_log(content):
        return _inspect(content, path, metrics)
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise InputError(f"{path}: is neither a list of rows nor a log of inspect_ai; give a list of objects with item_id")
    return read_frame(rows_table(content, path), path, metrics)


def read_frame(table: pd.DataFrame, path: Path, metrics: Sequence[str]) -> ItemFile:
    """Read a table as if from a file of this name."""
    from paper_figures.comparison.formats.vlmevalkit import is_vlmevalkit_table, read_vlmevalkit_table

    if is_vlmevalkit_table(table):
        found, metric = read_vlmevalkit_table(table, path, metrics)
        return ItemFile(found, path.stem, True, metric)
    columns = set(table.columns)
    chosen = next((name for name in metrics if name in columns), "")
    if not chosen and "value" in columns and not (columns >= {"label", "score"} or "correct" in columns):
        chosen = "value"
    if chosen:
        table = table.assign(value=table[chosen]).drop(columns=["label", "score", "correct"], errors="ignore")
    return ItemFile(table, Path(path.stem).stem if path.suffix.lower() == ".gz" else path.stem, False, chosen)
