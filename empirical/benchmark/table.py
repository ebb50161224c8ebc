"""From measured rows to the table: ratios within a shape, utilisation, errors against float32."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from empirical.benchmark.precision import CHECKS, GRADIENTS
from empirical.benchmark.row_store import StoredRow
from empirical.benchmark.timing import MEASURED

if TYPE_CHECKING:
    import pandas as pd

Rows = dict[tuple[str, str, str], StoredRow]

COLUMNS = (
    "shape", "part", "path", "status", "items", "rounds", "seconds", "seconds_low", "seconds_high", "per_second",
    "times_loop", "times_loop_low", "times_loop_high", "times_trl", "times_trl_low", "times_trl_high",
    "utilisation", "utilisation_low", "utilisation_high", "data_wait", "peak_gib", "tokens", "flop", "first_loss",
    "dtype", "largest_difference", "error", "bound", "within", "measured", "git_commit",
)  # fmt: skip
"""Columns of the table. ``seconds`` of a round or step; ``_low`` and ``_high`` are the least and most favourable values of the rounds."""


def table(stored: Iterable[StoredRow]) -> pd.DataFrame:
    """Compare rows with each other: one row each, with `COLUMNS`; a value that was not measured or has no counterpart is missing."""
    import pandas as pd

    rows: Rows = {(row["shape"], row["part"], row["path"]): row for row in stored}
    complete = [row | _derived(row, rows) for row in rows.values()]
    return pd.DataFrame([{name: row.get(name) for name in COLUMNS} for row in complete], columns=list(COLUMNS))


def _derived(row: StoredRow, rows: Rows) -> dict[str, Any]:
    if row["status"] != MEASURED:
        return {}
    if row["part"] == "equality":
        return _errors(row, rows)
    seconds = np.array(row["seconds"])
    spread = {"seconds": float(np.median(seconds)), "seconds_low": float(seconds.min()), "seconds_high": float(seconds.max())}
    speed = {"rounds": len(seconds), "per_second": row["items"] / spread["seconds"]} | spread
    if row["part"] == "evaluation":
        return speed | _times("loop", row, rows.get((row["shape"], "evaluation", "plain loop"))) | _difference(row, rows)
    return speed | _step(row, seconds) | _times("trl", row, _trl_of(row, rows))


def _times(name: str, row: StoredRow, other: StoredRow | None) -> dict[str, float]:
    """How many times as fast as another path this one is, per item; low and high are the worst and best pair of rounds."""
    if other is None or other["status"] != MEASURED:
        return {}
    if other is row:
        return dict.fromkeys((f"times_{name}{end}" for end in ("", "_low", "_high")), 1.0)
    own, others = (np.array(one["seconds"]) / one["items"] for one in (row, other))
    return {
        f"times_{name}": float(np.median(others) / np.median(own)),
        f"times_{name}_low": float(others.min() / own.max()),
        f"times_{name}_high": float(others.max() / own.min()),
    }


def _trl_of(row: StoredRow, rows: Rows) -> StoredRow | None:
    """Find the row of TRL to compare with: the one that checkpoints gradients where this one does."""
    return rows.get((row["shape"], "finetuning", "TRL, checkpointing" if row["path"].endswith("checkpointing") else "TRL"))


def _step(row: StoredRow, seconds: np.ndarray) -> dict[str, Any]:
    derived: dict[str, Any] = {"data_wait": float(np.sum(row["waited"]) / seconds.sum()), "first_loss": next(iter(row["losses"]), None)}
    if not row.get("peak"):
        return derived
    used = row["flop"] / seconds / row["peak"]
    return derived | {"utilisation": float(np.median(used)), "utilisation_low": float(used.min()), "utilisation_high": float(used.max())}


def _difference(row: StoredRow, rows: Rows) -> dict[str, float]:
    plain = rows.get((row["shape"], "evaluation", "plain batches"))
    if "scores" not in row or plain is None or plain["status"] != MEASURED:
        return {}
    return {"largest_difference": _largest(row, plain)}


def _errors(row: StoredRow, rows: Rows) -> dict[str, Any]:
    """Compare a path with float32. The bound is twice the error of the plain path: another order of roundings may lose that much."""
    if row["path"] not in CHECKS:
        return {}
    truth, plain = (rows.get((row["shape"], "equality", path)) for path in CHECKS[row["path"]])
    if any(one is None or one["status"] != MEASURED for one in (truth, plain)):
        return {}
    assert truth is not None and plain is not None
    difference = _root_mean_square if row["path"] in GRADIENTS else _largest
    error, bound = difference(row, truth), 2 * difference(plain, truth) + 1e3 * float(np.finfo(np.float32).eps)
    return {"error": error, "bound": bound, "within": error <= bound}


def _largest(one: StoredRow, other: StoredRow) -> float:
    return float(np.abs(_score_difference(one, other)).max())


def _root_mean_square(one: StoredRow, other: StoredRow) -> float:
    """Root mean square difference; the largest of thousands of differences would depend on the order of roundings."""
    return float(np.sqrt(np.square(_score_difference(one, other)).mean()))


def _score_difference(one: StoredRow, other: StoredRow) -> np.ndarray:
    values = [np.array(row["scores"], dtype=float) for row in (one, other)]  # JSON has null for NaN
    return values[0] - values[1]
