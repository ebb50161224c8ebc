"""Evidence of trained models for C1, C2 and C3, on phantoms or on real images: the same tests for both."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from paper_figures.claims.evidence import Evidence, off_the_shelf_is_random, off_the_shelf_knows_no_medicine
from paper_figures.claims.ledger import GAIN, OVER_DUPLICATE, ClaimFinding, Verdict, criterion_of, not_tested
from paper_figures.claims.registry import LITTLE_DATA
from paper_figures.results.estimates import Estimate, auroc_contrast, auroc_difference, auroc_function, auroc_of, log_da_ratio
from paper_figures.results.predicted_gain import above_ideal

if TYPE_CHECKING:
    from paper_figures.results.runs import RunScores

NEVER_TRAINED = "off the shelf this model has random weights, so it can only be at chance: give one that has learned something to test this"
NO_MEDICINE = "off the shelf the bundled model has learned to compare procedural pictures, and knows no medicine"
AT_CHANCE = "not above chance"


def from_runs(evidence: Evidence) -> dict[str, Verdict]:
    """Judge C1, C2 and C3 by a folder of runs."""
    return {"C1": separation_ratio(evidence), "C2": gain_off_the_shelf(evidence), "C3": gain_of_gains(evidence)}


def _verdict(evidence: Evidence, claim: str, roles: tuple[str, str], judge: Callable[[Evidence, str, str], ClaimFinding]) -> Verdict:
    """Judge the first role over the single image, and over duplicate if there is one."""
    (first, single), duplicate = roles, roles[1].replace("single", "duplicate")
    if missing := evidence.missing(first, single):
        return not_tested(claim, evidence.source, missing)
    findings = [judge(evidence, single, GAIN)]
    if not evidence.missing(duplicate):
        findings.append(judge(evidence, duplicate, OVER_DUPLICATE))
    return Verdict(claim, evidence.source, criterion_of(claim, evidence.source), tuple(findings))


def separation_ratio(evidence: Evidence) -> Verdict:
    """Judge C1: the separation d_a of the pair over that of the single image, by ranks."""

    def judge(evidence: Evidence, other: str, role: str) -> ClaimFinding:
        scores = evidence.scores("pair", other)
        pair, single = (auroc_of(one) for one in scores)
        weak = "" if single.low > 0.5 else f"the {other} arm does not separate the classes (AUROC {single}), so that a ratio says nothing"
        weak = single.reason or weak
        ratio = auroc_function(scores, log_da_ratio, "ratio", "the ratio of separations", log=True)
        context = f"AUROC {pair} pair, {single} {other}"
        if evidence.rho is not None and other == "single":
            context += f"; T1 predicts a ratio of {1 / np.sqrt(1 - evidence.rho**2):.2f} for a model equally efficient in both arms"
        if flag := next((flag for one in scores if (flag := above_ideal(evidence.results, one))), ""):
            context += f"; {flag}"
        return ClaimFinding.of(ratio, role=role, context=context, lacking=weak)

    return _verdict(evidence, "C1", ("pair", "single"), judge)


def gain_off_the_shelf(evidence: Evidence) -> Verdict:
    """Judge C2: whether the pair beats the single image before any finetuning (gain in AUROC of one named model)."""

    def judge(evidence: Evidence, other: str, role: str) -> ClaimFinding:
        scores = evidence.scores("off_pair", other)
        pair, single = (auroc_of(one) for one in scores)
        context = f"AUROC {pair} pair, {single} {other.removeprefix('off_')}{_about(scores[0])}"
        chance = pair.reason or single.reason or ("" if max(pair.low, single.low) > 0.5 else "no arm is above chance")
        return ClaimFinding.of(auroc_difference(*scores), role=role, context=context, lacking=chance if role == GAIN else "")

    return _verdict(evidence, "C2", ("off_pair", "off_single"), judge)


def gain_of_gains(evidence: Evidence) -> Verdict:
    """Judge C3: whether the gain in AUROC is larger after finetuning on few patients than off the shelf (difference of the gains)."""
    if missing := evidence.missing("off_pair", "off_single"):
        return not_tested("C3", evidence.source, missing)

    def judge(evidence: Evidence, other: str, role: str) -> ClaimFinding:
        roles = ("pair", other, "off_pair", f"off_{other}")
        if missing := evidence.missing(*roles):
            return ClaimFinding(role=role, lacking=missing)
        scores = evidence.scores(*roles)
        found = auroc_contrast(scores, [1, -1, -1, 1])
        after, before = auroc_difference(*scores[:2]), auroc_difference(*scores[2:])
        patients = scores[0].run.n_train
        context = f"gain {after} after finetuning on {patients:,} patients, {before} off the shelf{_about(scores[2])}"
        return ClaimFinding.of(found, role=role, context=context, lacking=_why_not(patients, auroc_of(scores[3])) if role == GAIN else "")

    return _verdict(evidence, "C3", ("pair", "single"), judge)


def _why_not(patients: int, single: Estimate) -> str:
    """Why C3 is not judged; '' if it is."""
    if single.reason:
        return single.reason
    if not single.low > 0.5:
        return f"the model off the shelf is {AT_CHANCE} on the single image (AUROC {single}), so that it had nothing to gain before"
    return f"{patients:,} patients are not little data (at most {LITTLE_DATA})" if patients > LITTLE_DATA else ""


def _about(scores: RunScores) -> str:
    if off_the_shelf_is_random(scores.run):
        return f"; {NEVER_TRAINED}"
    return f"; {NO_MEDICINE}" if off_the_shelf_knows_no_medicine(scores.run) else ""
