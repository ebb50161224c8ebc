"""What a whole comparison of two arms gives back, and its JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paper_figures.statistics.bootstrap.result import BootstrapDifference
from paper_figures.statistics.clustered.difference import ClusteredDifferenceResult
from paper_figures.statistics.clustered.sign_flip import SignFlipResult
from paper_figures.statistics.clustered.sums import ClusteredTestResult
from paper_figures.statistics.equivalence import EquivalenceResult
from paper_figures.statistics.multireader.procedure import ProcedureResult
from paper_figures.statistics.proportions.mcnemar import McNemarResult
from paper_figures.statistics.proportions.paired_difference import PairedDifferenceResult
from paper_figures.statistics.result import Interval, Result
from paper_figures.statistics.roc.delong import AurocDifference

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class Accuracy(Result):
    """Accuracies of independent items.

    Parameters
    ----------
    paired : PairedDifferenceResult
        Estimates and intervals of their difference.
    mcnemar : McNemarResult
        Tests of equality.
    a_interval : tuple of float
        Of A's accuracy; allows for clusters where there are any.
    b_interval : tuple of float
        Of B's accuracy.
    """

    paired: PairedDifferenceResult
    mcnemar: McNemarResult
    a_interval: Interval
    b_interval: Interval

    def to_dict(self) -> dict[str, Any]:
        """Give the block in the layout of the JSON.

        Returns
        -------
        dict
            Stable keys.
        """
        keys = ("a", "b", "difference", "n10", "n01", "intervals")
        tests = {key: getattr(self.mcnemar, key) for key in ("exact", "mid_p", "asymptotic", "corrected")}
        return {key: getattr(self.paired, key) for key in keys} | {
            "mcnemar": tests,
            "a_interval": self.a_interval,
            "b_interval": self.b_interval,
        }


@dataclass(frozen=True, repr=False)
class ClusteredAccuracy(Result):
    """Tests of equal accuracy that allow items of a cluster to be correlated.

    Parameters
    ----------
    obuchowski : ClusteredTestResult
        See `obuchowski`.
    yang : ClusteredTestResult
        See `yang`.
    durkalski : ClusteredTestResult
        See `durkalski`.
    difference : ClusteredDifferenceResult
        See `clustered_difference`.
    """

    obuchowski: ClusteredTestResult
    yang: ClusteredTestResult
    durkalski: ClusteredTestResult
    difference: ClusteredDifferenceResult

    def to_dict(self) -> dict[str, Any]:
        """Give the block in the layout of the JSON.

        Returns
        -------
        dict
            Stable keys.
        """
        tests = {name: {"statistic": test.statistic, "p": test.p} for name, test in self._tests().items()}
        return tests | {"difference": difference_dict(self.difference), "design_effect": self.difference.design_effect}

    def _tests(self) -> dict[str, ClusteredTestResult]:
        return {"obuchowski": self.obuchowski, "yang": self.yang, "durkalski": self.durkalski}


@dataclass(frozen=True, repr=False)
class Auroc(Result):
    """Areas under the ROC curve and their difference.

    Parameters
    ----------
    a : float
        A's area.
    b : float
        B's area.
    difference : float
        `a` minus `b`.
    delong : AurocDifference or None
        As if items were independent; None where there are too few of a class.
    clustered_delong : AurocDifference or None
        With clusters; None where too few clusters hold a class.
    a_interval : tuple of float or None
        Of `a`; allows for clusters where there are any.
    b_interval : tuple of float or None
        Of `b`.
    clustered_t : ClusteredDifferenceResult or None
        As `clustered_delong`, against t with few degrees of freedom where there are few clusters.
    two_way : ClusteredDifferenceResult or None
        With two kinds of clusters.
    """

    a: float
    b: float
    difference: float
    delong: AurocDifference | None
    clustered_delong: AurocDifference | None
    a_interval: Interval | None
    b_interval: Interval | None
    clustered_t: ClusteredDifferenceResult | None = None
    two_way: ClusteredDifferenceResult | None = None

    def to_dict(self) -> dict[str, Any]:
        """Give the block in the layout of the JSON.

        Returns
        -------
        dict
            Stable keys.
        """
        results = {"clustered_t": self.clustered_t, "two_way": self.two_way}
        return super().to_dict() | {name: result and difference_dict(result) for name, result in results.items()}


@dataclass(frozen=True, repr=False)
class Recommendation(Result):
    """The one test to report for a measure, by a fixed rule.

    Parameters
    ----------
    measure : str
        ``accuracy`` or ``auroc``.
    test : str
        Its name, in words.
    why : str
        Why this one applies.
    difference : float
        A minus B.
    interval : tuple of float
        Of the difference.
    p : float
        Two-sided.
    """

    measure: str
    test: str
    why: str
    difference: float
    interval: Interval
    p: float


@dataclass(frozen=True, repr=False)
class Comparison(Result):
    """Every paired test of two arms on the same items; differences are A minus B.

    Parameters
    ----------
    items : int
        Items.
    clusters : int
        Clusters; as many as items where none were given.
    arms : tuple of str
        Names of A and B.
    accuracy : Accuracy
        As if items were independent.
    clustered_accuracy : ClusteredAccuracy or None
        With clusters.
    auroc : Auroc or None
        Areas under the ROC curve.
    two_way : ClusteredDifferenceResult or None
        The accuracy difference with two kinds of clusters.
    equivalence : EquivalenceResult or None
        At a margin, where one was given.
    procedure : ProcedureResult or None
        The accuracy difference with patients crossed with training seeds, where there are several.
    procedure_auroc : ProcedureResult or None
        The same of the areas under the ROC curve.
    bootstrap : dict of str to BootstrapDifference
        Per measure.
    permutation : SignFlipResult
        Sign-flip test of the accuracy difference over clusters.
    recommended : dict of str to Recommendation
        The test to report, per measure.
    reasons : dict of str to str
        Why a block is None.
    warnings : tuple of str
        What a reader must know.
    confidence_level : float
        Of all intervals.
    specificity : float
        At which sensitivities are compared.
    """

    items: int
    clusters: int
    arms: tuple[str, str]
    accuracy: Accuracy
    clustered_accuracy: ClusteredAccuracy | None
    auroc: Auroc | None
    two_way: ClusteredDifferenceResult | None
    equivalence: EquivalenceResult | None
    procedure: ProcedureResult | None
    procedure_auroc: ProcedureResult | None
    bootstrap: dict[str, BootstrapDifference]
    permutation: SignFlipResult
    recommended: dict[str, Recommendation]
    reasons: dict[str, str]
    warnings: tuple[str, ...]
    confidence_level: float
    specificity: float = 0.9

    def to_dict(self) -> dict[str, Any]:
        """Give the comparison in the layout of ``see-in-pairs compare --json``.

        Returns
        -------
        dict
            Stable keys; a block that cannot be computed is None and has its reason under ``reasons``.
        """
        content = super().to_dict() | {"arms": list(self.arms), "warnings": list(self.warnings)}
        content["two_way"] = self.two_way and difference_dict(self.two_way) | {"note": self.two_way.note}
        auroc = content.pop("procedure_auroc")
        content["procedure"] = content["procedure"] and content["procedure"] | {"auroc": auroc}
        return content

    def to_frame(self) -> pd.DataFrame:
        """Give the tests as a table.

        Returns
        -------
        pandas.DataFrame
            One row per test: ``measure, test, a, b, difference, low, high, p, recommended``.
        """
        from paper_figures.comparison.presentation import comparison_frame

        return comparison_frame(self)

    def __repr__(self) -> str:
        from paper_figures.comparison.presentation import comparison_text

        return comparison_text(self)


def difference_dict(result: ClusteredDifferenceResult) -> dict[str, Any]:
    """Give a cluster-robust difference in the layout of the JSON.

    Parameters
    ----------
    result : ClusteredDifferenceResult
        The difference.

    Returns
    -------
    dict
        ``estimate, se, df, interval, p``.
    """
    return {key: getattr(result, key) for key in ("estimate", "se", "df", "interval", "p")}
