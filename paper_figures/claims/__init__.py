"""The ledger of claims: what each says, by which criterion it is judged, and what each source of evidence found.

``registry`` the claims and criteria, ``ledger`` the rule of the verdicts, ``theoretical`` (C1), ``predicted`` (C3 to C5),
``experiments``, ``inside`` (C6, C8) and ``studies`` (C3, C5, C7, several training seeds) the evidence, ``controls`` what a gain is due to.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from paper_figures.claims.ledger import Ledger, Verdict
from paper_figures.claims.registry import CLAIMS, MAIN_RHO, SOURCES, Claim

__all__ = ["CLAIMS", "MAIN_RHO", "SOURCES", "Claim", "Ledger", "Verdict", "evaluate_claims"]


def evaluate_claims(out: Path | str, real: Path | str | None = None, seed: int = 0, studies: Sequence[Path | str] = ()) -> Ledger:
    """Judge every claim by what is in an output folder. Nothing is written but the cache of ideal observers.

    Parameters
    ----------
    out : Path or str
        An output folder of ``see-in-pairs reproduce``.
    real : Path or str, optional
        A folder with the records of real runs (``records.parquet``, and ``runs.json`` where arms occur more than once).
    seed : int, default 0
        Seed of the bootstrap.
    studies : sequence of Path or str
        Outputs of ``see-in-pairs study``; what they say of a claim stands in place of what single models say.

    Returns
    -------
    Ledger
        A verdict for every claim and source of evidence.

    Raises
    ------
    InputError
        When the folder lacks its theory checks or records, or they cannot be read.
    """
    from paper_figures.claims.controls import control_rows
    from paper_figures.claims.evidence import Evidence
    from paper_figures.claims.experiments import experiment_verdicts
    from paper_figures.claims.interpretability import inside_verdicts
    from paper_figures.claims.ledger import assemble
    from paper_figures.claims.studies import study_verdicts
    from paper_figures.claims.theory_gains import simulation_verdicts, theory_verdicts
    from paper_figures.claims.theory_separation import simulation_verdict, theory_verdict
    from paper_figures.results.runs import RunResults

    results = RunResults(Path(out))
    phantom = Evidence(results, MAIN_RHO, seed)
    verdicts = {
        "theory": {"C1": theory_verdict(results.theory)} | theory_verdicts(results.theory),
        "simulation": {"C1": simulation_verdict(results.theory)} | simulation_verdicts(results.theory),
    }
    verdicts["phantom"] = experiment_verdicts(phantom, "claims, phantom") | inside_verdicts(phantom, "claims, phantom")
    if real is not None:
        evidence = Evidence(RunResults(Path(real)), None, seed)
        verdicts["real"] = experiment_verdicts(evidence, "claims, real") | inside_verdicts(evidence, "claims, real")
    for folder in studies:
        source, found = study_verdicts(Path(folder))
        verdicts[source] = verdicts.get(source, {}) | found
    return assemble(verdicts, control_rows(phantom))
