"""AUROC of every run with its interval, the gain over the single image beside it, and what an ideal observer would reach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from paper_figures.figures.figure_data import FigureData
from paper_figures.plotting.style import COLOURS, INK, MUTED, note, short
from paper_figures.results.estimates import auroc_difference, aurocs
from paper_figures.results.predicted_gain import ObserverLimits, cohort_limits, scaled_gain

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from paper_figures.results.runs import Run, RunResults

TITLE = "AUROC by arm, and the gain over the single image"
CLAIM = "C2, C3"
LABELS = {
    "single": "single image", "duplicate": "duplicate (query twice)", "blank": "gray image as reference", "noise": "noise as reference",
    "fixed": "one reference for all", "diseased": "diseased reference", "wrong_modality": "reference of another kind",
    "reversed": "pair, query first", "unlabelled": "pair, not said healthy", "text": "comparing words, no image",
}  # fmt: skip
GROUPS = ("off the shelf", "finetuned on its own arm", "finetuned on pairs, shown something else")


def collect(results: RunResults, seed: int) -> FigureData:
    """Estimate AUROC and gain of every run.

    Returns one row per run: ``run_id, group, label, auroc, low, high, against, gain, gain_low, gain_high, gain_p, items, positives,
    patients, failed, ideal, ideal_gain``.
    """
    import pandas as pd

    data = pd.DataFrame([run_row(results, run) for run in results.runs])
    data = data.sort_values("group", key=lambda column: column.map(GROUPS.index), kind="stable", ignore_index=True)
    first = data.iloc[0]
    caption = (
        f"Area under the ROC curve on the same {first['items']} test items of {first['patients']} patients (left), and its "
        "difference from the single-image "
        "arm at the same stage of training (right), with 95 % intervals (DeLong, clustered by patient; each trained model as it stands, "
        "training variability not included). Green marks: the ideal observer who knows all covariances and the lesion's place."
    )
    return FigureData(data, caption, tuple(results.records_sources))


def run_row(results: RunResults, run: Run) -> dict[str, Any]:
    """Estimate AUROC and gain of one run.

    Returns A row as `collect` lists it; ``against`` and the gain are empty for the single arms themselves and where there is none.
    """
    scores, limits = results.scores(run), cohort_limits(results, run)
    found = aurocs([scores])[0]
    baseline = results.find(arm="single", train_arm="" if run.off_the_shelf else "single")
    row: dict[str, Any] = {"run_id": run.run_id, "arm": run.arm, "group": _group(run), "label": run_label(run)}
    row |= {"auroc": found.value, "low": found.low, "high": found.high, "items": found.items, "positives": int(scores.positive.sum())}
    row |= {"patients": found.patients, "failed": scores.failed, "n_train": run.n_train}
    ideal_gain = np.nan if limits is None else _ideal_gain(limits, run)
    row |= {"ideal": np.nan if limits is None else limits.auc("single") + ideal_gain, "ideal_gain": ideal_gain}
    row |= dict.fromkeys(("gain", "gain_low", "gain_high", "gain_p"), np.nan) | {"against": ""}
    if baseline is not None and baseline != run:
        gain = auroc_difference(*results.aligned([run, baseline]))
        row |= {"against": baseline.run_id, "gain": gain.value, "gain_low": gain.low, "gain_high": gain.high, "gain_p": gain.p}
    return row


def _group(run: Run) -> str:
    return GROUPS[0] if run.off_the_shelf else GROUPS[1] if run.own_arm else GROUPS[2]


def run_label(run: Run) -> str:
    """Name a run for a person.

    Returns for example ``'pair, ρ = 0.9'``.
    """
    if run.arm == "pair" and run.strategy == "random":
        return "pair, random reference"
    if run.series:
        return f"{run.arm}, only the {run.series} shared"
    if run.arm in ("pair", "multi"):
        return (
            f"{run.arm}, {run.strategy.replace('_', '-')} reference"
            if run.evaluated_rho is None
            else f"{run.arm}, ρ = {run.evaluated_rho:g}"
        )
    return LABELS.get(run.arm, run.arm)


def _ideal_gain(limits: ObserverLimits, run: Run) -> float:
    if run.series:
        return limits.gain
    if run.strategy == "embedding":
        return float("nan")  # what is retrieved is a relative now and then: how alike in truth, the cohort does not say
    return float(scaled_gain(np.array([limits.single]), run.evaluated_rho or 0.0)[0])


def draw(material: FigureData, results: RunResults) -> Figure:
    """Draw it.

    Returns two panels that share their rows.
    """
    from matplotlib.figure import Figure

    rows = material.data
    places = _places(rows)
    figure = Figure(figsize=(12.4, 1.9 + 0.52 * (max(places) + 1)))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[1.15, 1])
    records: list[dict[str, Any]] = rows.to_dict("records")  # type: ignore[assignment]
    for place, row in zip(places, records, strict=True):
        _bar(left, place, row, ("auroc", "low", "high"), row["ideal"])
        _bar(right, place, row, ("gain", "gain_low", "gain_high"), row["ideal_gain"] if row["against"] else np.nan)
    _headings(left, rows, places)
    left.axvline(0.5, color=MUTED, lw=1.2, ls=":")
    right.axvline(0, color=MUTED, lw=1.2, ls=":")
    left.set(xlabel="AUROC (dotted: chance)", yticks=places, yticklabels=list(rows["label"]), ylim=(max(places) + 0.6, -1.3))
    right.set(xlabel="gain in AUROC over the single image")
    for axes in (left, right):
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.margins(x=0.14)
    _legend(figure, left)
    figure.suptitle(f"{TITLE}  [{CLAIM}]", x=0.01, ha="left", fontsize=16, fontweight="bold")
    return figure


def _places(rows: pd.DataFrame) -> list[float]:
    """Give each row its height, with room for a heading before each group."""
    places, height, before = [], -1.0, None
    for group in rows["group"]:
        height += 1.0 if group == before or before is None else 2.0
        places.append(height)
        before = group
    return places


def _bar(axes: Axes, place: float, row: dict[str, Any], columns: tuple[str, str, str], ideal: float) -> None:
    value, low, high = (row[name] for name in columns)
    colour = COLOURS.get(row["arm"], INK) if row["group"] == GROUPS[1] else MUTED
    if np.isfinite(value):
        axes.plot([low, high], [place, place], color=colour, lw=3.2, solid_capstyle="round", zorder=3)
        axes.plot([value], [place], "o", ms=9, color=colour, mec="white", zorder=4)
        axes.annotate(short(value), (value, place), (0, 7), textcoords="offset points", ha="center", fontsize=11.5, color=INK)
    if np.isfinite(ideal):
        axes.plot([ideal], [place], "D", ms=9, mfc="none", mec=COLOURS["ideal"], mew=2.2, zorder=5)


def _headings(axes: Axes, rows: pd.DataFrame, places: list[float]) -> None:
    first = dict(zip(reversed(list(rows["group"])), reversed(places), strict=True))
    for group, place in first.items():
        note(axes, 0, place - 0.85, group, fontsize=12.5, style="italic", va="center", transform=axes.get_yaxis_transform())


def _legend(figure: Figure, axes: Axes) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=INK, marker="o", lw=3.2, ms=9, mec="white", label="model, 95 % interval"),
        Line2D([], [], color=COLOURS["ideal"], marker="D", ls="", ms=9, mfc="none", mew=2.2, label="ideal observer"),
    ]
    figure.legend(handles=handles, loc="outside lower right", ncols=2)
