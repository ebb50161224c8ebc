"""Which test to report: a fixed rule that looks at the design only, so that nobody chooses among p-values after seeing them."""

from __future__ import annotations

import math

from paper_figures.comparison.limits import ONE_CLUSTER
from paper_figures.comparison.result import Comparison, Recommendation
from paper_figures.statistics.clustered.difference import ClusteredDifferenceResult
from paper_figures.statistics.clustered.sign_flip import SignFlipResult
from paper_figures.statistics.multireader.procedure import ProcedureResult
from paper_figures.statistics.roc.rare_class import FEWEST_FOR_T, FEWEST_FOR_Z

FEW_CLUSTERS, FEW_REFERENCES = 50, 20  # where the error-rate study finds bootstrap intervals and two-way tests at their level

FEWEST = 6  # 2 / 2^5 is above .05
PROCEDURE = "seeds crossed with clusters (Obuchowski-Rockette), t"
SEVERAL_MODELS = "several trained models: the procedure is compared, not one model"
TWO_KINDS = "items share clusters of two kinds"
CORRELATED = "items of a cluster are correlated"


def recommend(comparison: Comparison, rarer: int) -> dict[str, Recommendation]:
    """Choose the test of each measure that has one; `rarer` clusters hold the rarer class."""
    chosen = {"accuracy": _accuracy(comparison), "auroc": _auroc(comparison, rarer)}
    return {measure: one for measure, one in chosen.items() if one is not None}


def no_recommendation(comparison: Comparison, recommended: dict[str, Recommendation], rarer: int) -> dict[str, str]:
    """Say why no test is recommended, by measure."""
    found = {} if "accuracy" in recommended else {"accuracy": ONE_CLUSTER}
    if comparison.auroc is None or "auroc" in recommended:
        return found
    why = ONE_CLUSTER if comparison.clusters == 1 else f"only {rarer} clusters hold an item of the rarer class"
    return found | {"auroc": comparison.reasons.get("procedure.auroc") or comparison.reasons.get("auroc.clustered_t") or why}


def _accuracy(comparison: Comparison) -> Recommendation | None:
    """The first that applies: seeds crossed with clusters; two-way clusters; sign-flip over clusters; mid-p McNemar, Tango's interval."""
    if comparison.procedure is not None:
        return _student("accuracy", comparison.procedure, PROCEDURE, SEVERAL_MODELS)
    if comparison.two_way is not None:
        return _student("accuracy", comparison.two_way, "two-way cluster-robust t", TWO_KINDS)
    clustered, independent = comparison.clustered_accuracy, comparison.clusters == comparison.items
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
        return Recommendation("accuracy", f"{test}, Tango interval of {clusters} clusters", why, 0.0, robust.interval, permutation.p)
    # few clusters: no sign pattern could reject any difference; a note: all clusters agree, and the interval would have no width
    if not (math.isfinite(interval[0]) and math.isfinite(interval[1])) or robust.note:
        test, interval = f"{test}, interval by t ({robust.df:.0f} df)", robust.interval
    interval = (max(-1.0, interval[0]), min(1.0, interval[1]))
    return Recommendation("accuracy", test, why, robust.estimate, interval, permutation.p)


def _auroc(comparison: Comparison, rarer: int) -> Recommendation | None:
    """The first that applies: seeds crossed with clusters; two-way clusters; clustered DeLong, by t if it can be had; DeLong.

    With fewer than `FEWEST_FOR_Z` items of a class DeLong is by t; with fewer than `FEWEST_FOR_T` no test keeps its level.
    """
    auroc, clustered = comparison.auroc, comparison.clusters < comparison.items
    if auroc is None or rarer < FEWEST_FOR_T or "procedure.auroc" in comparison.reasons:
        return None
    if comparison.procedure_auroc is not None:
        return _student("auroc", comparison.procedure_auroc, PROCEDURE, SEVERAL_MODELS)
    if auroc.two_way is not None:
        return _student("auroc", auroc.two_way, "two-way DeLong, t", TWO_KINDS)
    if clustered and auroc.clustered_t is not None:
        return _student("auroc", auroc.clustered_t, "clustered DeLong, jackknife t", CORRELATED)
    if rarer < FEWEST_FOR_Z and auroc.clustered_t is not None:
        return _student("auroc", auroc.clustered_t, "DeLong, jackknife t", f"items are independent, but {rarer} of a class are few")
    result = auroc.clustered_delong if clustered else auroc.delong
    if result is None:
        return None
    test, why = ("clustered DeLong (Obuchowski)", CORRELATED) if clustered else ("DeLong", "items are independent")
    return Recommendation("auroc", test, why, result.difference, result.interval, result.p)


def _student(measure: str, result: ClusteredDifferenceResult | ProcedureResult, test: str, why: str) -> Recommendation:
    df = f"{result.df:.0f}" if result.df >= 10 or float(result.df).is_integer() else f"{result.df:.1f}"
    return Recommendation(measure, f"{test} ({df} df)", why, result.estimate, result.interval, result.p)
