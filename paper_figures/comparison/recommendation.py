"""Which test to report: a fixed rule, so that nobody chooses among p-values after seeing them."""

from __future__ import annotations

import math

from paper_figures.comparison.result import Accuracy, Auroc, ClusteredAccuracy, Recommendation
from paper_figures.statistics.clustered.difference import ClusteredDifferenceResult
from paper_figures.statistics.clustered.sign_flip import SignFlipResult
from paper_figures.statistics.multireader.procedure import ProcedureResult

FEW_CLUSTERS, FEW_REFERENCES = 50, 20  # where the calibration study finds bootstrap intervals and two-way tests at their level

FEWEST = 6  # 2 / 2^5 is above .05
PROCEDURE = "seeds crossed with clusters (Obuchowski-Rockette), t"


def recommend_accuracy(
    accuracy: Accuracy,
    clustered: ClusteredAccuracy | None,
    two_way: ClusteredDifferenceResult | None,
    procedure: ProcedureResult | None,
    permutation: SignFlipResult,
    clusters: int,
    items: int,
) -> Recommendation:
    """Choose the test of the accuracy difference.

    Returns the first that applies of: training seeds crossed with clusters; two-way clusters; sign-flip over clusters; mid-p McNemar with
    Tango's interval.
    """
    for result, test, why in (
        (procedure, PROCEDURE, "several trained models: the procedure is compared, not one model"),
        (two_way, "two-way cluster-robust t", "items share clusters of two kinds"),
    ):
        if result is not None:
            return _of("accuracy", result, test, why)
    if clustered is None or clusters == items:
        why = "items are independent" if clustered is not None else "one cluster only; read with care"
        paired = accuracy.paired
        return Recommendation(
            "accuracy", "McNemar mid-p, Tango interval", why, paired.difference, paired.intervals["tango"], accuracy.mcnemar.mid_p
        )
    return _sign_flip(clustered.difference, permutation, clusters)


def _sign_flip(robust: ClusteredDifferenceResult, permutation: SignFlipResult, clusters: int) -> Recommendation:
    test, why = f"{'exact ' * permutation.exact}sign-flip over clusters", "items of a cluster are correlated"
    interval = permutation.interval
    if clusters < FEWEST:
        why += f"; with fewer than {FEWEST} clusters p cannot fall below {2 / 2**clusters:.4g}"
    if not (math.isfinite(interval[0]) and math.isfinite(interval[1])) or robust.note:
        test, interval = f"{test}, interval by t ({robust.df:.0f} df)", robust.interval
    interval = (max(-1.0, interval[0]), min(1.0, interval[1]))
    return Recommendation("accuracy", test, why, robust.estimate, interval, permutation.p)


def recommend_auroc(auroc: Auroc, procedure: ProcedureResult | None, clusters: int, items: int) -> Recommendation | None:
    """Choose the test of the difference of areas under the ROC curve.

    Returns the first that applies of: training seeds crossed with clusters; two-way clusters; clustered DeLong against t where there are
    clusters; DeLong. None where none can be computed.
    """
    if procedure is not None:
        return _of("auroc", procedure, PROCEDURE, "several trained models: the procedure is compared, not one model")
    if auroc.two_way is not None:
        return _of("auroc", auroc.two_way, "two-way DeLong, t", "items share clusters of two kinds")
    if clusters < items and auroc.clustered_t is not None:
        return _of("auroc", auroc.clustered_t, "clustered DeLong, jackknife t", "items of a cluster are correlated")
    clustered = clusters < items
    result = auroc.clustered_delong if clustered else auroc.delong
    if result is None:
        return None
    test = "clustered DeLong (Obuchowski)" if clustered else "DeLong"
    why = "items of a cluster are correlated" if clustered else "items are independent"
    return Recommendation("auroc", test, why, result.difference, result.interval, result.p)


def _of(measure: str, result: ClusteredDifferenceResult | ProcedureResult, test: str, why: str) -> Recommendation:
    df = f"{result.df:.0f}" if result.df >= 10 or float(result.df).is_integer() else f"{result.df:.1f}"
    return Recommendation(measure, f"{test} ({df} df)", why, result.estimate, result.interval, result.p)
