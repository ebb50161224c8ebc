r"""From the phantom's true covariances to the gain that theory predicts, beside the gain that the models show.

Two predictions stand beside each observed gain. The *ideal observer* knows the covariances and the lesion's place; it bounds what any
model can gain. The *scaled* prediction takes the separation d' that the model reaches on the single image, whatever it misses there, and
divides it by :math:`\sqrt{1-\rho^2}` (T1): what a model gains that is as inefficient with the reference as without.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_figures.results.estimates import Estimate
from paper_figures.results.patient_bootstrap import PatientBootstrap
from see_in_pairs.errors import InputError
from see_in_pairs.files import read_json, sha256, write_json

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from empirical.cohorts.phantom import PhantomTruth
    from paper_figures.results.runs import Run, RunResults

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ObserverLimits:
    """What an observer reaches that knows the covariances and where a lesion would be."""

    single: float  # detectability index without the reference, of the difference image, and with the reference used as well as possible
    difference: float
    joint: float
    rho: float | None  # the correlation, where all components share the same (C = rho Sigma); None where shares differ
    place: str  # ``'fixed'``, or ``'random'``: then no model knows the place and the limits are loose

    def auc(self, rule: str) -> float:
        """Give the AUC of one rule."""
        from theory.numerics.gaussian import auc_of

        return float(auc_of(getattr(self, rule)))

    @property
    def gain(self) -> float:
        """AUC with the reference used as well as possible, less that of the single image."""
        return self.auc("joint") - self.auc("single")


def observer_limits(truth: PhantomTruth) -> ObserverLimits:
    r"""Compute the ideal observers of a phantom.

    Notes
    -----
    Where every component is shared alike, C = rho Sigma and T1b gives :math:`\Delta^2_{\rm joint}=\Delta^2/(1-\rho^2)` and
    :math:`\Delta^2_{\rm dif}=\Delta^2/(2(1-\rho))` exactly, from :math:`\Delta^2=\delta^\top\Sigma^{-1}\delta` alone. Otherwise the
    Schur complement of the dense matrices is taken.
    """
    shares = set(truth.shares.values())
    if len(shares) == 1:
        rho = shares.pop()
        single = float(np.sqrt(truth.signal @ truth.whiten(truth.signal)))
        return ObserverLimits(single, single / np.sqrt(2 * (1 - rho)), single / np.sqrt(1 - rho**2), rho, truth.place)
    from theory.models.ideal_observers import hotelling

    limits = hotelling(truth.signal, truth.covariance(), truth.cross_covariance())
    return ObserverLimits(float(limits.single), float(limits.difference), float(limits.joint), None, truth.place)


def pixel_correlation(truth: PhantomTruth) -> float:
    r"""Compute how alike the pixels of two relatives are, whatever it is that makes them so.

    Returns mean over pixels i of :math:`C_{ii}/\Sigma_{ii}`.
    """
    anatomy = {name: (getattr(truth, name) ** 2).sum(0) for name in ("demographic", "site")}
    variance = anatomy | {"field": truth.field_sd**2, "noise": truth.noise_sd**2}
    shared = sum(truth.shares[name] * part for name, part in variance.items())
    return float(np.mean(shared / sum(variance.values())))


def cohort_limits(results: RunResults, run: Run) -> ObserverLimits | None:
    """Give the ideal observers of a run's cohort, kept in ``theory/observers.json`` under the hash of the cohort's truth.

    Returns None where the cohort is no phantom.
    """
    path = results.truth_path(run)
    if path is None:
        return None
    kept_at, key = results.folder / "theory" / "observers.json", sha256(path)
    kept = _read_kept(kept_at)
    if key not in kept:
        from empirical.cohorts.phantom import PhantomTruth

        kept[key] = asdict(observer_limits(PhantomTruth.load(path)))
        write_json(kept_at, kept)
    return ObserverLimits(**kept[key])


def _read_kept(path: Path) -> dict[str, dict[str, Any]]:
    """A cache that cannot be read is made again."""
    try:
        return dict(read_json(path)) if path.is_file() else {}
    except InputError:
        return {}


def log_separation_ratio(pair: Floats, single: Floats) -> Floats:
    r"""Compute :math:`\log\Gamma=2\log(d'_{pair}/d'_{single})`, the bridge between scores and theory (T10).

    Returns the log ratio. Infinite where only one of the two separates the classes, NaN where neither does.

    Examples
    --------
    >>> log_separation_ratio(np.array([2.0]), np.array([1.0])).round(3)
    array([1.386])
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(2 * (np.log(np.clip(pair, 0, None)) - np.log(np.clip(single, 0, None))))


def paired_runs(results: RunResults) -> tuple[Run, list[Run]]:
    """Find the model finetuned on the single image, and those finetuned on pairs, each evaluated on its own arm.

    Returns the run ``single``, and the runs of arm ``pair`` by rising rho.
    """
    single = results.find(arm="single", train_arm="single")
    pairs = [run for run in results.runs if run.arm == "pair" and run.own_arm and run.evaluated_rho is not None]
    if single is None or not pairs:
        raise InputError(
            f"{results.records_folder}: no finetuned run of the arm {'single' if single is None else 'pair'}; run 'see-in-pairs reproduce'"
        )
    return single, sorted(pairs, key=lambda run: run.evaluated_rho or 0.0)


def bridge_table(results: RunResults, seed: int = 0) -> pd.DataFrame:
    """Put predicted beside observed gain, for every model finetuned on pairs."""
    import pandas as pd

    single, pairs = paired_runs(results)
    return pd.DataFrame([_bridge_row(results, run, single, seed) for run in pairs])


def _bridge_row(results: RunResults, run: Run, single: Run, seed: int) -> dict[str, Any]:
    pair_scores, single_scores = results.aligned([run, single])
    bootstrap = PatientBootstrap(single_scores, seed=seed)
    rho, limits = float(run.evaluated_rho or 0.0), cohort_limits(results, run)
    before, after = bootstrap.separation(single_scores), bootstrap.separation(pair_scores)
    log_ratio, predicted = log_separation_ratio(after, before), -float(np.log1p(-(rho**2)))
    row: dict[str, Any] = {
        "run_id": run.run_id,
        "strategy": run.strategy,
        "rho": rho,
        "items": bootstrap.items,
        "patients": bootstrap.patients,
    }
    row |= {"ideal": np.nan if limits is None else _ideal_gain(limits, rho), "log_ratio_ideal": predicted}
    row |= _columns("observed", bootstrap.estimate(bootstrap.auroc(pair_scores) - bootstrap.auroc(single_scores), "AUROC", "the gain"))
    row |= _columns("scaled", bootstrap.estimate(scaled_gain(before, rho), "AUROC", "the separation of the single arm"))
    row |= _columns("log_ratio", bootstrap.estimate(log_ratio, "log", "the log separation ratio"))
    row |= _columns("excess", bootstrap.estimate(log_ratio - predicted, "log", "the log separation ratio"))
    return row


def _ideal_gain(limits: ObserverLimits, rho: float) -> float:
    """Gain of the ideal observer; a random reference has rho 0 whatever the families of the cohort share."""
    return limits.gain if limits.rho is None or abs(limits.rho - rho) < 1e-9 else float(scaled_gain(np.array([limits.single]), rho)[0])


def scaled_gain(separation: Floats, rho: float) -> Floats:
    r"""Predict the gain in AUC from the separation on the single image (T1).

    Returns :math:`\Phi(d'/\sqrt{2(1-\rho^2)})-\Phi(d'/\sqrt2)`.

    Examples
    --------
    >>> scaled_gain(np.array([1.0]), 0.6).round(5)
    array([0.05137])
    """
    from theory.numerics.gaussian import auc_of

    return np.asarray(auc_of(separation / np.sqrt(1 - rho**2)) - auc_of(separation))


def _columns(name: str, estimate: Estimate) -> dict[str, float]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high, f"{name}_p": estimate.p}
