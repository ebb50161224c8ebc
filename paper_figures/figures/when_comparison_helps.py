"""Error against rho for the three rules: closed forms as curves, raw simulation as points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from paper_figures.figures.figure_data import FigureData
from paper_figures.plotting.style import COLOURS, INK, RED, SMALL_POINTS, WIDE, note

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from paper_figures.results.runs import RunResults

TITLE = "Comparing helps when query and reference share what varies"
CLAIM = "C1"
D = 1.0
LABEL_PLACES = {"single": (0.985, 0.338, "right"), "difference": (0.16, 0.376, "left"), "optimal": (0.60, 0.205, "right")}
RULES = {"single": "single image", "difference": "plain difference", "optimal": "optimal comparison"}
SIMULATED_RHOS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
REPLICATES = 10_000


def collect(results: RunResults, seed: int) -> FigureData:
    """Compute the curves, and simulate patients one by one for the points.

    The data has rows of ``kind`` curve or simulation, with ``rule, rho, error, mcse``.
    """
    import pandas as pd

    from theory.statements import statement
    from theory.statements.t1_univariate_rules import error
    from theory.verification import CheckPoint, simulate

    quantity = statement("T1").quantity("error")
    grid = np.linspace(0, 0.98, 197)
    curves = [
        pd.DataFrame({"kind": "curve", "rule": rule, "rho": grid, "error": np.broadcast_to(error(D, grid, rule), grid.shape), "mcse": 0.0})
        for rule in RULES
    ]
    points: list[dict[str, Any]] = []
    for rule in RULES:
        for rho in SIMULATED_RHOS:
            found = simulate(CheckPoint("T1", quantity, quantity.bind({"d": D, "rho": rho, "rule": rule})), seed, REPLICATES)
            points.append({"kind": "simulation", "rule": rule, "rho": rho, "error": found.value, "mcse": found.mcse})
    caption = (
        f"Error rate at equal priors of three rules, effect d = {D:g} (T1). Curves: closed forms; the optimal comparison is "
        f"query − ρ × reference, the Bayes rule. Points: raw simulation, {REPLICATES:,} replicates each, bars ± 1.96 MCSE. "
        "The plain difference is worse than the single image below ρ = 1/2; the optimal comparison never is, and gains nothing at ρ = 0."
    )
    subtitle = f"Effect d = {D:g}, equal priors. Curves: closed forms (T1); points: simulation, {REPLICATES:,} replicates each"
    return FigureData(pd.concat([*curves, pd.DataFrame(points)], ignore_index=True), caption, subtitle=subtitle)


def draw(figure_data: FigureData, results: RunResults) -> Figure:
    """Draw error against rho, a curve with points for each rule."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDE[0], 6.4))
    axes = figure.add_subplot()
    for rule in RULES:
        _rule(axes, figure_data.data[figure_data.data["rule"] == rule], rule)
    axes.axvspan(-0.02, 0.5, color=RED, alpha=0.05, lw=0)
    level = float(figure_data.data.loc[figure_data.data["rule"] == "single", "error"].iloc[0])
    axes.plot([0.5], [level], "o", ms=13, mfc="none", mec=INK, mew=1.8, zorder=7)
    text, line = "ρ = 1/2: the difference\novertakes the single image", {"arrowstyle": "-", "color": INK}
    axes.annotate(text, (0.5, level), (0.53, level + 0.048), fontsize=13, arrowprops=line)
    note(axes, 0.012, 0.012, "plain difference does harm", RED, fontsize=13)
    axes.set(xlim=(-0.02, 1), ylim=(0, 0.4), xlabel="correlation ρ of query and reference, given the label", ylabel="error rate")
    axes.grid(axis="x", visible=False)
    return figure


def _rule(axes: Axes, rows: pd.DataFrame, rule: str) -> None:
    curve, points = (rows[rows["kind"] == kind] for kind in ("curve", "simulation"))
    axes.plot(curve["rho"], curve["error"], color=COLOURS[rule], zorder=3)
    axes.errorbar(points["rho"], points["error"], 1.96 * points["mcse"], color=COLOURS[rule], **SMALL_POINTS)
    x, y, side = LABEL_PLACES[rule]
    note(axes, x, y, RULES[rule], COLOURS[rule], fontsize=15, fontweight="bold", ha=side)
