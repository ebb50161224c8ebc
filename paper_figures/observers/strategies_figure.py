"""The gain from each strategy's reference as a picture, with what is known of its precision."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from paper_figures.observers.strategies import MARGIN
from paper_figures.plotting import style
from paper_figures.plotting.provenance import save_figure
from see_in_pairs.runs import begun_before

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

NAMES = {"difference": "query minus reference", "joint": "both images"}
MARKERS = {"difference": "s", "joint": "o"}


def draw_strategies(table: pd.DataFrame, title: str) -> Figure:
    """Draw the gains over the single image by strategy, 95 % intervals; hollow where the interval is too wide for a verdict."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    colours = {"difference": style.COLOURS["difference"], "joint": style.COLOURS["pair"]}
    shown = table[table["gain"].notna()]
    strategies = list(dict.fromkeys(shown["strategy"]))
    with style.house_style():
        figure = Figure(figsize=style.WIDE)
        axes = figure.subplots()
        axes.axvspan(-MARGIN, MARGIN, color=style.MUTED, alpha=0.12, lw=0, zorder=0)
        axes.axvline(0, color=style.INK, lw=1.2, zorder=1)
        present = [name for name in NAMES if (shown["observer"] == name).any()]
        for place, observer in enumerate(present):
            rows = shown[shown["observer"] == observer]
            for row in rows.to_dict("records"):
                height = -strategies.index(row["strategy"]) + 0.26 * ((len(present) - 1) / 2 - place)
                wide = row["half_width"] > MARGIN
                axes.errorbar(
                    row["gain"], height, xerr=[[row["gain"] - row["gain_low"]], [row["gain_high"] - row["gain"]]], fmt=MARKERS[observer],
                    color=colours[observer], mfc="white" if wide else colours[observer], ms=8, capsize=3, lw=2,
                )  # fmt: skip
        counts = shown.drop_duplicates("strategy").set_index("strategy")
        labels = [f"{name}\n{counts.loc[name, 'patients']:.0f} patients, {counts.loc[name, 'lesions']:.0f} lesions" for name in strategies]
        axes.set_yticks(-np.arange(len(strategies)), labels)
        axes.set(xlabel="AUROC minus that of the single image", ylim=(-len(strategies) + 0.4, 0.6))
        handles = [Line2D([], [], color=colours[name], marker=MARKERS[name], lw=2, ms=8, label=NAMES[name]) for name in present]
        if (shown["half_width"] > MARGIN).any():
            handles.append(Line2D([], [], color=style.INK, marker="o", mfc="white", lw=0, ms=8, label=f"cannot resolve {MARGIN:g}"))
        axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        figure.suptitle(title, x=0.01, ha="left", fontsize=16, fontweight="bold")
    return figure


def save_strategies(table: pd.DataFrame, out: Path, cohort: str, seed: int) -> None:
    """Write the figure with its data and provenance into ``figures/``."""
    title = f"What a reference gives: {cohort}"
    caption = (
        "AUROC of channelised observers who know the place of the lesion, minus that of the observer of the single image, with 95 % "
        "intervals over patients and references. Grey: gains below .05. Hollow: the interval is too wide to tell .05 from nothing."
    )
    with style.house_style():
        save_figure(
            draw_strategies(table, title), table.drop(columns="note"), "strategies", out / "figures", title=title, caption=caption,
            claim="C1, C4", seed=seed, config_hash=begun_before(out)["config_hash"], sources=[out / "strategies.csv"],
            modules=[sys.modules[__name__], style],
        )  # fmt: skip
