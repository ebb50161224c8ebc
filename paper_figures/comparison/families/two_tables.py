"""From two tables of scores, in files or in memory, to their comparison, as ``see-in-pairs compare A B`` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from paper_figures.comparison.families.several_arms import compare_aligned
from paper_figures.comparison.item_table import ComparisonSettings
from paper_figures.comparison.pairing import align
from paper_figures.comparison.score_tables import read_arm, with_items

if TYPE_CHECKING:
    import pandas as pd

    from empirical.evaluation.records import Records
    from paper_figures.comparison.families.task_family import TwoArms


def compare_tables(
    a: Path | str | pd.DataFrame | Records,
    b: Path | str | pd.DataFrame | Records,
    *,
    arms: tuple[str | None, str | None] = (None, None),
    runs: tuple[Sequence[str], Sequence[str]] = ((), ()),
    positive: Sequence[str] = (),
    clusters: Sequence[str] = (),
    items: Path | str | None = None,
    metric: Sequence[str] = (),
    threshold: float | None = None,
    margin: float | Mapping[str, float] | None = None,
    specificity: float = 0.9,
    fixed: Sequence[str] = (),
    paired_seeds: bool = False,
    confidence_level: float = 0.95,
    resamples: int | None = None,
    seed: int = 0,
) -> TwoArms:
    """Compare two tables of scores item by item, as ``see-in-pairs compare`` does.

    Parameters
    ----------
    a, b : Path, str, pandas.DataFrame or Records
        Scores of arm A and of arm B: records, a table with ``item_id, label, score`` or ``item_id, correct``, or a harness's log. It may
        be the same table twice, with `arms`.
    arms : tuple of str, optional
        Which arm of each table to take, if it has several.
    runs : tuple of sequence of str
        Which runs of each table to take; several for several training seeds.
    positive : sequence of str
        Label(s) to detect; by default those of the records, or 1.
    clusters : sequence of str
        Cluster columns, up to two; by default ``patient_id`` if there is one.
    items : Path or str, optional
        A table with ``item_id`` and further columns, for example ``patient_id``, for both arms.
    metric : sequence of str
        Metric of an item in a log or table; of several the first that it has.
    threshold : float, optional
        A score at or above it is positive; 0.5 by default.
    margin : float or mapping of str to float, optional
        Largest difference that does not matter, for all measures or for one.
    specificity : float, default 0.9
        The specificity at which sensitivities are compared.
    fixed : sequence of str
        Factors with fixed levels, not random: ``readers``, ``cases``, ``references`` or ``wordings``.
    paired_seeds : bool, default False
        Whether training seed s is the same model, or the same training sample, in both arms.
    confidence_level : float, default 0.95
        Share of repetitions in which each interval covers the true value.
    resamples : int, optional
        Bootstrap resamples; 2,000 by default.
    seed : int, default 0
        Seed of bootstrap and permutations.

    Returns
    -------
    Comparison or MeanComparison
        Every paired test and the one to report; for a metric that is neither a score nor right and wrong, the comparison of its means.

    Raises
    ------
    InputError
        When a column is missing, the items of the tables differ, or a setting is not possible.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"item_id": range(40), "patient_id": [i // 2 for i in range(40)], "label": [i % 2 for i in range(40)]})
    >>> single = table.assign(score=[(i * 7 % 40) / 40 for i in range(40)])
    >>> pair = table.assign(score=[(i * 7 % 40 + 10 * (i % 2)) / 50 for i in range(40)])
    >>> found = compare_tables(pair, single, resamples=100)
    >>> found.clusters, found.auroc.b
    (20, 0.525)
    """
    read = []
    for table, arm, chosen, letter in zip((a, b), arms, runs, "AB", strict=True):
        found = read_arm(table, arm, chosen, positive, metric, f"table {letter}")
        read.append(found if items is None else with_items(found, Path(items)))
    settings = ComparisonSettings(
        arms=told_apart(read[0].name, read[1].name, runs), threshold=0.5 if threshold is None else threshold,
        threshold_given=threshold is not None, margin=margin, specificity=specificity, level=confidence_level, resamples=resamples,
        seed=seed, fixed=tuple(fixed), paired_seeds=paired_seeds,
    )  # fmt: skip
    return compare_aligned(align(read[0], read[1], clusters), settings)


def told_apart(a: str, b: str, runs: tuple[Sequence[str] | None, Sequence[str] | None]) -> tuple[str, str]:
    """Give the arms distinct names: those of the runs if they are the same arm."""
    if a != b:
        return a, b
    if runs[0] and runs[1] and runs[0][0] != runs[1][0]:
        return runs[0][0], runs[1][0]
    return f"{a} (first)", f"{b} (second)"
