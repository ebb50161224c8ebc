"""Estimates, from a crossed scoring, of the theory's parameters (T10): variance components, and the correlation rho."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from see_in_pairs.errors import InputError
from see_in_pairs.files import read_table
from theory.models.variance_components import Interval, bootstrap_components, logits_of, paired_correlation

if TYPE_CHECKING:
    import pandas as pd

FEW = 30
"""With fewer patients of each class the bootstrap's intervals of the patients' component are too short: with 10 to 15 of each, seven
in eight contain the truth, with 30 to 50 nine in ten (normal logits; a little fewer with heavier tails)."""

LARGEST = 0.999
"""With a larger correlation there is nothing to plan: query and reference have the same scores."""
PAIRED = ("item_id", "reference_id", "patient_id", "label", "seed", "query", "reference")


@dataclass(frozen=True)
class Components:
    """Variance components of the paired logit, with 95 % intervals over patients."""

    patients: int
    references: int
    seeds: int
    beta: Interval  # mean logit of diseased minus healthy (Welch's t, of each patient's mean)
    variances: dict[str, Interval]  # of patients ``P``, patient x reference ``PR``, patient x seed ``PS``, and the rest ``E``
    note: str  # a caveat, or ``''``


@dataclass(frozen=True)
class Likeness:
    """How alike a query and its reference score, each shown alone, with 95 % intervals."""

    rho: Interval  # correlation within class
    d: Interval  # separation of the classes by the query's score, in standard deviations within class
    diseased: int  # patients, one query each
    healthy: int
    seeds: int  # models whose scores were averaged
    note: str  # a caveat, or ``''``

    @property
    def plan(self) -> str:
        """The planning command for these numbers; empty where the single image does not separate the classes or the scores are the same."""
        if self.d.estimate <= 0 or abs(self.rho.estimate) > LARGEST:
            return ""
        return f"see-in-pairs plan --d {self.d.estimate:.3f} --rho {self.rho.estimate:.3f} --measured {self.diseased} {self.healthy}"


def read_components(folder: Path, seed: int = 0) -> Components | str:
    """Estimate variance components from ``crossed.parquet``, or say why there are none."""
    logits, labels = logits_of(read_table(folder / "crossed.parquet"))
    patients, references, seeds = logits.shape
    if seeds < 2:
        return "with one model, seeds cannot be separated from the rest: give 'models' that were finetuned with different seeds"
    if lacking := int(np.isnan(logits).sum()):
        return f"{lacking} of {logits.size} logits are not finite; see the messages of 'analyse crossed'"
    few = min(labels.sum(), (~labels).sum()) < FEW
    note = (
        f"fewer than {FEW} patients of each class: these intervals are too short, above all that of the patients' variance" if few else ""
    )
    found = bootstrap_components(logits, labels, seed=seed)
    return Components(patients, references, seeds, _difference(logits, labels), found, note)


def _difference(logits: np.ndarray, labels: np.ndarray) -> Interval:
    """Mean logit of diseased minus healthy; effects of references and seeds, which patients share, cancel."""
    from scipy.stats import ttest_ind

    mean = logits.mean(axis=(1, 2))
    ends = ttest_ind(mean[labels], mean[~labels], equal_var=False).confidence_interval()
    return Interval(float(mean[labels].mean() - mean[~labels].mean()), float(ends.low), float(ends.high))


def read_likeness(folder: Path) -> Likeness | str:
    """Estimate the correlation of query and reference from ``paired.parquet``, or say why there is none."""
    if not (folder / "paired.parquet").is_file():
        return "no paired.parquet; run 'analyse crossed' with 'pairing' (a strategy of references) in its config, into another folder"
    table = read_table(folder / "paired.parquet")
    if missing := [column for column in PAIRED if column not in table.columns]:
        raise InputError(f"{folder / 'paired.parquet'}: has no column {', '.join(missing)}; write it with 'see-in-pairs analyse crossed'")
    if lacking := int(table[["query", "reference"]].isna().any(axis=1).sum()):
        return f"{lacking} of {len(table)} pairs have a score that is not finite; see the messages of 'analyse crossed'"
    if table.groupby("item_id")["reference_id"].nunique().max() > 1:
        return "queries have several references, or the models chose different ones: give one model, and a strategy of one reference"
    mean = table.groupby(["item_id", "reference_id"], as_index=False).agg(
        label=("label", "first"), query=("query", "mean"), reference=("reference", "mean"), patient_id=("patient_id", "first")
    )
    one = mean.sort_values("item_id").drop_duplicates("patient_id")
    shared = int(one["reference_id"].duplicated(keep=False).sum())
    note = f"{shared} of {len(one)} queries share their reference with another: the interval allows for that" if shared else ""
    diseased = int(one["label"].sum())
    try:
        rho = paired_correlation(one["query"], one["reference"], one["label"], references=one["reference_id"])
    except InputError as error:  # the variance components are shown anyway
        return str(error)
    return Likeness(rho, _separation(one), diseased, len(one) - diseased, int(table["seed"].nunique()), note)


def _separation(one: pd.DataFrame) -> Interval:
    """Cohen's d, with the standard error to first order (Hedges and Olkin 1985)."""
    groups = [scores for _, scores in one.groupby("label")["query"]]  # healthy, diseased
    freedom = len(one) - 2
    within = sum(float(scores.var(ddof=1)) * (len(scores) - 1) for scores in groups) / freedom
    d = float((groups[1].mean() - groups[0].mean()) / within**0.5)
    half = 1.96 * (sum(1 / len(scores) for scores in groups) + d**2 / (2 * freedom)) ** 0.5
    return Interval(d, d - half, d + half)
