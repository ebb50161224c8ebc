"""The verdicts on the claims: each claim, its criterion, and the findings of each source of evidence.

`registry` has the claims with their criteria and margins, `ledger` the rule of the verdicts. The evidence: `theory_separation` (C1) and
`theory_gains` (C3 to C5) from closed forms and simulation; `experiments` (C1 to C3), `strategies` (C4) and `interpretability` (C6, C8, from
the tables that `analyses` reads) from runs of models, which `evidence` finds; `studies` (C3 to C5, C7) from studies of several trainings.
`controls` tells the cause of a gain.

A module of evidence offers any of ``from_theory(rows)`` and ``from_simulation(rows)``, with the rows of ``theory verify``, and
``from_runs(evidence)``; each returns verdicts by claim. The claim in the registry names its modules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from paper_figures.claims.ledger import Ledger, Verdict
from paper_figures.claims.registry import CLAIMS, MAIN_RHO, SOURCES, Claim

SMOKE = "a smoke run is at toy size and gives no verdict"

__all__ = ["CLAIMS", "MAIN_RHO", "SOURCES", "Claim", "Ledger", "Verdict", "evaluate_claims"]


def __dir__() -> list[str]:
    return sorted(__all__)


def evaluate_claims(out: Path | str, real: Path | str | None = None, studies: Sequence[Path | str] = ()) -> Ledger:
    """Judge every claim by the content of an output folder. Only the cache of ideal observers is written.

    Parameters
    ----------
    out : Path or str
        An output folder of ``see-in-pairs reproduce``.
    real : Path or str, optional
        A folder with the records of real runs (``records.parquet``, and ``runs.json`` if arms occur more than once).
    studies : sequence of Path or str
        Outputs of ``see-in-pairs study``; if they judge a claim, their verdict replaces that of the folder of runs.

    Returns
    -------
    Ledger
        A verdict for every claim and source of evidence, and the controls.

    Raises
    ------
    InputError
        When theory checks or records are missing, or cannot be read.
    """
    from paper_figures.claims.controls import control_rows
    from paper_figures.claims.evidence import Evidence
    from paper_figures.claims.ledger import assemble
    from paper_figures.claims.studies import study_verdicts
    from paper_figures.results.runs import RunResults

    results = RunResults(Path(out))
    phantom = Evidence(results, MAIN_RHO)
    found = {
        "theory": _verdicts("from_theory", results.theory),
        "simulation": _verdicts("from_simulation", results.theory),
        "phantom": _verdicts("from_runs", phantom),
    }
    if real is not None:
        found["real"] = _verdicts("from_runs", Evidence(RunResults(Path(real)), None))
    for folder in studies:
        source, judged = study_verdicts(Path(folder))
        before = found.setdefault(source, {})
        for claim, one in judged.items():
            known = before.get(claim)
            if known is None or one.verdict != "not tested" or (known.verdict == "not tested" and one.main is not None):
                before[claim] = one
    if results.is_smoke:
        found = {source: {claim: replace(one, lacking=SMOKE) for claim, one in by_claim.items()} for source, by_claim in found.items()}
    return assemble(found, control_rows(phantom))


def _verdicts(function: str, *arguments: object) -> dict[str, Verdict]:
    """Call the function of this name in every module of evidence that has it."""
    verdicts: dict[str, Verdict] = {}
    for name in dict.fromkeys(name for claim in CLAIMS for name in claim.judged_by):
        judge = getattr(import_module(f"paper_figures.claims.{name}"), function, None)
        verdicts |= {} if judge is None else judge(*arguments)
    return verdicts
