"""Claim C4 on trained models: whether the gain holds for each of the four strategies of choosing references."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from paper_figures.claims.evidence import Evidence
from paper_figures.claims.ledger import Verdict, not_tested
from paper_figures.claims.registry import LEVEL
from paper_figures.number_format import with_interval
from paper_figures.results.estimates import auroc_difference
from paper_figures.statistics.multiplicity import holm

if TYPE_CHECKING:
    from paper_figures.results.estimates import Estimate

STRATEGIES = {
    "random": "random", "pair": "demographic-matched", "embedding": "embedding-retrieved", "cross_center": "cross-center",
}  # fmt: skip
"""Runs, as `Evidence.run` takes them, and the claim's words for their references."""


def strategies(evidence: Evidence, family: str) -> Verdict:
    """Judge C4.

    Returns supported when each gain over the single image is above 0 (Holm over the four), contradicted when one is below; the estimate is
    the smallest gain. ``not tested`` where a strategy was not run, with what is known of the others.
    """
    if missing := evidence.missing("single"):
        return not_tested(missing)
    gains = {words: _gain(evidence, name) for name, words in STRATEGIES.items() if not evidence.missing(name)}
    known = ", ".join(f"{words} {with_interval(gain.value, gain.low, gain.high)}" for words, gain in gains.items())
    if absent := evidence.missing(*STRATEGIES):
        reason = f"all four strategies are needed, and there is {absent}" + (f"; gains over the single image: {known}" if known else "")
        return not_tested(reason, _named(gains, "random") if "random" in gains else None)
    return judge_gains(gains, family)


def _gain(evidence: Evidence, name: str) -> Estimate:
    return auroc_difference(*evidence.results.aligned([evidence.run(name), evidence.run("single")]))  # type: ignore[list-item]


def _named(gains: dict[str, Estimate], words: str) -> Estimate:
    return replace(gains[words], unit=f"gain in AUROC, {words} references")


def judge_gains(gains: dict[str, Estimate], family: str) -> Verdict:
    """Judge C4 from the gain of each strategy."""
    known = ", ".join(f"{words} {with_interval(gain.value, gain.low, gain.high)}" for words, gain in gains.items())
    family = f"{family}, C4 ({', '.join(gains)}; Holm)"
    adjusted = dict(zip(gains, holm([gain.p for gain in gains.values()], family).adjusted.tolist(), strict=True))
    sure = {words: gain.value for words, gain in gains.items() if adjusted[words] <= LEVEL}
    worst = min(gains, key=lambda words: gains[words].value)
    if any(value < 0 for value in sure.values()):
        verdict, reason = "contradicted", f"{min(sure, key=lambda words: sure[words])} references lose"
    elif len(sure) == len(gains):
        verdict, reason = "supported", "each gain is above 0"
    else:
        verdict, reason = "inconclusive", f"not distinguishable from 0: {', '.join(words for words in gains if words not in sure)}"
    found, holm_p = _named(gains, worst), adjusted[worst]
    numbers = (found.value, found.interval, None, found.unit, found.patients, found.test)
    return Verdict(verdict, f"{reason}; {known}", *numbers, family, found.p, holm_p)
