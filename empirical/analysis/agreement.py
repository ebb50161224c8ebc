"""Whether a model generates the answer that it finds more probable: agreement of the two scorers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from empirical.analysis.patients import share_interval
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from empirical.evaluation.records import Records


@dataclass(frozen=True)
class Agreement:
    """How often both scorers give the same answer."""

    # share of items on which they agree, with its 95 % interval (`share_interval`); an unparsed reply disagrees with everything, and so
    # does an item without a finite score
    share: float
    low: float
    high: float
    unparsed: float  # share of replies in which no answer was found, with its 95 % interval
    unparsed_low: float
    unparsed_high: float
    n: int
    counts: dict[str, dict[str, int]]  # items by the more probable answer (outer) and the parsed one (inner)


def scorer_agreement(records: Records) -> dict[str, Agreement]:
    """Compare the more probable answer with the generated one."""
    table = records.table[records.table["parsed"].notna()]
    if table.empty:
        raise InputError("agreement: these records contain no generated replies; evaluate with generate: true")
    return {str(run): _agreement(rows) for run, rows in table.groupby("run_id", sort=False)}


def _agreement(rows: pd.DataFrame) -> Agreement:
    import pandas as pd

    probable = pd.Series([_probable(logp) for logp in rows["logp"]], index=rows.index)
    same, unparsed = (probable == rows["parsed"]).to_numpy(dtype=float), (rows["parsed"] == "unparsed").to_numpy(dtype=float)
    patients = rows["patient_id"].to_numpy()
    low, high = share_interval(same, patients)
    counts = pd.crosstab(probable, rows["parsed"])
    return Agreement(
        float(same.mean()),
        low,
        high,
        float(unparsed.mean()),
        *share_interval(unparsed, patients),
        len(rows),
        {str(answer): {str(parsed): int(n) for parsed, n in row.items()} for answer, row in counts.iterrows()},
    )


def _probable(logp: dict[str, float]) -> str:
    """The more probable answer, or ``not scored`` where scores are not finite."""
    return max(logp, key=lambda answer: logp[answer]) if np.isfinite(list(logp.values())).all() else "not scored"
