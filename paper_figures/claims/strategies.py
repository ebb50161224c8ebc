"""Claim C4 on trained models: whether the gain holds for each of the four strategies of choosing references."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from paper_figures.claims.evidence import Evidence
from paper_figures.claims.ledger import Verdict, not_tested
from paper_figures.claims.registry import LEVEL
from paper_figures.results.estimates import auroc_difference
from paper_figures.statistics.multiplicity import holm

if TYPE_CHECKING:
    from paper_figures.results.estimates import Estimate

STRATEGIES = {
    "random": "random", "pair": "demographic-matched", "embedding": "embedding-retrieved", "cross_center": "cross-center",
}  # fmt: skip
"""Roles of runs (see `Evidence.run`), and the claim's words for their references."""


def from_runs(evidence: Evidence, family: str) -> dict[str, Verdict]:
    """Judge C4 by a folder of runs: not tested where a strategy was not run, with what is known of the others."""
    if missing := evidence.missing("single"):
        return {"C4": not_tested(missing)}
    found = {words: role for role, words in STRATEGIES.items() if not evidence.missing(role)}
    gains = {words: auroc_difference(*evidence.scores(role, "single")) for words, role in found.items()}
    if absent := evidence.missing(*STRATEGIES):
        reason = f"all four strategies are needed, and there is {absent}"
        reason += f"; gains over the single image: {_listed(gains)}" if gains else ""
        return {"C4": not_tested(reason, _named(gains, "random") if "random" in gains else None)}
    return {"C4": judge_gains(gains, family)}


def _listed(gains: dict[str, Estimate]) -> str:
    return ", ".join(f"{words} {gain}" for words, gain in gains.items())


def _named(gains: dict[str, Estimate], words: str) -> Estimate:
    return replace(gains[words], unit=f"gain in AUROC, {words} references")


def judge_gains(gains: dict[str, Estimate], family: str) -> Verdict:
    """Judge C4 by the gain of each strategy: supported when each is above 0 (Holm over the four), contradicted when one is below.

    The estimate is the smallest gain.
    """
    family = f"{family}, C4 ({', '.join(gains)}; Holm)"
    adjusted = dict(zip(gains, holm([gain.p for gain in gains.values()], family).adjusted.tolist(), strict=True))
    significant = {words: gain.value for words, gain in gains.items() if adjusted[words] <= LEVEL}
    worst = min(gains, key=lambda words: gains[words].value)
    if any(value < 0 for value in significant.values()):
        verdict, reason = "contradicted", f"{min(significant, key=lambda words: significant[words])} references lose"
    elif len(significant) == len(gains):
        verdict, reason = "supported", "each gain is above 0"
    else:
        verdict, reason = "inconclusive", f"not distinguishable from 0: {', '.join(words for words in gains if words not in significant)}"
    found, holm_p = _named(gains, worst), adjusted[worst]
    numbers = (found.value, found.interval, None, found.unit, found.patients, found.test)
    return Verdict(verdict, f"{reason}; {_listed(gains)}", *numbers, family, found.p, holm_p)
