"""What a healthy relative adds to the answers of ideal observers, by its correlation with the query."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from paper_figures.plotting import style
from paper_figures.plotting.provenance import save_figure
from paper_figures.results.ideal_answers import ANY, NOTHING, REST
from see_in_pairs.runs import begun_before

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

SHOWN = (ANY, "kind", "location")
MEASURES = {"accuracy": "gain in accuracy", "macro_auroc": "gain in macro AUROC"}


def draw_answers(table: pd.DataFrame, title: str) -> Figure:
    """Draw the gain over the single image by rho: a column for each question, a row for each measure."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    asked = list(dict.fromkeys(table["question"]))
    present = [name for name in SHOWN if name in asked] or asked[:3]  # of a phantom with one kind, one region and no healthy query
    pair, difference = style.COLOURS["pair"], style.COLOURS["difference"]
    looks = {("joint", REST): (pair, "-"), ("joint", NOTHING): (pair, "--"), ("difference", REST): (difference, "-")}
    with style.house_style():
        figure = Figure(figsize=(max(style.WIDE[0], 3.9 * len(present)), 7.6))
        panels = figure.subplots(len(MEASURES), len(present), sharex=True, sharey="row", squeeze=False)
        for (row, column), axes in np.ndenumerate(panels):
            measure, question = list(MEASURES)[row], present[column]
            part = table[(table["question"] == question) & (table["measure"] == measure)].assign(rho=lambda t: t["rho"].fillna(0.5))
            axes.axhline(0, color=style.MUTED, lw=1, zorder=0)
            for (observer, knows), (colour, line) in looks.items():
                rows = part[(part["observer"] == observer) & (part["knows"] == knows)].sort_values("rho")
                axes.errorbar(
                    rows["rho"], rows["gain"], yerr=1.96 * rows["gain_mcse"], color=colour, ls=line, marker="o", ms=5, lw=2, capsize=0
                )
                if knows == REST and rows["theory_gain"].notna().any():
                    axes.plot(rows["rho"], rows["theory_gain"], "D", color=colour, mfc="none", ms=9, mew=1.4)
            if row == 0:
                answers = part["answers"].iloc[0] if len(part) else 0
                axes.set_title(f"{question} ({answers} answers)")
            if column == 0:
                axes.set_ylabel(MEASURES[measure])
        for axes in panels[-1]:
            own = table["rho"].isna().all()
            axes.set_xlabel("as in the cohort" if own else "correlation of query and relative")
            if own:
                axes.set_xticks([])
        handles = [
            Line2D([], [], color=pair, marker="o", ms=5, lw=2, label="both images, the rest known"),
            Line2D([], [], color=pair, marker="o", ms=5, lw=2, ls="--", label="both images, nothing known"),
            Line2D([], [], color=difference, marker="o", ms=5, lw=2, label="query minus relative, the rest known"),
            Line2D([], [], color=style.INK, marker="D", mfc="none", ms=9, lw=0, label="T1, T16: findings at right angles"),
        ]
        figure.legend(handles=handles, loc="outside lower left", ncols=2, columnspacing=1.4)
        style.heading(figure, title, "Ideal observers; gain over the single image; bars: 95 % Monte Carlo intervals")
    return figure


def save_answers(table: pd.DataFrame, out: Path, seed: int) -> None:
    """Write the figure with its data and provenance into ``figures/``."""
    title = "What a healthy relative can add to each answer"
    caption = (
        "Ideal observers of a phantom with several findings: accuracy and mean one-against-rest AUROC with a healthy relative of the "
        "query, minus those of the query alone. Solid: all but the answer is known (for the kind its place and grade, for the place its "
        "kind and grade). Dashed: nothing is known. Diamonds: accuracy by T1 and T16 for findings at right angles; kinds at one place are "
        "not quite so. Bars: 95 % Monte Carlo intervals."
    )
    with style.house_style():
        save_figure(
            draw_answers(table, title), table, "answers", out / "figures", title=title, caption=caption, claim="C7", seed=seed,
            config_hash=begun_before(out)["config_hash"], sources=[out / "answers.csv"], modules=[sys.modules[__name__], style],
        )  # fmt: skip
