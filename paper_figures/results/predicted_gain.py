r"""From the phantom's true covariances to the gain that theory predicts, beside the gain that the models show.

Two predictions stand beside each observed gain. The *ideal observer* knows the covariances and the lesion's place; it bounds what any
model can gain. The *scaled* prediction takes the separation d' that the model reaches on the single image, whatever it misses there, and
divides it by :math:`\sqrt{1-\rho^2}` (T1): what a model gains that is as inefficient with the reference as without. Where a run shows the
reference alone (arm ``reference_only``) and it tells the class, its leak s is taken into account (T13): what counts is :math:`\rho-s`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from paper_figures.results.estimates import Estimate
from paper_figures.results.ideal_observer import IdealDetectability, run_detectability
from paper_figures.results.patient_bootstrap import PatientBootstrap
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from paper_figures.results.runs import Run, RunResults, RunScores

    Floats = NDArray[np.float64]


def log_separation_ratio(pair: Floats, single: Floats) -> Floats:
    r"""Compute :math:`\log\Gamma=2\log(d'_{pair}/d'_{single})`, which ties scores to theory (T10).

    It is infinite where only one of the two separates the classes, NaN where neither does.

    Examples
    --------
    >>> log_separation_ratio(np.array([2.0]), np.array([1.0])).round(3)
    array([1.386])
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(2 * (np.log(np.clip(pair, 0, None)) - np.log(np.clip(single, 0, None))))


def paired_runs(results: RunResults) -> tuple[Run, list[Run]]:
    """Find the run finetuned and evaluated on the single image, and those on pairs, by rising rho."""
    single = results.find(arm="single", train_arm="single")
    pairs = [run for run in results.runs if run.arm == "pair" and run.own_arm and run.evaluated_rho is not None]
    if single is None or not pairs:
        raise InputError(
            f"{results.records_folder}: no finetuned run of the arm {'single' if single is None else 'pair'}; run 'see-in-pairs reproduce'"
        )
    return single, sorted(pairs, key=lambda run: run.evaluated_rho or 0.0)


def gain_table(results: RunResults, seed: int = 0) -> pd.DataFrame:
    """Put predicted beside observed gain, for every model finetuned on pairs."""
    import pandas as pd

    single, pairs = paired_runs(results)
    return pd.DataFrame([_gain_row(results, run, single, seed) for run in pairs])


def _gain_row(results: RunResults, run: Run, single: Run, seed: int) -> dict[str, Any]:
    pair_scores, single_scores = results.aligned([run, single])
    bootstrap = PatientBootstrap(single_scores, seed=seed)
    rho, limits = float(run.evaluated_rho or 0.0), run_detectability(results, run)
    before, after = bootstrap.separation(single_scores), bootstrap.separation(pair_scores)
    leak = _leak(results, run, single_scores, bootstrap)
    log_ratio, predicted = log_separation_ratio(after, before), np.log1p((rho - leak) ** 2 / (1 - rho**2))
    row: dict[str, Any] = {
        "run_id": run.run_id,
        "strategy": run.strategy,
        "rho": rho,
        "items": bootstrap.items,
        "patients": bootstrap.patients,
    }
    row |= {"ideal": np.nan if limits is None else _ideal_gain(limits, rho), "log_ratio_ideal": float(predicted[0])}
    row |= _columns("leak", bootstrap.estimate(leak, "share", "the leak"))
    row |= _columns("observed", bootstrap.estimate(bootstrap.auroc(pair_scores) - bootstrap.auroc(single_scores), "AUROC", "the gain"))
    row |= _columns("scaled", bootstrap.estimate(scaled_gain(before, rho, leak), "AUROC", "the separation of the single arm"))
    row |= _columns("log_ratio", bootstrap.estimate(log_ratio, "log", "the log separation ratio"))
    row |= _columns("excess", bootstrap.estimate(log_ratio - predicted, "log", "the log separation ratio"))
    return row


def _ideal_gain(limits: IdealDetectability, rho: float) -> float:
    """Gain of the ideal observer in AUROC; a random reference has rho 0, whatever the families of its cohort share."""
    return limits.gain if limits.rho is None or abs(limits.rho - rho) < 1e-9 else float(scaled_gain(np.array([limits.single]), rho)[0])


def _leak(results: RunResults, run: Run, single: RunScores, bootstrap: PatientBootstrap) -> Floats:
    """Share of the signal that the references carry, in every resample: from the AUROC of the run that shows them alone (T13.5), on the
    items of the other two; 0 where there is no such run, which is what A2 says."""
    from scipy.special import ndtri

    same = {"arm": "reference_only", "strategy": run.strategy, "evaluated_rho": run.evaluated_rho}
    alone = results.find(**same, train_arm="reference_only") or results.find(**same)
    if alone is None:
        return np.zeros(bootstrap.resamples + 1)
    scores = results.aligned([single.run, alone])[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(ndtri(bootstrap.auroc(scores)) / ndtri(bootstrap.auroc(single)))


def scaled_gain(separation: Floats, rho: float, leak: float | Floats = 0.0) -> Floats:
    r"""Predict the gain in AUROC from the separation d' on the single image (T1, T13), with s the leak:
    :math:`\Phi\big(d'\sqrt{(1+(\rho-s)^2/(1-\rho^2))/2}\big)-\Phi(d'/\sqrt2)`.

    Examples
    --------
    >>> scaled_gain(np.array([1.0]), 0.6).round(5)
    array([0.05137])
    """
    from theory.numerics.gaussian import auc_of

    return np.asarray(auc_of(separation * np.sqrt(1 + np.square(rho - np.asarray(leak)) / (1 - rho**2))) - auc_of(separation))


def _columns(name: str, estimate: Estimate) -> dict[str, float]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high, f"{name}_p": estimate.p}
