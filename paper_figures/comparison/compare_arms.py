"""Every paired test of two arms in one call."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from paper_figures.comparison.blocks import (
    Robust,
    accuracy_block,
    auroc_block,
    bootstrap_block,
    bootstrap_resamples,
    clustered_accuracy_block,
    equivalence_block,
    procedure_blocks,
    two_way_block,
)
from paper_figures.comparison.recommendation import FEW_CLUSTERS, FEW_REFERENCES, recommend_accuracy, recommend_auroc
from paper_figures.comparison.result import Comparison
from paper_figures.comparison.rows import Reasons, Rows, Settings, make_rows
from paper_figures.statistics.bootstrap.result import BootstrapDifference
from paper_figures.statistics.clustered.sign_flip import sign_flip
from paper_figures.statistics.validation import as_count, as_level


def compare_arms(
    scores_a: npt.ArrayLike,
    scores_b: npt.ArrayLike,
    labels: npt.ArrayLike | None,
    clusters: npt.ArrayLike | None = None,
    threshold: float = 0.5,
    *,
    second_clusters: npt.ArrayLike | Sequence[Sequence[object]] | None = None,
    training_seeds: npt.ArrayLike | None = None,
    arms: tuple[str, str] = ("A", "B"),
    margin: float | None = None,
    specificity: float = 0.9,
    confidence_level: float = 0.95,
    resamples: int | None = None,
    permutations: int = 9999,
    method: str = "bca",
    seed: int = 0,
    warnings: Sequence[str] = (),
) -> Comparison:
    """Compare two arms that score the same items, by every paired test.

    Parameters
    ----------
    scores_a : array_like, shape (n,)
        Scores of arm A, higher speaking for positive; or, without labels, whether A is right on each item.
    scores_b : array_like, shape (n,)
        The same of arm B, for the same items in the same order.
    labels : array_like of bool, shape (n,), or None
        Whether each item is positive. None: the scores are right (1) or wrong (0), and what needs scores is None.
    clusters : array_like, shape (n,), optional
        The cluster of each item, for example its patient.
    threshold : float, default 0.5
        A score at or above it counts as positive.
    second_clusters : array_like, shape (n,), or sequence of n sequences, optional
        A second kind of cluster, one name per item or several: for example its references.
    training_seeds : array_like, shape (n,), optional
        The training seed of the model behind each row, where there are several models per arm.
    arms : tuple of str, default ('A', 'B')
        Names of the arms.
    margin : float, optional
        The difference in accuracy that would not matter, for the equivalence test.
    specificity : float, default 0.9
        At which sensitivities are compared.
    confidence_level : float, default 0.95
        Of all intervals.
    resamples : int, optional
        Bootstrap resamples; by default 2,000, fewer above 100,000 items.
    permutations : int, default 9999
        Sign patterns, where there are too many for all.
    method : {'bca', 'percentile', 'basic'}
        Kind of bootstrap interval.
    seed : int, default 0
        Seed of all resampling.
    warnings : sequence of str
        Further warnings to carry along.

    Returns
    -------
    Comparison
        All results; `to_dict` gives the JSON of ``see-in-pairs compare``, `to_frame` a table.

    Raises
    ------
    InputError
        When inputs do not fit. A test that the data cannot bear (one class, one cluster) is None with a reason instead.

    Notes
    -----
    The order of rows changes nothing: rows are put into a fixed order first.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> patients = np.repeat(np.arange(60), 3)
    >>> labels = np.repeat(rng.random(60) < 0.5, 3)
    >>> good, poor = (1 / (1 + np.exp(-(rng.normal(size=180) + shift * (2 * labels - 1)))) for shift in (1.5, 0.3))
    >>> comparison = compare_arms(good, poor, labels, clusters=patients, resamples=200)
    >>> comparison.recommended["accuracy"].test
    'sign-flip over clusters'
    >>> comparison.auroc.clustered_delong.p < 0.001
    True
    """
    rows = make_rows(scores_a, scores_b, labels, clusters, threshold, second_clusters, training_seeds)
    settings = Settings(
        arms, as_level(confidence_level), margin, specificity, resamples, as_count(permutations, "permutations"), method, seed, threshold
    )
    return _compare(rows, settings, tuple(warnings))


def _compare(rows: Rows, settings: Settings, given: tuple[str, ...]) -> Comparison:
    why = Reasons()
    clustered = why.attempt("clustered_accuracy", lambda: clustered_accuracy_block(rows, settings))
    accuracy, auroc, bootstrap = accuracy_block(rows, settings), auroc_block(rows, settings, why), bootstrap_block(rows, settings, why)
    two_way, (procedure, procedure_auroc) = two_way_block(rows, settings, why), procedure_blocks(rows, settings, why)
    permutation = sign_flip(rows.right_a.astype(float) - rows.right_b, rows.codes, settings.permutations, seed=settings.seed)
    robust = procedure or two_way or (clustered.difference if clustered and rows.clusters < rows.items else None)
    recommended = {
        "accuracy": recommend_accuracy(accuracy, clustered, two_way, procedure, permutation, rows.clusters, rows.items),
        "auroc": recommend_auroc(auroc, procedure_auroc, rows.clusters, rows.items) if auroc else None,
    }
    return Comparison(
        items=rows.items, clusters=rows.clusters, arms=settings.arms, accuracy=accuracy, clustered_accuracy=clustered, auroc=auroc,
        two_way=two_way, equivalence=equivalence_block(rows, settings, robust), procedure=procedure,
        procedure_auroc=procedure_auroc, bootstrap=bootstrap,
        permutation=permutation, recommended={name: one for name, one in recommended.items() if one}, reasons=why.found,
        warnings=given + tuple(_warnings(rows, settings, bootstrap, {"two_way": two_way, "procedure": procedure})),
        confidence_level=settings.level, specificity=settings.specificity,
    )  # fmt: skip


def _members(entry: object) -> set[str]:
    """Read the second clusters of one item, one name or several."""
    return {str(name) for name in entry} if isinstance(entry, (list, tuple, set, frozenset, np.ndarray)) else {str(entry)}


def _warnings(rows: Rows, settings: Settings, bootstrap: dict[str, BootstrapDifference], ways: dict[str, Robust | None]) -> list[str]:
    found = []
    if not rows.clustered:
        found.append("no clusters were given: every test takes the items as independent; if they share patients, p-values are too small")
    if rows.clusters < rows.items:
        ignoring = "McNemar's tests, the Tango, Newcombe, Wald and Bonett-Price intervals"
        ignoring += " and DeLong's test" if rows.scores is not None else ""
        found.append(f"{rows.items} items come in {rows.clusters} clusters, which {ignoring} ignore; read the clustered results")
    if rows.clusters < FEW_CLUSTERS:
        found.append(f"{rows.clusters} clusters are few: bootstrap intervals are too short (below about {FEW_CLUSTERS}), and so are GEE's")
    if rows.second is not None and (references := len(set().union(*map(_members, rows.second)))) < FEW_REFERENCES:
        found.append(f"{references} clusters of the second kind are few: two-way tests reject somewhat too often below {FEW_REFERENCES}")
    if bootstrap_resamples(rows, settings) < 2000 and settings.resamples is None:
        found.append(f"{bootstrap_resamples(rows, settings)} bootstrap resamples, for so many items; ask for more with resamples")
    if rows.scores is not None and (rows.scores.min() < 0 or rows.scores.max() > 1):
        found.append(f"scores lie outside [0, 1]: no Brier score, no calibration error; accuracy is at threshold {settings.threshold:g}")
    found += [f"{name}: {one.undefined} of {one.resamples} resamples had no value" for name, one in bootstrap.items() if one.undefined]
    return found + [f"{name}: {result.note}" for name, result in ways.items() if result is not None and result.note]
