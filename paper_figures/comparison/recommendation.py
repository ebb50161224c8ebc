"""Which test to report: a fixed rule that looks at the design only, so that no p-value is chosen after seeing it."""

from __future__ import annotations

import math
from dataclasses import replace

from paper_figures.comparison.factors_block import FactorTests
from paper_figures.comparison.item_table import ComparisonSettings, ItemTable
from paper_figures.comparison.limits import ONE_CLUSTER
from paper_figures.comparison.result import Comparison, Recommendation
from paper_figures.statistics.clustered.difference import ClusteredDifferenceResult
from paper_figures.statistics.clustered.sign_flip import SignFlipResult
from paper_figures.statistics.equivalence import EquivalenceResult, equivalence, tost
from paper_figures.statistics.multireader.random_factors import ContrastResult
from paper_figures.statistics.roc.permutation import AurocPermutationResult
from paper_figures.statistics.roc.rare_class import FEWEST_FOR_T, FEWEST_FOR_Z

FEW_CLUSTERS, FEW_REFERENCES = 50, 20  # from here on the error-rate study finds bootstrap intervals and two-way tests at their level

FEWEST = 6  # 2 / 2^5 is above .05
CORRELATED = "items of a cluster are correlated"
WORDS = {"seeds": "trainings", "patients": "patients", "references": "references", "wordings": "wordings"}


def recommend(
    comparison: Comparison, found: FactorTests, table: ItemTable, settings: ComparisonSettings, rarer: int
) -> dict[str, Recommendation]:
    """Choose the test of each measure that has one; `rarer` clusters have items of the rarer class.

    If trainings, references or wordings are random too, or a factor is fixed: the one estimator over all factors; else sign-flip or
    McNemar's test, and DeLong's or the jackknife's.
    """
    several = found.several or bool(settings.fixed)
    lost = not found.tests and (table.seeds is not None or table.second is not None)  # no plain test takes these into account
    plain = {"accuracy": None if lost else _accuracy(comparison), "auroc": None if lost else _auroc(comparison, rarer)}
    chosen = {}
    for measure, one in plain.items():
        test = found.tests.get(measure)
        # with few cases of a class no plain test keeps its level, and the estimator's interval is given without a verdict
        if test is not None and (several or (one is None and measure in found.reason)):
            one = over_factors(test, found)
        if one is not None:
            factors = found.factors if test is None else test.factors  # their variance and df are those of the measure
            chosen[measure] = _with_margin(replace(one, factors=factors), table, settings)
    return chosen


def no_recommendation(comparison: Comparison, recommended: dict[str, Recommendation], found: FactorTests, rarer: int) -> dict[str, str]:
    """Say why no test is recommended, by measure."""
    unknown = comparison.reasons.get("factors")
    lacking = {} if "accuracy" in recommended else {"accuracy": comparison.reasons.get("accuracy") or unknown or ONE_CLUSTER}
    if comparison.auroc is None or "auroc" in recommended:
        return lacking
    why = ONE_CLUSTER if comparison.clusters == 1 else f"only {rarer} clusters have an item of the rarer class"
    return lacking | {"auroc": unknown or comparison.reasons.get("auroc.clustered_t") or found.reason.get("auroc") or why}


def over_factors(test: ContrastResult, found: FactorTests) -> Recommendation:
    """Recommend a test of the estimator; without p if no test keeps its level in the design."""
    random = [WORDS[name] for name, factor in test.factors.items() if factor.random]
    fixed = [WORDS[name] for name, factor in test.factors.items() if not factor.random]
    listed = " and ".join(filter(None, (", ".join(random[:-1]), random[-1])))
    why = f"{listed} {'are random at once' if len(random) > 1 else 'are random'}"
    if "seeds" in test.factors and test.factors["seeds"].random:
        why += "; trainings of the arms are crossed" if test.by_seed else "; the trainings of the arms are independent of each other"
        why += f"; {found.one_model} is one model, and the result is about that one" if found.one_model else ""
    elif "trainings" in fixed:
        several = test.factors["seeds"].levels > 1
        why += f"; {'trainings are fixed' if several else 'one trained model of each arm'}: the result is about these models"
    reason = found.reason.get(test.measure, "")
    df = _shown(test.df)
    return Recommendation(
        test.measure, f"all random factors, t ({df} df)", why, test.estimate, test.interval, None if reason else test.p,
        test.se, test.df, not reason, reason, test.factors,
    )  # fmt: skip


def _with_margin(one: Recommendation, table: ItemTable, settings: ComparisonSettings) -> Recommendation:
    """Add equivalence, non-inferiority and non-superiority at the margin of the measure."""
    margin = settings.margin_of(one.measure)
    if margin is None or not one.admissible:
        return one
    result: EquivalenceResult
    if one.measure == "accuracy" and one.se is None:
        result = equivalence(table.n10, table.n01, table.items, margin)
    elif not one.se:  # no cluster shows a difference: each counts as one item
        units = min([factor.levels for factor in one.factors.values() if factor.random], default=table.clusters)
        result = equivalence(0, 0, units, margin)
    else:
        result = tost(one.difference, one.se, math.inf if one.df is None else one.df, margin)
    return replace(one, margin=result)


def _accuracy(comparison: Comparison) -> Recommendation | None:
    """The first that applies: sign-flip over clusters; mid-p McNemar, Tango's interval."""
    clustered, independent = comparison.clustered_accuracy, comparison.clusters == comparison.items
    if comparison.accuracy is None or comparison.permutation is None:
        return None
    if clustered is not None and not independent:
        return _sign_flip(clustered.difference, comparison.permutation, comparison.clusters)
    if not independent:
        return None
    why = "items are independent"
    paired, p = comparison.accuracy.paired, comparison.accuracy.mcnemar.mid_p
    return Recommendation("accuracy", "McNemar mid-p, Tango interval", why, paired.difference, paired.intervals["tango"], p)


def _sign_flip(robust: ClusteredDifferenceResult, permutation: SignFlipResult, clusters: int) -> Recommendation:
    test, why = f"{'exact ' * permutation.exact}sign-flip over clusters", CORRELATED
    interval = permutation.interval
    if clusters < FEWEST:
        why += f"; with fewer than {FEWEST} clusters p cannot fall below {2 / 2**clusters:.4g}"
    if not robust.se and not robust.estimate:
        named = f"{test}, Tango interval of {clusters} clusters"
        return Recommendation("accuracy", named, why, 0.0, robust.interval, permutation.p, 0.0, robust.df)
    # few clusters: no sign pattern could reject any difference. A note: all clusters agree, and the interval would have no width
    if not (math.isfinite(interval[0]) and math.isfinite(interval[1])) or robust.note:
        test, interval = f"{test}, interval by t ({robust.df:.0f} df)", robust.interval
    interval = (max(-1.0, interval[0]), min(1.0, interval[1]))
    return Recommendation("accuracy", test, why, robust.estimate, interval, permutation.p, robust.se, robust.df)


def _auroc(comparison: Comparison, rarer: int) -> Recommendation | None:
    """The first that applies: clustered DeLong, by t if possible; for independent items the permutation of swapped arms; DeLong by t.

    With fewer than `FEWEST_FOR_T` items of a class no test keeps its level.
    """
    auroc, clustered = comparison.auroc, comparison.clusters < comparison.items
    if auroc is None or rarer < FEWEST_FOR_T:
        return None
    if clustered and auroc.clustered_t is not None:
        return _student("auroc", auroc.clustered_t, "clustered DeLong, jackknife t", CORRELATED)
    if not clustered and auroc.clustered_t is not None:
        if auroc.permutation is not None:
            return _swapped(auroc.permutation, auroc.clustered_t)
        few = f", but {rarer} of a class are few" if rarer < FEWEST_FOR_Z else ""
        return _student("auroc", auroc.clustered_t, "DeLong, jackknife t", f"items are independent{few}")
    result = auroc.clustered_delong if clustered else auroc.delong
    if result is None:
        return None
    test, why = ("clustered DeLong (Obuchowski)", CORRELATED) if clustered else ("DeLong", "items are independent")
    return Recommendation("auroc", test, why, result.difference, result.interval, result.p, result.se)


def _swapped(permutation: AurocPermutationResult, jackknife: ClusteredDifferenceResult) -> Recommendation:
    """The p-value of the permutation with DeLong's interval: the permutation's critical values are valid only if the arms are equal."""
    test = f"{'exact ' * permutation.exact}permutation of swapped arms, DeLong interval by t ({_shown(jackknife.df)} df)"
    why = "items are independent and neither class is rare; the interval also holds for unequal arms, so it may disagree with a p near .05"
    return Recommendation("auroc", test, why, jackknife.estimate, jackknife.interval, permutation.p, jackknife.se, jackknife.df)


def _student(measure: str, result: ClusteredDifferenceResult, test: str, why: str) -> Recommendation:
    named = f"{test} ({_shown(result.df)} df)"
    return Recommendation(measure, named, why, result.estimate, result.interval, result.p, result.se, result.df)


def _shown(df: float) -> str:
    return f"{df:.0f}" if df >= 10 or float(df).is_integer() else f"{df:.1f}"
