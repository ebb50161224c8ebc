"""From rows as they were measured to the table: ratios within a shape, utilisation, errors against float32."""

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
"""Of the table. ``seconds`` of a round, or step; ``_low`` and ``_high`` the least and most favourable that the rounds allow."""


def table(pieces: Iterable[StoredRow]) -> pd.DataFrame:
    """Compare rows with each other.

    Returns one row each, with `COLUMNS`; what was not measured, or has nothing to be compared with, is missing.
    """
    import pandas as pd

    rows: Rows = {(piece["shape"], piece["part"], piece["path"]): piece for piece in pieces}
    made = [piece | _derived(piece, rows) for piece in rows.values()]
    return pd.DataFrame([{name: row.get(name) for name in COLUMNS} for row in made], columns=list(COLUMNS))


def _derived(piece: StoredRow, rows: Rows) -> dict[str, Any]:
    if piece["status"] != MEASURED:
        return {}
    if piece["part"] == "equality":
        return _errors(piece, rows)
    seconds = np.array(piece["seconds"])
    spread = {"seconds": float(np.median(seconds)), "seconds_low": float(seconds.min()), "seconds_high": float(seconds.max())}
    speed = {"rounds": len(seconds), "per_second": piece["items"] / spread["seconds"]} | spread
    if piece["part"] == "evaluation":
        return speed | _times("loop", piece, rows.get((piece["shape"], "evaluation", "plain loop"))) | _difference(piece, rows)
    return speed | _step(piece, seconds) | _times("trl", piece, _trl_of(piece, rows))


def _times(name: str, piece: StoredRow, other: StoredRow | None) -> dict[str, float]:
    """Tell how many times as fast as another path this one is, per item; low and high are the worst and best pair of rounds."""
    if other is None or other["status"] != MEASURED:
        return {}
    if other is piece:
        return dict.fromkeys((f"times_{name}{end}" for end in ("", "_low", "_high")), 1.0)
    mine, theirs = (np.array(row["seconds"]) / row["items"] for row in (piece, other))
    return {
        f"times_{name}": float(np.median(theirs) / np.median(mine)),
        f"times_{name}_low": float(theirs.min() / mine.max()),
        f"times_{name}_high": float(theirs.max() / mine.min()),
    }


def _trl_of(piece: StoredRow, rows: Rows) -> StoredRow | None:
    """Find the row of TRL to compare with: the one that checkpoints gradients where this one does."""
    return rows.get((piece["shape"], "finetuning", "TRL, checkpointing" if piece["path"].endswith("checkpointing") else "TRL"))


def _step(piece: StoredRow, seconds: np.ndarray) -> dict[str, Any]:
    told: dict[str, Any] = {"data_wait": float(np.sum(piece["waited"]) / seconds.sum()), "first_loss": next(iter(piece["losses"]), None)}
    if not piece.get("peak"):
        return told
    used = piece["flop"] / seconds / piece["peak"]
    return told | {"utilisation": float(np.median(used)), "utilisation_low": float(used.min()), "utilisation_high": float(used.max())}


def _difference(piece: StoredRow, rows: Rows) -> dict[str, float]:
    plain = rows.get((piece["shape"], "evaluation", "plain batches"))
    if "scores" not in piece or plain is None or plain["status"] != MEASURED:
        return {}
    return {"largest_difference": _largest(piece, plain)}


def _errors(piece: StoredRow, rows: Rows) -> dict[str, Any]:
    """Hold a path against float32. The bound is twice the error of the plain way: another order of roundings may lose as much, not more."""
    if piece["path"] not in CHECKS:
        return {}
    truth, plain = (rows.get((piece["shape"], "equality", path)) for path in CHECKS[piece["path"]])
    if any(row is None or row["status"] != MEASURED for row in (truth, plain)):
        return {}
    assert truth is not None and plain is not None
    apart = _typical if piece["path"] in GRADIENTS else _largest
    error, bound = apart(piece, truth), 2 * apart(plain, truth) + 1e3 * float(np.finfo(np.float32).eps)
    return {"error": error, "bound": bound, "within": error <= bound}


def _largest(one: StoredRow, other: StoredRow) -> float:
    return float(np.abs(_apart(one, other)).max())


def _typical(one: StoredRow, other: StoredRow) -> float:
    """Give the root mean square difference: of thousands of numbers the largest depends on the order of roundings."""
    return float(np.sqrt(np.square(_apart(one, other)).mean()))


def _apart(one: StoredRow, other: StoredRow) -> np.ndarray:
    values = [np.array(row["scores"], dtype=float) for row in (one, other)]  # null, as JSON has it for what is no number, becomes one
    return values[0] - values[1]
