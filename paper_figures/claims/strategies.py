"""Claim C4 on trained models: whether the gain holds for each of the four strategies of choosing references."""

from __future__ import annotations

from paper_figures.claims.evidence import Evidence
from paper_figures.claims.ledger import OVER_DUPLICATE, ClaimFinding, Verdict, criterion_of, not_tested
from paper_figures.results.estimates import auroc_difference

ROLES = {"demographic": "pair", "random": "random", "embedding": "embedding", "cross_center": "cross_center"}
"""Strategies, and the roles of their runs (see `Evidence.run`)."""


def from_runs(evidence: Evidence) -> dict[str, Verdict]:
    """Judge C4 by a folder of runs: not tested if a strategy was not run, with the results of the others."""
    if missing := evidence.missing("single"):
        return {"C4": not_tested("C4", evidence.source, missing)}
    findings = []
    for strategy, role in ROLES.items():
        if evidence.missing(role):
            continue
        run = evidence.run(role)
        shown = "" if run is None or run.own_arm else "strategies other than demographic are shown to the models finetuned on relatives"
        findings.append(ClaimFinding.of(auroc_difference(*evidence.scores(role, "single")), part=strategy, context=shown))
        if not evidence.missing("duplicate"):
            found = auroc_difference(*evidence.scores(role, "duplicate"))
            findings.append(ClaimFinding.of(found, part=strategy, role=OVER_DUPLICATE))
    return {"C4": Verdict("C4", evidence.source, criterion_of("C4", evidence.source), tuple(findings))}
