"""What trained models say of C1 to C4, on phantoms or on real images: the same tests for both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from paper_figures.claims.evidence import Evidence, off_the_shelf_is_random, off_the_shelf_knows_no_medicine
from paper_figures.claims.ledger import ClaimFinding, Verdict, judge_family
from paper_figures.claims.strategies import strategies
from paper_figures.number_format import with_interval
from paper_figures.results.estimates import auroc_difference, aurocs
from paper_figures.results.predicted_gain import log_separation_ratio

if TYPE_CHECKING:
    from paper_figures.results.estimates import Estimate

NEVER_TRAINED = "off the shelf this model has random weights, so it can only be at chance: give one that has learned something to test this"
NO_MEDICINE = "off the shelf the bundled model has learned to compare procedural pictures, and knows no medicine"


def experiment_verdicts(evidence: Evidence, family: str) -> dict[str, Verdict]:
    """Judge what a folder of runs can speak to.

    Returns claim to verdict, for C1 to C4.
    """
    tests: dict[str, Callable[[Evidence], ClaimFinding | str]] = {"C1": separation_ratio, "C2": gain_off_the_shelf, "C3": gain_of_gains}
    verdicts = judge_family({claim: test(evidence) for claim, test in tests.items()}, family)
    return verdicts | {"C4": strategies(evidence, family)}


def separation_ratio(evidence: Evidence) -> ClaimFinding | str:
    """Test C1: whether the pair separates the classes further, in units of the variation within them.

    Returns the log separation ratio, or why there is none.
    """
    if missing := evidence.missing("pair", "single"):
        return missing
    pair, single = evidence.results.aligned([evidence.pair, evidence.single])  # type: ignore[list-item]
    bootstrap = evidence.bootstrap(single)
    after, before = bootstrap.separation(pair), bootstrap.separation(single)
    ratio = bootstrap.estimate(log_separation_ratio(after, before), "log Γ", "the log separation ratio")
    d_pair, d_single = (bootstrap.estimate(values, "d'", "the separation") for values in (after, before))
    context = f"d' {_shown(d_single)} single, {_shown(d_pair)} pair"
    if evidence.rho is not None:
        context += f"; T1 predicts -log(1 - rho^2) = {-np.log1p(-(evidence.rho**2)):.2f} for a model equally efficient in both arms"
    weak = f"the single arm does not separate the classes (d' {_shown(d_single)}), so the ratio says nothing"
    return ClaimFinding(ratio, context, unless_above="" if d_single.low > 0 else weak)


def gain_off_the_shelf(evidence: Evidence) -> ClaimFinding | str:
    """Test C2: whether the pair beats the single image before any finetuning.

    Returns the gain in AUROC, or why there is none.
    """
    if missing := evidence.missing("off_pair", "off_single"):
        return missing
    runs = [evidence.off_pair, evidence.off_single]
    scores = evidence.results.aligned(runs)  # type: ignore[arg-type]
    pair, single = aurocs(scores)
    context = f"AUROC {_shown(single)} single, {_shown(pair)} pair"
    if off_the_shelf_is_random(scores[0].run):
        context += f"; {NEVER_TRAINED}"
    elif off_the_shelf_knows_no_medicine(scores[0].run):
        context += f"; {NO_MEDICINE}"
    chance = "the better arm is not above chance"
    gain = replace(auroc_difference(*scores), unit="gain in AUROC")
    return ClaimFinding(gain, context, "" if pair.low > 0.5 else chance, "" if single.low > 0.5 else chance)


def gain_of_gains(evidence: Evidence) -> ClaimFinding | str:
    """Test C3: whether the gain is larger after finetuning than off the shelf.

    Returns the difference of the two gains, or why there is none.
    """
    if missing := evidence.missing("pair", "single", "off_pair", "off_single"):
        return missing
    runs = [evidence.pair, evidence.single, evidence.off_pair, evidence.off_single]
    scores = evidence.results.aligned(runs)  # type: ignore[arg-type]
    bootstrap = evidence.bootstrap(scores[0])
    pair, single, off_pair, off_single = (bootstrap.auroc(item) for item in scores)
    after, before = (bootstrap.estimate(gain, "AUROC", "the gain") for gain in (pair - single, off_pair - off_single))
    found = bootstrap.estimate((pair - single) - (off_pair - off_single), "gain in AUROC, after less before", "the difference of the gains")
    context = f"gain {_shown(after)} after finetuning on {scores[0].run.n_train} patients, {_shown(before)} off the shelf"
    untrained = "off the shelf this model has random weights and can gain nothing, so this says only that training was needed"
    return ClaimFinding(found, context, unless_above=untrained if off_the_shelf_is_random(scores[2].run) else "")


def _shown(estimate: Estimate) -> str:
    return with_interval(estimate.value, estimate.low, estimate.high)
