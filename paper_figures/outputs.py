"""Claims, figures and report, each made from the content of an output folder and written back into it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from see_in_pairs.console import progress
from see_in_pairs.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from paper_figures.claims import Ledger


def write_claims(out: Path | str, *, real: Path | str | None = None, studies: Sequence[Path | str] = ()) -> Ledger:
    """Judge the claims and write ``claims.json``, ``claims.csv`` and ``controls.json``."""
    from paper_figures.claims import evaluate_claims

    ledger = evaluate_claims(out, real, studies)
    ledger.save(Path(out))
    return ledger


def write_figures(out: Path | str, *, only: Sequence[str] = (), seed: int = 0, quiet: bool = False) -> list[Path]:
    """Draw the figures into ``figures/``, each as PNG, PDF and CSV."""
    from paper_figures.figures import FIGURES, draw_figure
    from paper_figures.results.runs import RunResults

    unknown = [name for name in only if name not in FIGURES]
    if unknown:
        raise InputError(f"no figure '{unknown[0]}' (choose from {', '.join(FIGURES)}){did_you_mean(unknown[0], FIGURES)}")
    results, names = RunResults(Path(out)), list(only) or list(FIGURES)
    return [draw_figure(name, results, seed) for name in progress(names, len(names), "figures", quiet)]


def write_report(out: Path | str) -> Path:
    """Write ``report/index.html``, one page that needs no other file, from the folder's content; return its path."""
    from paper_figures.report import render_report
    from paper_figures.results.runs import RunResults
    from see_in_pairs.files import write_text

    page = Path(out) / "report" / "index.html"
    write_text(page, render_report(RunResults(Path(out))))
    return page
