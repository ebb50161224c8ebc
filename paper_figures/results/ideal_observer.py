"""What an ideal observer reaches in each arm of a phantom, the place of the lesion known or not."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from paper_figures.results.predicted_gain import observer_limits
from see_in_pairs.errors import InputError
from see_in_pairs.files import read_json, sha256, write_json

if TYPE_CHECKING:
    from pathlib import Path

    from empirical.arms import ArmConfig
    from empirical.cohorts import Cohort

WITHOUT_A_RELATIVE = ("single", "duplicate", "blank", "noise", "fixed")
"""Arms whose second picture, if any, says nothing of the query's own anatomy."""
WITH_ITS_RELATIVE = ("pair", "reversed", "unlabelled")
SCANS = 4000
"""Simulated patients of each class where the lesion may be anywhere."""
SCANNED_PLACES = 150
"""Places that are scanned, evenly taken from those that there are: neighbouring ones look nearly alike, and time grows with their cube."""


@dataclass(frozen=True)
class IdealPerformance:
    """Areas under the ROC curve that no model of a phantom can pass, and the one of an observer who only subtracts."""

    single: float  # of the query alone, and with the relative
    joint: float
    # of the plain difference of query and relative, which is worse than the query alone below a correlation of 1/2 (T1); None where the
    # place of the lesion is not known
    difference: float | None
    mcse: float  # monte Carlo standard error of both; 0 where they are exact
    rho: float | None  # correlation of query and relative; None where components are shared unequally
    place: str

    def of(self, arm: ArmConfig) -> float:
        """Give the limit of an arm.

        Returns NaN for an arm of which we know none.
        """
        if arm.arm in WITH_ITS_RELATIVE and arm.references is not None and arm.references.strategy == "embedding":
            return float("nan")  # now and then a relative is retrieved
        if arm.arm in WITHOUT_A_RELATIVE or (arm.arm in WITH_ITS_RELATIVE and not _matched(arm)):
            return self.single  # a stranger's image is independent of the query
        return self.joint if arm.arm in WITH_ITS_RELATIVE else float("nan")

    def of_difference(self, arm: ArmConfig) -> float:
        """Give what an observer of the plain difference reaches.

        Returns NaN for an arm without the query's relative, and where it is not known.
        """
        known = self.difference is not None and arm.arm in WITH_ITS_RELATIVE and _matched(arm)
        return self.difference if known else float("nan")  # type: ignore[return-value]


def _matched(arm: ArmConfig) -> bool:
    return arm.references is not None and "family" in (arm.references.columns or ())


def limits_of(cohort: Cohort, cache: Path) -> IdealPerformance | None:
    """Compute the limits of a cohort, or read them where they were computed before.

    Returns None where the cohort is no phantom.
    """
    truth = cohort.folder / "truth.npz"
    if not truth.is_file():
        return None
    kept, key = _kept(cache), sha256(truth)
    if set(kept.get(key, ())) != {field.name for field in fields(IdealPerformance)}:  # not there, or from an earlier version
        kept[key] = asdict(_compute(truth))
        write_json(cache, kept)
    return IdealPerformance(**kept[key])


def _compute(path: Path) -> IdealPerformance:
    import numpy as np

    from empirical.cohorts.phantom import PhantomTruth
    from theory.models.ideal_observers import scanning

    truth = PhantomTruth.load(path)
    shares = set(truth.shares.values())
    rho = shares.pop() if len(shares) == 1 else None
    if truth.place == "fixed":
        exact = observer_limits(truth)
        return IdealPerformance(exact.auc("single"), exact.auc("joint"), exact.auc("difference"), 0.0, rho, truth.place)
    chosen = np.unique(np.linspace(0, len(truth.places) - 1, min(SCANNED_PLACES, len(truth.places))).round().astype(int))
    signals = np.stack([truth.signal_at(truth.places[number]) for number in chosen])
    found = scanning(signals, truth.covariance(), truth.cross_covariance(), replicates=SCANS, seed=0)
    return IdealPerformance(found.single.value, found.joint.value, None, max(found.single.mcse, found.joint.mcse), rho, truth.place)


def _kept(cache: Path) -> dict[str, dict[str, Any]]:
    """A cache that cannot be read is made again."""
    try:
        return dict(read_json(cache)) if cache.is_file() else {}
    except InputError:
        return {}
