"""Predicted beside observed gains as a picture: on the line, the model gained what was predicted."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_figures.plotting import style
from paper_figures.plotting.provenance import save_figure
from see_in_pairs.runs import begun_before

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROWS = {"theory": "theory (ρ and leak)", "observers": "linear observers"}
MARKERS = "oDs^v<>PX*phd8"


def draw_bridge(table: pd.DataFrame, title: str) -> Figure:
    """Draw observed against predicted gains: a column for each cohort, a row for each prediction, arms by colour and marker.

    Bars are 95 % intervals; small hollow markers are gains over the duplicate.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    shown = table[table["observed"].notna() & table[list(ROWS)].notna().any(axis=1)].copy()
    if (shown.groupby(["cohort", "arm"])["n_train"].nunique() > 1).any():
        shown["arm"] += ", " + shown["n_train"].astype(str) + " patients"
    cohorts, arms = list(dict.fromkeys(shown["cohort"])), list(dict.fromkeys(shown["arm"]))
    colours = [*style.LINES, *(look.colour for look in style.LOOKS.values() if look.colour not in style.LINES)]
    looks = {arm: (colours[number % len(colours)], MARKERS[number % len(MARKERS)]) for number, arm in enumerate(arms)}
    ends = shown[[f"{name}{end}" for name in ("observed", *ROWS) for end in ("", "_low", "_high")]].to_numpy(dtype=float)
    reach = [(min(-0.04, low) - 0.01, max(0.08, high) + 0.01) for low, high in (_ends(ends[:, 3:]), _ends(ends[:, :3]))]
    with style.house_style():
        figure = Figure(figsize=(max(style.WIDE[0], 3.7 * len(cohorts)), 9.0))
        panels = figure.subplots(2, len(cohorts), sharex=True, sharey=True, squeeze=False)
        line = (min(low for low, _ in reach), max(high for _, high in reach))
        for (row, column), axes in np.ndenumerate(panels):
            name, cohort = list(ROWS)[row], cohorts[column]
            axes.plot(line, line, color=style.INK, lw=1.4, ls="--", zorder=1)
            axes.axhline(0, color=style.MUTED, lw=1, zorder=0)
            axes.axvline(0, color=style.MUTED, lw=1, zorder=0)
            for point in shown[(shown["cohort"] == cohort) & shown[name].notna()].to_dict("records"):
                _draw_point(axes, name, point, *looks[point["arm"]])
            axes.set(xlim=reach[0], ylim=reach[1])
            if row == 0:
                axes.set_title(cohort.replace("_", " ").replace("-", " "))
            if column == 0:
                axes.set_ylabel("gain of the model")
            axes.set_xlabel(f"predicted by {ROWS[name]}")
            axes.xaxis.set_tick_params(labelbottom=True)
        handles = [
            Line2D([], [], color=colour, marker=marker, lw=0, ms=9, mec="white", label=arm.replace("_", " ").replace("-", " "))
            for arm, (colour, marker) in looks.items()
        ]
        if shown["over_duplicate"].notna().any():
            handles.append(Line2D([], [], color=style.INK, marker="o", mfc="white", lw=0, ms=6, label="the same over the duplicate"))
        handles.append(Line2D([], [], color=style.INK, ls="--", lw=1.4, label="as predicted"))
        figure.legend(handles=handles, loc="outside lower left", ncols=4, columnspacing=1.4)
        trainings = sorted({int(number) for number in shown["trainings"]})
        each = f"{' or '.join(map(str, trainings))} training{'' if trainings == [1] else 's'} of each arm"
        style.heading(figure, title, f"Gain in AUROC over the single image; {each}; bars: 95 % intervals")
    return figure


def _ends(values: np.ndarray) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)


def _draw_point(axes: Axes, name: str, row: dict[str, Any], colour: str, marker: str) -> None:
    """Draw one arm of one cohort, with the intervals of prediction and observation."""
    x, y = row[name], row["observed"]
    bars: dict[str, Any] = {}
    for key, value, what in (("xerr", x, name), ("yerr", y, "observed")):
        low, high = row[f"{what}_low"], row[f"{what}_high"]
        if np.isfinite(low) and np.isfinite(high):
            bars[key] = [[max(value - low, 0.0)], [max(high - value, 0.0)]]  # the end of a mapped interval may be the estimate itself
    axes.errorbar(x, y, **bars, fmt=marker, color=colour, mec="white", ms=9, elinewidth=1.6, capsize=0, zorder=3)
    if np.isfinite(row["over_duplicate"]):
        axes.plot(x, row["over_duplicate"], marker, color=colour, mfc="white", ms=5.5, zorder=4)


def save_bridge(table: pd.DataFrame, out: Path, seed: int) -> None:
    """Write the figure with its data and provenance into ``figures/``."""
    title = "Does the model gain what its reference was predicted to give?"
    who = "new patients and new trainings" if (table["trainings"] > 1).all() else "new patients, but of an arm trained once for this model"
    caption = (
        "Gain in AUROC of the finetuned model with a reference over the single image, against the gain that was predicted for it from its "
        "images alone: from the correlation of query and reference at the lesion and the leak (T1, T13), and from the best linear observer "
        f"of both images, each at the model's own separation on the single image. Bars: 95 % intervals, observed for {who}, predicted "
        "from those of the correlation and of the observers' gain. Small hollow markers: the gain over an arm that shows the query twice. "
        "On the dashed line the model gained what was predicted."
    )
    with style.house_style():
        save_figure(
            draw_bridge(table, title), table.drop(columns=["observer_note", "observed_reason"]), "bridge", out / "figures", title=title,
            caption=caption, claim="C1, C4", seed=seed, config_hash=begun_before(out)["config_hash"], sources=[out / "bridge.csv"],
            modules=[sys.modules[__name__], style],
        )  # fmt: skip
