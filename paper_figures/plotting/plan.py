"""The figure of a plan: the expected gains with their intervals, and the power against the number of patients."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_figures.number_format import short
from paper_figures.plotting import style
from paper_figures.plotting.style import BLUE, GREEN, INK, MUTED, ORANGE, WIDE, note

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from theory.power.outcome import PlanReport

TITLE = "What the reference is expected to add, and the patients that show it"
MEASURES = {"auc": (BLUE, "AUROC"), "sensitivity": (GREEN, "sensitivity"), "accuracy": (ORANGE, "accuracy")}
CURVE_POINTS = 200


def plan_table(outcome: PlanReport) -> pd.DataFrame:
    """Every number that the figure shows.

    Rows of ``kind`` gain have ``measure, gain, gain_low, gain_high, needed`` (patients), those of ``kind`` power ``measure, patients,
    power``.
    """
    import pandas as pd

    from theory.power.analysis import power_curve

    rows = [
        {"kind": "gain", "measure": name, "gain": found.gain, "gain_low": found.gain_interval[0], "gain_high": found.gain_interval[1],
         "needed": found.patients}
        for name, found in outcome.expected.items()
    ]  # fmt: skip
    finite = [found.patients for found in outcome.expected.values() if np.isfinite(found.patients)]
    sizes = np.unique(np.geomspace(10, 3 * max([*finite, 100.0]), CURVE_POINTS).round())
    best, study = outcome.evidence.separations, outcome.design
    curves = [
        pd.DataFrame({"kind": "power", "measure": name, "patients": sizes, "power": power_curve(name, best, study, sizes)})
        for name, found in outcome.expected.items()
        if np.isfinite(found.patients)
    ]
    return pd.concat([pd.DataFrame(rows), *curves], ignore_index=True)


def save_plan(outcome: PlanReport, folder: Path, seed: int) -> Path:
    """Draw the figure into a folder and return ``plan.png``; PDF and CSV are beside it."""
    from paper_figures.plotting.provenance import save_figure
    from see_in_pairs.files import content_hash

    data, study, first = plan_table(outcome), outcome.design, next(iter(outcome.expected.values()))
    caption = (
        f"Left: expected gain of the pair over the single image, with 95 % intervals ({first.interval_method}). "
        f"Right: power of a paired study against its patients, at two-sided {study.alpha:g}, prevalence {study.prevalence:g}, "
        f"{study.images_per_patient:.3g} image(s) per patient, design effect {study.design_effect:.3g}; "
        "AUROC by DeLong's test, the others by McNemar's."
    )
    with style.house_style():
        return save_figure(
            draw(data, outcome), data, "plan", folder, title=TITLE, caption=caption, claim="C2", seed=seed,
            config_hash=content_hash(outcome.inputs), sources=(), modules=[sys.modules[__name__], style],
        )  # fmt: skip


def draw(data: pd.DataFrame, outcome: PlanReport) -> Figure:
    """Draw the gains on the left, the power on the right."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=WIDE)
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.35])
    _gains(left, data[data["kind"] == "gain"])
    _power(right, data, outcome.design.power)
    style.heading(figure, TITLE)
    return figure


def _gains(axes: Axes, rows: pd.DataFrame) -> None:
    records: list[dict[str, Any]] = rows.to_dict("records")  # type: ignore[assignment]
    for height, row in enumerate(records):
        colour, _ = MEASURES[row["measure"]]
        axes.plot([row["gain_low"], row["gain_high"]], [height, height], color=colour, lw=3.2, solid_capstyle="round")
        axes.plot([row["gain"]], [height], "o", ms=10, color=colour, mec="white")
        axes.annotate(short(row["gain"], 3), (row["gain"], height), (0, 9), textcoords="offset points", ha="center", fontsize=13)
    axes.axvline(0, color=MUTED, lw=1.4, ls=":")
    axes.set(
        yticks=range(len(rows)),
        yticklabels=[MEASURES[name][1] for name in rows["measure"]],
        ylim=(len(rows) - 0.5, -0.6),
        xlabel="expected gain",
    )
    axes.grid(axis="y", visible=False)
    axes.margins(x=0.18)


def _power(axes: Axes, data: pd.DataFrame, target: float) -> None:
    axes.axhline(target, color=MUTED, lw=1.4, ls=":")
    axes.set(xlabel="patients", ylabel="power", ylim=(0, 1.02))
    curves = data[data["kind"] == "power"]
    if curves.empty:
        note(axes, 0.5, 0.5, "no number of patients can be given", transform=axes.transAxes, ha="center", fontsize=14)
        return
    axes.set_xscale("log")
    for name, rows in curves.groupby("measure", sort=False):
        colour, label = MEASURES[str(name)]
        needed = float(data.loc[(data["kind"] == "gain") & (data["measure"] == name), "needed"].iloc[0])
        axes.plot(rows["patients"], rows["power"], color=colour, label=f"{label}: {needed:,.0f} patients")
        axes.plot([needed], [target], "o", ms=10, color=colour, mec="white", zorder=4)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.legend(loc="lower right", title=f"for {target:.0%} power", title_fontsize=13, labelcolor=INK)
