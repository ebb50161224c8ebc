"""AUROC within sites and adjusted for covariates, beside the plain one: the block ``adjusted`` of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from paper_figures.comparison.arm_rows import CrossedArms
from paper_figures.comparison.result import format_p
from paper_figures.statistics.clustered.difference import ClusteredDifferenceResult
from paper_figures.statistics.result import Interval, Result
from paper_figures.statistics.roc.adjusted import AdjustedAuroc, covariate_adjusted_auroc, within_stratum_auroc
from paper_figures.statistics.validation import Floats, NotEstimable
from see_in_pairs.errors import InputError, first_few

if TYPE_CHECKING:
    import pandas as pd

USUAL, SITE = ("age", "sex", "site"), "site"
NAMED = ("sex", "site", "view")  # levels, even if they look like numbers
NAMES = {"plain": "AUROC, all pairs", "within_site": "AUROC within site", "covariate_adjusted": "AUROC adjusted for {}"}
_EDGE = 1e-9  # probabilities are kept this far from 0 and 1 before taking log-odds


@dataclass(frozen=True, repr=False)
class AdjustedMeasure(Result):
    """One kind of area of both arms; None with a reason if the items do not allow it."""

    a: float | None
    b: float | None
    a_interval: Interval | None
    b_interval: Interval | None
    difference: ClusteredDifferenceResult | None  # A minus B
    positives: int
    negatives: int
    clusters: int
    left_out: dict[str, int]  # items, by reason
    reason: str = ""


@dataclass(frozen=True, repr=False)
class AdjustedBlock(Result):
    """The area over all pairs, over pairs of one site, and over diseased and healthy people of equal covariates."""

    arms: tuple[str, str]
    covariates: tuple[str, ...]
    trainings: tuple[int, int]
    plain: AdjustedMeasure
    within_site: AdjustedMeasure | None  # None if site is not among the covariates
    covariate_adjusted: AdjustedMeasure

    def measures(self) -> list[tuple[str, AdjustedMeasure]]:
        """Each kind of area, by its name in words."""
        found = [(name, getattr(self, name)) for name in NAMES]
        return [(NAMES[name].format(", ".join(self.covariates)), one) for name, one in found if one is not None]

    def rows(self) -> list[dict[str, Any]]:
        """A row for each kind of area: ``measure, a, a_low, a_high, b, ..., difference, low, high, p, positives, negatives, reason``."""
        rows = []
        for name, one in self.measures():
            ends = {"a": one.a_interval, "b": one.b_interval, "": one.difference and one.difference.interval}
            row: dict[str, Any] = {"measure": name, "a": one.a, "b": one.b}
            row["difference"] = None if one.difference is None else one.difference.estimate
            for key, interval in ends.items():
                low, high = interval or (None, None)
                row |= {f"{key}_low".lstrip("_"): low, f"{key}_high".lstrip("_"): high}
            row["p"] = None if one.difference is None else one.difference.p
            rows.append(row | {"positives": one.positives, "negatives": one.negatives, "reason": one.reason})
        return rows

    def __repr__(self) -> str:
        lines = [f"Comparable patients (A = {self.arms[0]}, B = {self.arms[1]}; t over clusters, references as they are):"]
        for name, one in self.measures():
            if one.difference is None:
                lines.append(f"  {name}: not computed ({one.reason})")
                continue
            gap, pairs = one.difference, f"{one.positives} diseased, {one.negatives} healthy"
            shown = f"A {_shown(one.a, one.a_interval)}, B {_shown(one.b, one.b_interval)}, A - B {_shown(gap.estimate, gap.interval, '+')}"
            lost = "".join(f"; left out: {number} {why}" for why, number in one.left_out.items())
            lines.append(f"  {name}: {shown}, p {format_p(gap.p)} ({pairs}{lost})")
        return "\n".join(lines)


def covariate_table(cohort: Path | None, own: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Covariates of each item, indexed by item, from a cohort or from the columns of the records or items themselves.

    `names` are columns; by default those of age, sex and site that differ between items. Columns with numbers only are returned as
    numbers, except those of `NAMED`.
    """
    import pandas as pd

    if cohort is None:
        table, source = own, "the records or the table of --items"
    else:
        from empirical.cohorts import Cohort

        table, source = Cohort.load(cohort).table, str(cohort)
    table = table.drop_duplicates("item_id").set_index("item_id")
    if unknown := [name for name in names if name not in table.columns]:
        raise InputError(f"--adjust {unknown[0]}: {source} has no such column (there are {first_few(list(table.columns), 12)})")
    items = own["item_id"].astype(str).unique()
    if lacking := sorted(set(items) - set(table.index.astype(str))):
        raise InputError(f"--cohort {cohort}: {len(lacking)} items of the records are missing ({first_few(lacking)}); name their cohort")
    found = table.loc[items]
    for name in found.columns.difference(list(NAMED)):
        text = found[name].replace("", np.nan)  # a CSV file contains only text
        numbers = pd.to_numeric(text, errors="coerce")
        if numbers.notna().any() and numbers.notna().equals(text.notna()):
            found = found.assign(**{name: numbers})
    chosen = list(dict.fromkeys(names)) or [name for name in USUAL if name in found and found[name].nunique() > 1]
    if not chosen:
        raise InputError(f"--adjust: {source} has no age, sex or site that differs between items; name columns with --adjust")
    if empty := [name for name in chosen if found[name].replace("", np.nan).isna().all()]:
        raise InputError(f"--adjust {empty[0]}: no item has a value of it in {source}; leave it out")
    return found[chosen]


def adjusted_block(
    crossed: CrossedArms, covariates: pd.DataFrame, arms: tuple[str, str], level: float, paired_seeds: bool = False
) -> AdjustedBlock:
    """Compute each kind of area, averaged over trainings and wordings, with the variance between trainings of each arm."""
    if crossed.labels is None:
        raise InputError("--adjust: the files contain right and wrong or a metric, but an AUROC needs scores and labels")
    labels, clusters = crossed.labels, crossed.clusters
    curves = [_log_odds(cube.reshape(-1, cube.shape[-1])) for cube in crossed.scores]
    scores, numbers = np.vstack(curves), (len(curves[0]), len(curves[1]))
    rows = covariates.loc[crossed.items.tolist()]
    values = {name: _values(rows[name]) for name in rows.columns}

    def measure(compute: Any) -> AdjustedMeasure:
        try:
            found: AdjustedAuroc = compute()
        except NotEstimable as error:
            return AdjustedMeasure(None, None, None, None, None, 0, 0, 0, {}, str(error))
        own = [np.repeat([1.0, 0.0], numbers) / numbers[0], np.repeat([0.0, 1.0], numbers) / numbers[1]]
        parts = [found.auc[: numbers[0]], found.auc[numbers[0] :]]
        between = [[(float(areas.var(ddof=1)) / len(areas), len(areas) - 1)] if len(areas) > 1 else [] for areas in parts]
        both = between[0] + between[1]
        if paired_seeds and numbers[0] == numbers[1] > 1:
            both = [(float((parts[0] - parts[1]).var(ddof=1)) / numbers[0], numbers[0] - 1)]
        return AdjustedMeasure(
            float(own[0] @ found.auc), float(own[1] @ found.auc), found.area_interval(own[0], between[0]),
            found.area_interval(own[1], between[1]), found.contrast(own[0] - own[1], both), found.positives, found.negatives,
            found.clusters, dict(found.left_out),
        )  # fmt: skip

    everyone = np.zeros(len(labels), dtype="<U1")
    site = values.get(SITE)
    return AdjustedBlock(
        arms, tuple(values), numbers,
        measure(lambda: within_stratum_auroc(scores, labels, everyone, clusters, level)),
        None if site is None else measure(lambda: within_stratum_auroc(scores, labels, site, clusters, level)),
        measure(lambda: covariate_adjusted_auroc(scores, labels, values, clusters, level)),
    )  # fmt: skip


def _log_odds(scores: Floats) -> Floats:
    """Log-odds of probabilities, on which the covariates' model is linear; other scores unchanged."""
    if scores.min() < 0 or scores.max() > 1:
        return scores
    return np.asarray(special.logit(np.clip(scores, _EDGE, 1 - _EDGE)))


def _values(column: pd.Series) -> Any:
    """Numbers, or the names of levels; a missing level is a separate level."""
    if column.dtype.kind in "fiu":
        return column.to_numpy(dtype=np.float64)
    return column.astype(object).where(column.notna(), "").astype(str).to_numpy(dtype=str)


def _shown(value: float | None, interval: Interval | None, sign: str = "") -> str:
    low, high = interval or (np.nan, np.nan)
    return f"{value:{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"
