"""What a crossed scoring says of the quantities that the theory takes in (T10): variance components, and the correlation rho."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from see_in_pairs.files import read_table
from theory.variance_components import Interval, bootstrap_components, crossed_components, logits_of, paired_correlation

if TYPE_CHECKING:
    import pandas as pd

FEW = 30
"""Patients of each class, below which the bootstrap's intervals of the patients' component are too short: with 10 to 15 of each, seven
in eight hold the truth, with 30 to 50 nine in ten (normal logits; a little fewer with heavier tails)."""


@dataclass(frozen=True)
class Components:
    """Variance components of the paired logit.

    Parameters
    ----------
    patients, references, seeds : int
        Of the crossed scoring.
    beta : float
        Mean logit of diseased minus healthy.
    variances : dict of str to Interval
        ``P``, ``PR``, ``PS``, ``E`` with 95 % intervals over patients.
    note : str
        What is to be kept in mind.
    """

    patients: int
    references: int
    seeds: int
    beta: float
    variances: dict[str, Interval]
    note: str


@dataclass(frozen=True)
class Likeness:
    """How alike a query and its reference score, each alone.

    Parameters
    ----------
    rho : Interval
        Correlation within class, with its 95 % interval.
    d : float
        Separation of the classes by the query's score, in standard deviations within class.
    diseased, healthy : int
        Patients, one query each.
    seeds : int
        Models whose scores were averaged.
    note : str
        What is to be kept in mind.
    """

    rho: Interval
    d: float
    diseased: int
    healthy: int
    seeds: int
    note: str

    @property
    def plan(self) -> str:
        """The command that goes on from here; empty where the single image does not separate the classes."""
        if self.d <= 0:
            return ""
        return f"see-in-pairs plan --d {self.d:.3f} --rho {self.rho.estimate:.3f} --measured {self.diseased} {self.healthy}"


def read_components(folder: Path, seed: int = 0) -> Components | str:
    """Estimate variance components from ``crossed.parquet``.

    Parameters
    ----------
    folder : Path
        That ``analyse crossed`` wrote.
    seed : int, default 0
        Of the bootstrap over patients.

    Returns
    -------
    Components or str
        Or why there are none.
    """
    logits, labels = logits_of(read_table(folder / "crossed.parquet"))
    patients, references, seeds = logits.shape
    if seeds < 2:
        return "with one model there is no telling seeds from the rest: give 'models' that were finetuned with different seeds"
    few = min(labels.sum(), (~labels).sum()) < FEW
    note = f"fewer than {FEW} patients of each class: the interval of the patients' variance is too short" if few else ""
    found = bootstrap_components(logits, labels, seed=seed)
    return Components(patients, references, seeds, crossed_components(logits, labels).beta, found, note)


def read_likeness(folder: Path) -> Likeness | str:
    """Estimate the correlation of query and reference from ``paired.parquet``.

    Parameters
    ----------
    folder : Path
        That ``analyse crossed`` wrote.

    Returns
    -------
    Likeness or str
        Or why there is none.

    Notes
    -----
    Scores are averaged over models. The interval takes pairs for independent, so one query of each patient counts, the first by name.
    """
    if not (folder / "paired.parquet").is_file():
        return "no paired.parquet; run 'analyse crossed' with 'pairing' (a strategy of references) in its config, into another folder"
    table = read_table(folder / "paired.parquet")
    if table.groupby("item_id")["reference_id"].nunique().max() > 1:
        return "the models chose different references, so their scores cannot be averaged; give one model"
    mean = table.groupby(["item_id", "reference_id"], as_index=False).agg(
        label=("label", "first"), query=("query", "mean"), reference=("reference", "mean"), patient_id=("patient_id", "first")
    )
    one = mean.sort_values("item_id").drop_duplicates("patient_id")
    shared = int(one["reference_id"].duplicated().sum())
    note = f"{shared} of {len(one)} references stand beside several queries: the interval is too short" if shared else ""
    diseased = int(one["label"].sum())
    rho = paired_correlation(one["query"], one["reference"], one["label"])
    return Likeness(rho, _separation(one), diseased, len(one) - diseased, int(table["seed"].nunique()), note)


def _separation(one: pd.DataFrame) -> float:
    groups = [scores for _, scores in one.groupby("label")["query"]]  # healthy, diseased
    within = sum(float(scores.var(ddof=1)) * (len(scores) - 1) for scores in groups) / (len(one) - 2)
    return float((groups[1].mean() - groups[0].mean()) / within**0.5)
