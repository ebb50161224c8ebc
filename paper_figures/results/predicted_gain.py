r"""From the phantom's true covariances to the gain that theory predicts, compared with the gain that the models show.

Two predictions are given with each observed gain. The *ideal observer* knows the covariances and the lesion's place; it bounds what any
model can gain. The *scaled* prediction takes the separation d_a that the model reaches on the single image, with all its deficits, and
divides it by :math:`\sqrt{1-\rho^2}` (T1): the gain of a model that is as inefficient with the reference as without. If a run shows the
reference alone (arm ``reference_only``) and it predicts the class, its leak s is subtracted (T13): :math:`\rho-s`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from paper_figures.results.estimates import Estimate, auroc_difference, auroc_function, auroc_of, da_of, log_da_ratio, no_estimate
from paper_figures.results.ideal_observer import IdealDetectability, run_detectability
from paper_figures.statistics.roc.leak import estimate_leak, leak_of
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from paper_figures.results.runs import Run, RunResults, RunScores

    Floats = NDArray[np.float64]

ABOVE_IDEAL = "the area lies above that of the ideal observer, by more than its interval: look for a leak before believing it"


def paired_runs(results: RunResults) -> tuple[Run, list[Run]]:
    """Find the run finetuned and evaluated on the single image, and those of models of pairs on references of known rho, by rising rho.

    If a model finetuned at a rho exists, it represents that rho; else the model of another rho that was shown such references.
    """
    single = results.find(arm="single", train_arm="single")
    pairs = [run for run in results.runs if run.arm == "pair" and run.train_arm == "pair" and run.evaluated_rho is not None]
    own = {run.evaluated_rho for run in pairs if run.own_arm}
    pairs = [run for run in pairs if run.own_arm or run.evaluated_rho not in own]
    if single is None or not pairs:
        raise InputError(
            f"{results.records_folder}: no finetuned run of the arm {'single' if single is None else 'pair'}; run 'see-in-pairs reproduce'"
        )
    return single, sorted(pairs, key=lambda run: run.evaluated_rho or 0.0)


def gain_table(results: RunResults) -> pd.DataFrame:
    """Compare predicted and observed gain, for every run of models finetuned on pairs.

    `flag` marks an area significantly above the ideal observer's.
    """
    import pandas as pd

    single, pairs = paired_runs(results)
    return pd.DataFrame([_gain_row(results, run, single) for run in pairs])


def _gain_row(results: RunResults, run: Run, single: Run) -> dict[str, Any]:
    pair_scores, single_scores = results.aligned([run, single])
    rho, limits = float(run.evaluated_rho or 0.0), run_detectability(results, run)
    alone = _reference_alone(results, run, single)
    both, scores = [single_scores, *alone], [pair_scores, single_scores, *alone]
    predicted = lambda leak: float(np.log1p((rho - leak) ** 2 / (1 - rho**2)))
    leak = lambda areas: float(leak_of(areas[0], areas[1])) if alone else 0.0
    ratio = auroc_function([pair_scores, single_scores], lambda areas: 2 * log_da_ratio(areas), "log", "the log separation ratio")
    excess = lambda areas: 2 * log_da_ratio(areas[:2]) - predicted(leak(areas[1:]))
    gain = lambda areas: float(scaled_gain(da_of(areas[0]), rho, leak(areas)))
    found = {
        "leak": _leak(single_scores, alone[0]) if alone else Estimate(0.0, 0.0, 0.0, 1.0, "share"),
        "observed": auroc_difference(pair_scores, single_scores),
        "scaled": auroc_function(both, gain, "AUROC", "the gain at the model's own separation"),
        "log_ratio": ratio,
        "excess": auroc_function(scores, excess, "log", "the log separation ratio"),
    }
    row: dict[str, Any] = {
        "run_id": run.run_id, "strategy": run.strategy, "rho": rho, "trained_rho": run.rho, "trainings": found["observed"].trainings,
        "items": found["observed"].items, "patients": found["observed"].patients,
        "ideal": np.nan if limits is None else _ideal_gain(limits, rho), "log_ratio_ideal": predicted(found["leak"].value),
        "flag": above_ideal(results, pair_scores) or above_ideal(results, single_scores),
    }  # fmt: skip
    for name, estimate in found.items():
        row |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high, f"{name}_p": estimate.p}
    return row


def above_ideal(results: RunResults, scores: RunScores) -> str:
    """Warn if a run's area is above the bound of the ideal observer by more than its interval; '' if not."""
    limits = run_detectability(results, scores.run)
    if limits is None or limits.place != "fixed" or scores.run.arm == "multi":  # with several references the bound differs
        return ""
    alone = scores.run.arm == "reference_only"
    bound = 0.5 if alone else limits.auc("joint" if scores.run.arm in ("pair", "reversed", "unlabelled") else "single")
    return ABOVE_IDEAL if auroc_of(scores).low > bound else ""


def _ideal_gain(limits: IdealDetectability, rho: float) -> float:
    """Gain of the ideal observer in AUROC; a random reference has rho 0, whatever relatives in its cohort share."""
    return limits.gain if limits.rho is None or abs(limits.rho - rho) < 1e-9 else float(scaled_gain(np.array([limits.single]), rho)[0])


def _reference_alone(results: RunResults, run: Run, single: Run) -> list[RunScores]:
    """Scores of the run that shows another run's references alone; empty if there is none: the leak is then 0, by A2."""
    same = {"arm": "reference_only", "strategy": run.strategy, "evaluated_rho": run.evaluated_rho}
    alone = results.find(**same, train_arm="reference_only") or results.find(**same)
    return [] if alone is None else results.aligned([single, alone])[1:]


def _leak(single: RunScores, alone: RunScores) -> Estimate:
    """Share of the signal that the references carry, with Fieller's interval; p is of the AUROC of the references alone (T13.5)."""
    try:
        found = estimate_leak(single.ranked, alone.ranked, single.positive, single.patients)
    except InputError as error:
        return no_estimate(str(error), "share", single)
    p = auroc_of(alone).p
    return Estimate(
        found.estimate, *found.interval, p, "share", "Fieller, trainings and patients random", len(single.items), found.clusters
    )


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
