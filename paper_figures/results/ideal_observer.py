"""Ideal observers of a phantom: bounds that no model can pass, from the phantom's true covariances.

`IdealDetectability` (d') is for a lesion whose place is known, `IdealAuroc` (areas) also for one that has to be searched for.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from see_in_pairs.errors import InputError
from see_in_pairs.files import read_json_object, sha256, write_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from empirical.arms import ArmConfig
    from empirical.cohorts import Cohort
    from empirical.cohorts.phantom import PhantomTruth
    from paper_figures.results.runs import Run, RunResults

WITHOUT_A_RELATIVE = ("single", "duplicate", "blank", "noise", "fixed")
"""Arms whose second picture, if any, tells nothing about the query's own anatomy."""
WITH_ITS_RELATIVE = ("pair", "reversed", "unlabelled")
SCANS = 4000
"""Simulated patients of each class if the lesion may be anywhere."""
SCANNED_PLACES = 150
"""Number of scanned places, evenly taken from all: neighbouring places look nearly alike, and time grows with the cube of the number."""


@dataclass(frozen=True)
class IdealDetectability:
    """Detectability indices d' of the linear observer that knows the covariances and where the lesion would be ('signal known exactly')."""

    single: float  # of the query alone
    difference: float  # of query minus reference
    joint: float  # of both, used optimally
    rho: float | None  # the correlation, if all components share the same (C = rho Sigma); None if shares differ
    place: str  # ``'fixed'``, or ``'random'``: then no model knows the place, and these bounds are loose

    def auc(self, rule: str) -> float:
        """AUROC of ``'single'``, ``'difference'`` or ``'joint'``."""
        from theory.numerics.gaussian import auc_of

        return float(auc_of(getattr(self, rule)))

    @property
    def gain(self) -> float:
        """AUROC with the reference used optimally, minus AUROC of the single image."""
        return self.auc("joint") - self.auc("single")


@dataclass(frozen=True)
class IdealAuroc:
    """Areas under the ROC curve of ideal observers. If the lesion's place is random they search for it, and the areas are simulated."""

    single: float  # of the query alone
    joint: float  # of the query with its relative
    # of the plain difference of query and relative, which is worse than the query alone below a correlation of 1/2 (T1); None where the
    # place of the lesion is not known
    difference: float | None
    mcse: float  # Monte Carlo standard error of both; 0 where they are exact
    rho: float | None  # correlation of query and relative; None where components are shared unequally
    place: str  # of the lesion: ``'fixed'`` or ``'random'``

    def of(self, arm: ArmConfig) -> float:
        """Bound of an arm; NaN for an arm without a known bound."""
        if arm.arm in WITH_ITS_RELATIVE and arm.references is not None and arm.references.strategy == "embedding":
            return float("nan")  # sometimes a relative is retrieved
        if arm.arm in WITHOUT_A_RELATIVE or (arm.arm in WITH_ITS_RELATIVE and not _matched(arm)):
            return self.single  # a stranger's image is independent of the query
        return self.joint if arm.arm in WITH_ITS_RELATIVE else float("nan")

    def of_difference(self, arm: ArmConfig) -> float:
        """Area of an observer of the plain difference; NaN for an arm without the query's relative, or if it is not known."""
        known = self.difference is not None and arm.arm in WITH_ITS_RELATIVE and _matched(arm)
        return self.difference if known else float("nan")  # type: ignore[return-value]


def _matched(arm: ArmConfig) -> bool:
    return arm.references is not None and "family" in (arm.references.columns or ())


def ideal_detectability(truth: PhantomTruth) -> IdealDetectability:
    r"""Compute d' of the observers who know where a phantom's lesion would be.

    Where every component is shared alike, C = rho Sigma and T1b gives :math:`\Delta^2_{\rm joint}=\Delta^2/(1-\rho^2)` and
    :math:`\Delta^2_{\rm dif}=\Delta^2/(2(1-\rho))` exactly, from :math:`\Delta^2=\delta^\top\Sigma^{-1}\delta` alone. Otherwise the
    Schur complement of the dense matrices is taken.
    """
    rho = common_rho(truth)
    if rho is not None:
        single = float(np.sqrt(truth.signal @ truth.whiten(truth.signal)))
        return IdealDetectability(single, single / np.sqrt(2 * (1 - rho)), single / np.sqrt(1 - rho**2), rho, truth.place)
    from theory.models.ideal_observers import hotelling

    found = hotelling(truth.signal, truth.covariance(), truth.cross_covariance())
    return IdealDetectability(float(found.single), float(found.difference), float(found.joint), None, truth.place)


def ideal_auroc(truth: PhantomTruth) -> IdealAuroc:
    """Compute the areas of a phantom's ideal observers: exact where the place of the lesion is fixed, else by simulation."""
    if truth.place == "fixed":
        exact = ideal_detectability(truth)
        return IdealAuroc(exact.auc("single"), exact.auc("joint"), exact.auc("difference"), 0.0, exact.rho, truth.place)
    from theory.models.ideal_observers import scanning

    chosen = np.unique(np.linspace(0, len(truth.places) - 1, min(SCANNED_PLACES, len(truth.places))).round().astype(int))
    signals = np.stack([truth.signal_at(truth.places[number]) for number in chosen])
    found = scanning(signals, truth.covariance(), truth.cross_covariance(), replicates=SCANS, seed=0)
    mcse = max(found.single.mcse, found.joint.mcse)
    return IdealAuroc(found.single.value, found.joint.value, None, mcse, common_rho(truth), truth.place)


def common_rho(truth: PhantomTruth) -> float | None:
    """The correlation of relatives, if all components share the same; else None."""
    shares = set(truth.shares.values())
    return shares.pop() if len(shares) == 1 else None


def pixel_correlation(truth: PhantomTruth) -> float:
    r"""Mean over pixels i of :math:`C_{ii}/\Sigma_{ii}`: how similar the pixels of two relatives are, for any reason."""
    anatomy = {name: (getattr(truth, name) ** 2).sum(0) for name in ("demographic", "site")}
    variance = anatomy | {"field": truth.field_sd**2, "noise": truth.noise_sd**2}
    shared = sum(truth.shares[name] * part for name, part in variance.items())
    return float(np.mean(shared / sum(variance.values())))


def run_detectability(results: RunResults, run: Run) -> IdealDetectability | None:
    """Detectability in the cohort of a run, cached in ``theory/observers.json``; None if it is not a phantom with one lesion."""
    truth, cache = results.truth_path(run), results.folder / "theory" / "observers.json"
    return (
        None
        if truth is None or (truth.parent / "findings.json").is_file()
        else _cached(truth, cache, IdealDetectability, ideal_detectability)
    )


def cohort_auroc(cohort: Cohort, cache: Path) -> IdealAuroc | None:
    """Areas of the ideal observers of a cohort, cached in a JSON file; None if it is not a phantom with one lesion."""
    truth = cohort.folder / "truth.npz"
    one = truth.is_file() and not (cohort.folder / "findings.json").is_file()
    return _cached(truth, cache, IdealAuroc, ideal_auroc) if one else None


Observer = TypeVar("Observer", IdealDetectability, IdealAuroc)


def _cached(truth: Path, cache: Path, kind: type[Observer], compute: Callable[[PhantomTruth], Observer]) -> Observer:
    """Look up observers under the hash of the truth; compute those that are missing, unreadable or from an earlier version."""
    from empirical.cohorts.phantom import PhantomTruth

    key = sha256(truth)
    try:
        known: dict[str, dict[str, Any]] = read_json_object(cache) if cache.is_file() else {}
    except InputError:
        known = {}
    if set(known.get(key, ())) != {field.name for field in fields(kind)}:
        known[key] = asdict(compute(PhantomTruth.load(truth)))
        write_json(cache, known)
    return kind(**known[key])
