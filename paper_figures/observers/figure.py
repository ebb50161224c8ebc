"""The ladder as a picture: AUROC against training patients, a line for each observer."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from paper_figures.observers.ladder import FEATURES, IDEAL, LEARNED, LIMIT, MODEL, Ladder
from paper_figures.plotting import style
from paper_figures.plotting.provenance import save_figure
from see_in_pairs.runs import begun_before

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMES = {"single": "single image", "difference": "query minus reference", "joint": "both images"}
KINDS = {LEARNED: ("o", "-"), FEATURES: ("s", "--"), MODEL: ("D", ":")}


def draw_ladder(ladder: Ladder, title: str) -> Figure:
    """Draw the areas: marker and line show the kind of observer, colour shows what it sees; bounds are lines and bands."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    colours = {"single": style.COLOURS["single"], "difference": style.COLOURS["difference"], "joint": style.COLOURS["pair"]}
    areas = ladder.areas
    with style.house_style():
        figure = Figure(figsize=style.WIDE)
        axes = figure.subplots()
        present = [source for source in KINDS if (areas["source"] == source).any()]
        for number, source in enumerate(present):
            marker, line = KINDS[source]
            for place, observer in enumerate(NAMES):
                rows = areas[(areas["source"] == source) & (areas["observer"] == observer)].sort_values("train_patients")
                if rows.empty:
                    continue
                x = rows["train_patients"].to_numpy(float) * 1.03 ** (
                    place - 1 + 3 * (number - (len(present) - 1) / 2)
                )  # side by side, not on top of each other
                value, low, high = (rows[name].to_numpy(float) for name in ("value", "low", "high"))
                axes.errorbar(x, value, [value - low, high - value], fmt=marker, ls=line, color=colours[observer], ms=7, mec="white",
                              capsize=3, elinewidth=1.6, lw=2)  # fmt: skip
        ideal = areas[areas["source"] == IDEAL]
        for row in ideal.to_dict("records"):
            axes.axhline(row["value"], color=colours[row["observer"]], lw=1.6, ls=(0, (1, 1)), zorder=1)
        for row in areas[areas["source"] == LIMIT].to_dict("records"):
            axes.axhspan(row["low"], row["high"], color=colours[row["observer"]], alpha=0.12, lw=0, zorder=0)
        sizes = sorted(set(areas["train_patients"][np.isfinite(areas["train_patients"])]))
        axes.set_xscale("log")
        axes.set_xticks(sizes, [f"{int(size):,}" for size in sizes])
        axes.minorticks_off()
        axes.set(xlabel="training patients", ylabel="AUROC on test patients")
        seen = [name for name in NAMES if (areas["observer"] == name).any()]
        handles = [Line2D([], [], color=colours[name], lw=6, label=NAMES[name]) for name in seen]
        handles += [
            Line2D([], [], color=style.INK, marker=marker, ls=line, ms=7, label=source)
            for source, (marker, line) in KINDS.items()
            if (areas["source"] == source).any()
        ]
        if len(ideal):
            handles.append(Line2D([], [], color=style.INK, lw=1.6, ls=(0, (1, 1)), label="ideal observer"))
        if (areas["source"] == LIMIT).any():
            handles.append(Line2D([], [], color=style.MUTED, lw=8, alpha=0.3, label="channels, many patients"))
        axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        figure.suptitle(title, x=0.01, ha="left", fontsize=16, fontweight="bold")
    return figure


def save_ladder(ladder: Ladder, out: Path, title: str, seed: int) -> None:
    """Write the figure with its data and provenance into ``figures/``."""
    caption = (
        "AUROC on the test patients of observers that learned from so many training patients, with 95 % intervals. Colour: what is seen. "
        "Dotted: ideal observers, who know the covariances. Bands: the channels with many patients (95 % intervals)."
    )
    with style.house_style():
        save_figure(
            draw_ladder(ladder, title), ladder.areas, "observers", out / "figures", title=title, caption=caption, claim="C1, C5", seed=seed,
            config_hash=begun_before(out)["config_hash"], sources=[out / "observers.csv"], modules=[sys.modules[__name__], style],
        )  # fmt: skip
