"""Whether what a model says is what it finds more probable: the two scorers, held against each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from empirical.analysis.patients import patient_interval
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from empirical.records import Records


@dataclass(frozen=True)
class Agreement:
    """How often both scorers give the same answer.

    Parameters
    ----------
    share, low, high : float
        Share of items on which they agree, with its 95 % interval over patients; an unparsed reply disagrees with everything.
    unparsed : float
        Share of replies in which no answer was found.
    n : int
        Items.
    counts : dict of str to dict of str to int
        Items by the more probable answer (outer) and the parsed one (inner).
    """

    share: float
    low: float
    high: float
    unparsed: float
    n: int
    counts: dict[str, dict[str, int]]


def scorer_agreement(records: Records, *, seed: int = 0) -> dict[str, Agreement]:
    """Compare the more probable answer with the generated one.

    Parameters
    ----------
    records : Records
        With generated replies.
    seed : int, default 0
        Of the bootstrap over patients.

    Returns
    -------
    dict of str to Agreement
        One per run.

    Raises
    ------
    InputError
        When nothing was generated.
    """
    table = records.table[records.table["parsed"].notna()]
    if table.empty:
        raise InputError("agreement: these records hold no generated replies; evaluate with generate: true")
    return {str(run): _agreement(rows, np.random.default_rng(seed)) for run, rows in table.groupby("run_id", sort=False)}


def _agreement(rows: pd.DataFrame, rng: np.random.Generator) -> Agreement:
    import pandas as pd

    probable = pd.Series([max(logp, key=logp.get) for logp in rows["logp"]], index=rows.index)
    same = (probable == rows["parsed"]).to_numpy(dtype=float)
    low, high = patient_interval(lambda weights: float(np.average(same, weights=weights)), rows["patient_id"].to_numpy(), rng=rng)
    counts = pd.crosstab(probable, rows["parsed"])
    return Agreement(
        float(same.mean()),
        low,
        high,
        float((rows["parsed"] == "unparsed").mean()),
        len(rows),
        {str(answer): {str(parsed): int(n) for parsed, n in row.items()} for answer, row in counts.iterrows()},
    )
