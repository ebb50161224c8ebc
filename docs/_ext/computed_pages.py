"""Parts of the pages that the package itself writes while they are built, so that they cannot differ from what it does."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import catalogue_tables
import config_pages
import numpy as np
import statement_parts
import sweep_pages

from see_in_pairs.console import run_app

if TYPE_CHECKING:
    from sphinx.application import Sphinx

GRID = 24


def checks() -> str:
    """Show how many points of each statement agree, with links to its page."""
    from theory.statements import all_statements

    text = statement_parts.index()
    for item in all_statements():
        text = text.replace(f"({item.lower()}.md)", f"(statements/{item.lower()}.md)")
    return text


def plan() -> str:
    """Show what the example of the planning page prints."""
    from paper_figures.cli import app

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = run_app(app, ["plan", "--d", "1", "--rho", "0.6", "--measured", "100", "100"])
    if code != 0:
        raise RuntimeError(f"plan ended with exit code {code}")
    return f"```text\n{printed.getvalue().rstrip()}\n```\n"


def pictures(folder: Path) -> None:
    """Draw the figures that the package draws itself; matplotlib writes the same bytes again, so nothing is rebuilt for it."""
    from paper_figures.figures import phase_diagram
    from paper_figures.plotting import style
    from paper_figures.plotting.plan import draw, plan_table
    from theory.power.analysis import StudyDesign, plan_study
    from theory.power.evidence import Correlation
    from theory.power.outcome import PlanReport

    evidence, study = Correlation(d=1.0, rho=0.6, measured=(100, 100)), StudyDesign()
    outcome = PlanReport(evidence, study, plan_study(evidence, study), {}, {})
    with style.house_style():
        phases = phase_diagram.draw(phase_diagram.collect(None, 0), None)
        style.heading(phases, f"{phase_diagram.TITLE}  [{phase_diagram.CLAIM}]")
        phases.savefig(folder / "phase_diagram.png", metadata={"Software": None})
        draw(plan_table(outcome), outcome).savefig(folder / "plan.png", metadata={"Software": None})


def warning() -> str:
    """Work out three image models that no correlation of pixels tells apart."""
    lines = [
        "| shared by query and reference | own to each | pixel correlation | $\\Delta^2_{\\mathrm{joint}}/\\Delta^2$ |",
        "|---|---|---|---|",
    ]
    for shared_words, own_words, shared, own in _three_models():
        correlation = np.mean(np.diag(shared) / np.diag(shared + own))
        lines.append(f"| {shared_words} | {own_words} | {correlation:.2f} | {_gain(shared, own):.3g} |")
    return (
        "\n".join(lines)
        + f"\n\nExact, on {GRID} x {GRID} pixels, for a Gaussian lesion with a standard deviation of 2 pixels (our construction).\n"
    )


def _three_models() -> Iterator[tuple[str, str, np.ndarray, np.ndarray]]:
    white, field = np.eye(GRID**2), _smooth_field(length=3.0)
    rough = 0.95 * field + 0.05 * white
    yield "three smooth modes", "a smooth field", 0.8 * _three_modes(), 0.2 * rough
    yield "0.8 of everything: $C=0.8\\,\\Sigma$", "0.2 of everything", 0.8 * rough, 0.2 * rough
    yield "a smooth field", "white noise", 0.8 * field, 0.2 * white


def _gain(shared: np.ndarray, own: np.ndarray) -> float:
    from theory.models.ideal_observers import hotelling

    rows, columns = np.indices((GRID, GRID)) - GRID / 2
    lesion = np.exp(-(rows**2 + columns**2) / (2 * 2.0**2)).ravel()
    detectability = hotelling(lesion, shared + own, shared)
    return float((detectability.joint / detectability.single) ** 2)


def _smooth_field(length: float) -> np.ndarray:
    """Covariance (unit variance) of a stationary field with a Gaussian correlation function, on the grid."""
    points = np.indices((GRID, GRID)).reshape(2, -1).T
    squared = ((points[:, None] - points[None]) ** 2).sum(axis=-1)
    return np.exp(-squared / (2 * length**2))


def _three_modes() -> np.ndarray:
    """Covariance (unit variance) of a constant and one wave of random amplitude and phase."""
    angle = 2 * np.pi * np.indices((GRID, GRID))[1].ravel() / GRID
    return 0.5 + 0.5 * np.cos(angle[:, None] - angle[None])


def write_pages(app: Sphinx) -> None:
    """Write what has changed into ``generated/``, where the pages include it."""
    from theory.statements import all_statements

    folder = Path(app.srcdir) / "generated"
    (folder / "statements").mkdir(parents=True, exist_ok=True)
    pages: dict[str, Callable[[], str]] = {
        "checks": checks, "warning": warning, "plan": plan, "statements/index": statement_parts.index,
        "arms": catalogue_tables.arms, "strategies": catalogue_tables.strategies, "claims": catalogue_tables.claims,
    }  # fmt: skip
    pages |= sweep_pages.pages() | config_pages.pages()
    pages |= {f"statements/{name.lower()}": partial(statement_parts.statement_part, item) for name, item in all_statements().items()}
    for name, page in pages.items():
        path, text = folder / f"{name}.md", page()
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    pictures(folder)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
