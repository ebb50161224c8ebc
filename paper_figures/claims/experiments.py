"""What trained models say of C1, C2 and C3, on phantoms or on real images: the same tests for both."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from paper_figures.claims.evidence import Evidence, off_the_shelf_is_random, off_the_shelf_knows_no_medicine
from paper_figures.claims.ledger import ClaimFinding, Verdict, judge_family
from paper_figures.results.estimates import auroc_difference, aurocs
from paper_figures.results.predicted_gain import log_separation_ratio

NEVER_TRAINED = "off the shelf this model has random weights, so it can only be at chance: give one that has learned something to test this"
NO_MEDICINE = "off the shelf the bundled model has learned to compare procedural pictures, and knows no medicine"


def from_runs(evidence: Evidence, family: str) -> dict[str, Verdict]:
    """Judge C1, C2 and C3 by a folder of runs; their tests share one correction for multiplicity."""
    tests = {"C1": separation_ratio(evidence), "C2": gain_off_the_shelf(evidence), "C3": gain_of_gains(evidence)}
    return judge_family(tests, family)


def separation_ratio(evidence: Evidence) -> ClaimFinding | str:
    """Test C1: whether the pair separates the classes further, in units of the variation within them (log separation ratio)."""
    if missing := evidence.missing("pair", "single"):
        return missing
    pair, single = evidence.scores("pair", "single")
    bootstrap = evidence.bootstrap(single)
    after, before = bootstrap.separation(pair), bootstrap.separation(single)
    ratio = bootstrap.estimate(log_separation_ratio(after, before), "log Γ", "the log separation ratio")
    d_pair, d_single = (bootstrap.estimate(values, "d'", "the separation") for values in (after, before))
    context = f"d' {d_single} single, {d_pair} pair"
    if evidence.rho is not None:
        context += f"; T1 predicts -log(1 - rho^2) = {-np.log1p(-(evidence.rho**2)):.2f} for a model equally efficient in both arms"
    weak = f"the single arm does not separate the classes (d' {d_single}), so the ratio says nothing"
    return ClaimFinding(ratio, context, unless_above="" if d_single.low > 0 else weak)


def gain_off_the_shelf(evidence: Evidence) -> ClaimFinding | str:
    """Test C2: whether the pair beats the single image before any finetuning (gain in AUROC)."""
    if missing := evidence.missing("off_pair", "off_single"):
        return missing
    scores = evidence.scores("off_pair", "off_single")
    pair, single = aurocs(scores)
    context = f"AUROC {single} single, {pair} pair"
    if off_the_shelf_is_random(scores[0].run):
        context += f"; {NEVER_TRAINED}"
    elif off_the_shelf_knows_no_medicine(scores[0].run):
        context += f"; {NO_MEDICINE}"
    chance = "the better arm is not above chance"
    gain = replace(auroc_difference(*scores), unit="gain in AUROC")
    return ClaimFinding(gain, context, "" if pair.low > 0.5 else chance, "" if single.low > 0.5 else chance)


def gain_of_gains(evidence: Evidence) -> ClaimFinding | str:
    """Test C3: whether the gain in AUROC is larger after finetuning than off the shelf (difference of the gains)."""
    if missing := evidence.missing("pair", "single", "off_pair", "off_single"):
        return missing
    scores = evidence.scores("pair", "single", "off_pair", "off_single")
    bootstrap = evidence.bootstrap(scores[0])
    pair, single, off_pair, off_single = (bootstrap.auroc(item) for item in scores)
    after, before = (bootstrap.estimate(gain, "AUROC", "the gain") for gain in (pair - single, off_pair - off_single))
    found = bootstrap.estimate((pair - single) - (off_pair - off_single), "gain in AUROC, after less before", "the difference of the gains")
    context = f"gain {after} after finetuning on {scores[0].run.n_train} patients, {before} off the shelf"
    untrained = "off the shelf this model has random weights and can gain nothing, so this says only that training was needed"
    return ClaimFinding(found, context, unless_above=untrained if off_the_shelf_is_random(scores[2].run) else "")
