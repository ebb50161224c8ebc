"""AUROC against the number of references: the optimal comparison and the plain difference from their mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from paper_figures.figures.figure_data import FigureData
from paper_figures.plotting.style import BLUE, INK, MUTED, RED, SMALL_POINTS, WIDE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from paper_figures.results.runs import RunResults

TITLE = "More references approach a limit, and rescue the plain difference"
CLAIM = "C1"
D = 1.0
RHOS = (0.3, 0.6, 0.9)
NUMBERS = (1, 2, 3, 4, 6, 8, 12, 16)
RULES = {"optimal": (BLUE, "optimal comparison"), "meandiff": (RED, "query − mean reference")}
REPLICATES = 10_000


def collect(results: RunResults, seed: int) -> FigureData:
    """Compute T2, and simulate patients one by one beside it.

    The data has rows ``rule, rho, m, auc, simulated, mcse, single, limit``.
    """
    import pandas as pd

    from theory import PairedModel

    data = pd.DataFrame([_row(rule, rho, m, seed) for rule in RULES for rho in RHOS for m in NUMBERS])
    data = data.assign(single=PairedModel(delta=D).auc("single"), limit=[_limit(rho) for rho in data["rho"]])
    caption = (
        f"AUROC against the number m of references, effect d = {D:g}; the references correlate with the query and with each other by ρ "
        f"(T2). Lines: closed forms; points: raw simulation, {REPLICATES:,} replicates each, bars ± 1.96 MCSE. Dashed: the limit of many "
        "references, where both rules meet; dotted: the single image. At ρ = 0.9 one reference already gives most of what there is."
    )
    subtitle = f"Effect d = {D:g}. Lines: closed forms (T2); points: simulation, {REPLICATES:,} replicates each, 95 % intervals"
    return FigureData(data, caption, subtitle=subtitle)


def _row(rule: str, rho: float, m: int, seed: int) -> dict[str, Any]:
    from theory.statements import statement
    from theory.verification import CheckPoint, simulate

    quantity = statement("T2").quantity("auc")
    params = quantity.bind({"d": D, "rho": rho, "rho_rr": rho, "m": m, "rule": rule})
    found = simulate(CheckPoint("T2", quantity, params), seed, REPLICATES)
    return {"rule": rule, "rho": rho, "m": m, "auc": float(quantity.closed_form(**params)), "simulated": found.value, "mcse": found.mcse}


def _limit(rho: float) -> float:
    """AUROC with infinitely many references: the variance left is 1 - rho (T2.3)."""
    from theory.numerics.gaussian import auc_of

    return float(auc_of(D / np.sqrt(1 - rho)))


def draw(figure_data: FigureData, results: RunResults) -> Figure:
    """Draw a panel for each rho."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDE[0], 6.6))
    panels = figure.subplots(1, len(RHOS), sharey=True)
    for axes, (rho, rows) in zip(panels, figure_data.data.groupby("rho"), strict=True):
        _panel(axes, rows)
        axes.set_title(f"correlation ρ = {rho:g}", fontweight="normal")
    panels[0].set_ylabel("AUROC")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower left", ncols=4, columnspacing=1.4)
    return figure


def _panel(axes: Axes, rows: pd.DataFrame) -> None:
    axes.axhline(rows["single"].iloc[0], color=MUTED, lw=2.0, ls=":", label="single image")
    axes.axhline(rows["limit"].iloc[0], color=INK, lw=1.6, ls="--", label="limit of many references")
    for rule, (colour, label) in RULES.items():
        some = rows[rows["rule"] == rule]
        axes.plot(some["m"], some["auc"], color=colour, label=label, zorder=3)
        axes.errorbar(some["m"], some["simulated"], 1.96 * some["mcse"], color=colour, **SMALL_POINTS)
    axes.set_xscale("log", base=2)
    axes.set(xticks=[1, 2, 4, 8, 16], xticklabels=["1", "2", "4", "8", "16"], xlabel="number of references m")
