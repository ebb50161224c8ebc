"""Every paired test of two arms in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from paper_figures.comparison.arm_rows import CrossedArms, crossed
from paper_figures.comparison.blocks import (
    Reasons,
    accuracy_block,
    auroc_block,
    bootstrap_block,
    bootstrap_resamples,
    clustered_accuracy_block,
    permutation_block,
    procedure_blocks,
    two_way_block,
)
from paper_figures.comparison.diagnostic_block import diagnostic_block
from paper_figures.comparison.factors_block import FactorTests, crossed_rows, factor_tests, side_by_side
from paper_figures.comparison.item_table import ArmPair, ComparisonSettings, ItemTable, item_table
from paper_figures.comparison.limits import ONE_CLUSTER
from paper_figures.comparison.pairing import Aligned
from paper_figures.comparison.recommendation import FEW_CLUSTERS, FEW_REFERENCES, no_recommendation, recommend
from paper_figures.comparison.result import Comparison
from paper_figures.statistics.clustered.two_way import membership_sets
from paper_figures.statistics.roc.rare_class import FEWEST_FOR_Z, class_clusters
from paper_figures.statistics.validation import NotEstimable, as_level
from see_in_pairs.errors import InputError


def compare_arms(
    scores_a: npt.ArrayLike,
    scores_b: npt.ArrayLike,
    labels: npt.ArrayLike | None,
    clusters: npt.ArrayLike | None = None,
    threshold: float | None = None,
    *,
    second_clusters: npt.ArrayLike | Sequence[Sequence[object]] | None = None,
    training_seeds: npt.ArrayLike | None = None,
    arms: tuple[str, str] = ("A", "B"),
    margin: float | Mapping[str, float] | None = None,
    specificity: float = 0.9,
    confidence_level: float = 0.95,
    resamples: int | None = None,
    permutations: int = 9999,
    method: str = "bca",
    seed: int = 0,
    fixed: Sequence[str] = (),
    paired_seeds: bool = False,
    warnings: Sequence[str] = (),
) -> Comparison:
    """Compare two arms that score the same items, by every paired test.

    Parameters
    ----------
    scores_a : array_like, shape (n,)
        Scores of arm A, higher for positive; or, without labels, whether A is right on each item.
    scores_b : array_like, shape (n,)
        The same of arm B, for the same items in the same order.
    labels : array_like of bool, shape (n,), or None
        Whether each item is positive. None: the scores are right (1) or wrong (0), and results that need scores are None.
    clusters : array_like, shape (n,), optional
        The cluster of each item, for example its patient; by default each item is its own cluster.
    threshold : float, optional
        A score at or above it counts as positive, for the accuracy. By default 0.5 if scores are in [0, 1]; else there is no accuracy.
    second_clusters : array_like, shape (n,), or sequence of n sequences, optional
        A second kind of cluster, one name per item or several: for example its references.
    training_seeds : array_like, shape (n,), optional
        The training seed of the model of each row, if there are several models per arm.
    arms : tuple of str, default ('A', 'B')
        Names of the arms in tables and sentences.
    margin : float or mapping of str to float, optional
        Largest difference that does not matter, for equivalence, non-inferiority and non-superiority: of accuracy and of AUROC, or of the
        named measures.
    specificity : float, default 0.9
        The specificity, between 0 and 1, at which sensitivities are compared.
    confidence_level : float, default 0.95
        Share of repetitions in which each interval covers the true value, between 0 and 1.
    resamples : int, optional
        Number of bootstrap resamples; by default 2,000, fewer above 100,000 items.
    permutations : int, default 9999
        Number of random sign patterns, if there are too many to use all.
    method : {'bca', 'percentile', 'basic'}
        Kind of bootstrap interval; BCa corrects for bias and skewness.
    seed : int, default 0
        Seed of the bootstrap and of the sign patterns.
    fixed : sequence of {'readers', 'cases', 'references', 'wordings'}
        Factors with fixed levels: the result is about these levels only. All others are random.
    paired_seeds : bool, default False
        Whether training seed s is the same trained model, or the same training sample, in both arms. By default the trainings of the arms
        are independent of each other, even if their seeds have the same names.
    warnings : sequence of str
        Further warnings to show before those of the comparison.

    Returns
    -------
    Comparison
        All results; `to_dict` gives the JSON of ``see-in-pairs compare``, `to_frame` a table.

    Raises
    ------
    InputError
        When inputs do not fit. A test that the data do not allow (one class, one cluster) is None with a reason instead.

    Notes
    -----
    The order of rows does not matter: rows are sorted first.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> patients = np.repeat(np.arange(60), 3)
    >>> labels = np.repeat(rng.random(60) < 0.5, 3)
    >>> good, poor = (1 / (1 + np.exp(-(rng.normal(size=180) + shift * (2 * labels - 1)))) for shift in (1.5, 0.3))
    >>> comparison = compare_arms(good, poor, labels, clusters=patients, resamples=200)
    >>> comparison.recommended["accuracy"].test
    'exact sign-flip over clusters'
    >>> comparison.auroc.clustered_delong.p < 0.001
    True
    """
    pair = ArmPair(scores_a, scores_b, labels, clusters, second_clusters, training_seeds)
    settings = ComparisonSettings(
        arms=arms, threshold=0.5 if threshold is None else threshold, threshold_given=threshold is not None, margin=margin,
        specificity=specificity, level=as_level(confidence_level), resamples=resamples, permutations=permutations, method=method,
        seed=seed, fixed=tuple(fixed), paired_seeds=paired_seeds,
    )  # fmt: skip
    return compare_pair(pair, settings, warnings)


def compare_rows(aligned: Aligned, settings: ComparisonSettings) -> Comparison:
    """Compare two arms as `pairing` aligned them, with all trainings and wordings that each has."""
    try:
        arms = crossed(aligned.a, aligned.b)
    except NotEstimable:
        if aligned.side_by_side is None:
            raise
        return compare_pair(aligned.side_by_side, settings, aligned.warnings)
    if settings.paired_seeds and not np.array_equal(*arms.training_seeds):
        raise InputError("--paired-seeds: the arms have different training seeds; give both the same, or leave it out")
    settings = replace(settings, paired_seeds=settings.paired_seeds or aligned.same_models)
    if aligned.side_by_side is not None:
        return compare_pair(aligned.side_by_side, settings, aligned.warnings, arms)
    pair, said = side_by_side(arms)
    return compare_pair(pair, settings, (*aligned.warnings, said), arms)


def compare_pair(
    pair: ArmPair, settings: ComparisonSettings, warnings: Sequence[str] = (), crossed: CrossedArms | None = None
) -> Comparison:
    """Compare two arms by every test that their data allow; `compare_arms` and the command run this.

    `crossed` has everything of both arms, if `pair` has only a part (each arm's own trainings, wordings).
    """
    for margin in filter(None, map(settings.margin_of, ("accuracy", "auroc"))):
        if not 0 < margin < 1:
            raise InputError(f"margin: give a difference of proportions between 0 and 1, not {margin!r}")
    table, reasons = item_table(pair, settings.threshold), Reasons()
    factors = reasons.attempt("factors", lambda: factor_tests(crossed or crossed_rows(table), settings, settings.paired_seeds))
    factors = factors or FactorTests({}, {}, {})
    clustered = reasons.attempt("clustered_accuracy", lambda: clustered_accuracy_block(table, settings))
    auroc, bootstrap = auroc_block(table, settings, reasons), bootstrap_block(table, settings, reasons)
    two_way, (procedure, procedure_auroc) = two_way_block(table, settings, reasons), procedure_blocks(table, settings, reasons)
    found = Comparison(
        items=table.items,
        clusters=table.clusters,
        arms=settings.arms,
        accuracy=accuracy_block(table, settings),
        clustered_accuracy=clustered,
        auroc=auroc,
        two_way=two_way,
        equivalence=None,
        procedure=procedure,
        procedure_auroc=procedure_auroc,
        bootstrap=bootstrap,
        permutation=permutation_block(table, settings, reasons),
        recommended={},
        reasons=reasons.found,
        warnings=(),
        confidence_level=settings.level,
        specificity=settings.specificity,
        diagnostic=diagnostic_block(table, settings, reasons.found),
    )
    if not settings.threshold_given and _not_probabilities(table):
        found, factors = _without_decisions(found, reasons), factors.without("accuracy")
    rarer = 0 if table.labels is None else class_clusters(table.labels, table.codes)
    recommended = recommend(found, factors, table, settings, rarer)
    lacking = {f"recommended.{name}": why for name, why in no_recommendation(found, recommended, factors, rarer).items()}
    lacking |= {f"recommended.{name}": one.reason for name, one in recommended.items() if one.reason}
    equal = recommended["accuracy"].margin if "accuracy" in recommended else None
    if settings.margin_of("accuracy") is not None and equal is None:
        lacking["equivalence"] = lacking.get("recommended.accuracy", ONE_CLUSTER)
    said = (*warnings, *_warnings(table, settings, found))
    return replace(found, recommended=recommended, equivalence=equal, reasons=reasons.found | lacking, warnings=said)


UNDECIDED = "scores are outside [0, 1], and no --threshold says which are positive"


def _not_probabilities(table: ItemTable) -> bool:
    return table.scores is not None and bool(table.scores.min() < 0 or table.scores.max() > 1)


def _without_decisions(found: Comparison, reasons: Reasons) -> Comparison:
    """The comparison without the parts that need to know which scores are positive."""
    names = ("accuracy", "clustered_accuracy", "two_way", "equivalence", "procedure", "permutation")
    reasons.found = {name: why for name, why in reasons.found.items() if name.split(".")[0] not in names or name == "procedure.auroc"}
    reasons.found |= dict.fromkeys(["accuracy", "diagnostic.at_threshold", "diagnostic.flips"], UNDECIDED)
    reasons.found.pop("bootstrap.accuracy", None)
    return replace(
        found, accuracy=None, clustered_accuracy=None, two_way=None, equivalence=None, procedure=None, permutation=None,
        bootstrap={name: one for name, one in found.bootstrap.items() if name != "accuracy"}, reasons=reasons.found,
        diagnostic=None if found.diagnostic is None else replace(found.diagnostic, at_threshold=None, flips=None),
    )  # fmt: skip


def _warnings(table: ItemTable, settings: ComparisonSettings, comparison: Comparison) -> list[str]:
    found, scores = [], table.scores
    if not table.clustered:
        found.append("no clusters were given: every test treats the items as independent; if they share patients, p-values are too small")
    if not table.independent:
        ignoring = "McNemar's tests, the Tango, Newcombe, Wald and Bonett-Price intervals"
        ignoring += " and DeLong's test" if scores is not None else ""
        found.append(f"{table.items} items come in {table.clusters} clusters, which {ignoring} ignore; read the clustered results")
    if table.clusters < FEW_CLUSTERS:
        found.append(f"{table.clusters} clusters are few: bootstrap intervals are too short (below about {FEW_CLUSTERS}), and so are GEE's")
    if table.second is not None:
        references = len(set().union(*membership_sets(table.second, table.items)))
        if references < FEW_REFERENCES:
            found.append(
                f"{references} clusters of the second kind are few: two-way tests reject somewhat too often below {FEW_REFERENCES}"
            )
    resamples = bootstrap_resamples(table, settings) if comparison.bootstrap else 2000
    if resamples < 2000 and settings.resamples is None:
        found.append(f"{resamples} bootstrap resamples, for so many items; ask for more with resamples")
    if _not_probabilities(table):
        decided = f"accuracy is at threshold {settings.threshold:g}" if settings.threshold_given else "no accuracy without --threshold"
        found.append(f"scores are outside [0, 1]: no Brier score, no calibration error; {decided}")
    if table.labels is not None and comparison.auroc and class_clusters(table.labels, table.codes) < FEWEST_FOR_Z:
        few = f"fewer than {FEWEST_FOR_Z} {'items' if table.independent else 'clusters'} of a class"
        found.append(f"{few}: DeLong's tests against the normal distribution, clustered or not, reject too often")
    undefined = {name: one for name, one in comparison.bootstrap.items() if one.undefined and not one.reason}
    found += [f"{name}: {one.undefined} of {one.resamples} resamples had no value" for name, one in undefined.items()]
    ways = {"two_way": comparison.two_way, "procedure": comparison.procedure}
    return found + [f"{name}: {result.note}" for name, result in ways.items() if result is not None and result.note]
