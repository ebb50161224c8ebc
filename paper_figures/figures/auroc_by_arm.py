"""AUROC of every run with its interval, the gain over the single image beside it, and the values of an ideal observer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from paper_figures.figures.figure_data import FigureData
from paper_figures.number_format import DIGITS, short
from paper_figures.plotting.style import COLOURS, INK, LOOKS, note
from paper_figures.results.estimates import FEWEST_TRAININGS, auroc_difference, auroc_of
from paper_figures.results.ideal_observer import IdealDetectability, run_detectability
from paper_figures.results.predicted_gain import above_ideal, scaled_gain

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from paper_figures.results.runs import Run, RunResults

TITLE = "AUROC by arm, and the gain over the single image"
CLAIM = "C2, C3"
GROUPS = ("off the shelf", "finetuned on its own arm", "finetuned on pairs, shown something else")


def collect(results: RunResults, seed: int) -> FigureData:
    """Estimate AUROC and gain of every run: the rows of `run_row`, in the order of `GROUPS`."""
    import pandas as pd

    data = pd.DataFrame([run_row(results, run) for run in results.runs])
    data = data.sort_values("group", key=lambda column: column.map(GROUPS.index), kind="stable", ignore_index=True)
    first = data.iloc[0]
    caption = (
        f"Area under the ROC curve on the same {first['items']} test items of {first['patients']} patients (left), and its difference "
        f"from the single-image arm at the same stage of training (right), with 95 % intervals; {_scope(data)}. Green marks: the ideal "
        "observer who knows all covariances and the lesion's place. Where the single-image models stay below their own ideal, a gain may "
        "be larger than the ideal one: compare the areas."
    )
    return FigureData(data, caption, tuple(results.records_sources), subtitle(data))


def subtitle(data: pd.DataFrame) -> str:
    """Items, patients and trainings."""
    first, trained = data.iloc[0], sorted({int(number) for number in data["trainings"] if number})
    each = f"; {' or '.join(map(str, trained))} training{'' if trained == [1] else 's'} an arm" if trained else ""
    return f"{first['items']:,} test items of {first['patients']:,} patients{each}; bars: 95 % intervals"


def _scope(data: pd.DataFrame) -> str:
    """Which patients and trainings the intervals are for."""
    trained = data.loc[data["trainings"] > 0, "trainings"]
    if trained.empty or trained.min() < FEWEST_TRAININGS:
        return "an arm has one model or two, so that they hold for new patients of these models, not for new trainings"
    return f"they hold for new patients and new trainings ({trained.min():g} an arm)"


def run_row(results: RunResults, run: Run) -> dict[str, Any]:
    """Estimate AUROC and gain of one run.

    Returns ``run_id, arm, group, label, auroc, low, high, items, positives, patients, trainings, failed, n_train, ideal, ideal_gain, flag,
    gain, gain_low, gain_high, gain_p, against``. The gain is over the run ``against``; empty for the single arms themselves, or where
    there is none. ``flag`` marks an area above the ideal observer's by more than its interval.
    """
    scores, limits = results.scores(run), run_detectability(results, run)
    found = auroc_of(scores)
    baseline = results.find(arm="single", train_arm="" if run.off_the_shelf else "single")
    row: dict[str, Any] = {"run_id": run.run_id, "arm": run.arm, "group": _group(run), "label": run_label(run)}
    row |= {"auroc": found.value, "low": found.low, "high": found.high, "items": found.items, "positives": int(scores.positive.sum())}
    row |= {"patients": found.patients, "trainings": scores.trainings, "failed": scores.failed, "n_train": run.n_train}
    ideal_gain = np.nan if limits is None else _ideal_gain(limits, run)
    row |= {"ideal": np.nan if limits is None else limits.auc("single") + ideal_gain, "ideal_gain": ideal_gain}
    row |= {"flag": above_ideal(results, scores)}
    row |= dict.fromkeys(("gain", "gain_low", "gain_high", "gain_p"), np.nan) | {"against": ""}
    if baseline is not None and baseline != run:
        gain = auroc_difference(*results.aligned([run, baseline]))
        row |= {"against": baseline.run_id, "gain": gain.value, "gain_low": gain.low, "gain_high": gain.high, "gain_p": gain.p}
    return row


def _group(run: Run) -> str:
    return GROUPS[0] if run.off_the_shelf else GROUPS[1] if run.own_arm else GROUPS[2]


def run_label(run: Run) -> str:
    """Name a run in words, as in ``'pair, ρ = 0.9'``."""
    if run.arm == "pair" and run.strategy == "random":
        return LOOKS["random"].label
    if run.series:
        return f"{run.arm}, only the {run.series} shared"
    if run.arm in ("pair", "multi"):
        known = run.evaluated_rho is not None
        return f"{run.arm}, ρ = {run.evaluated_rho:g}" if known else f"{run.arm}, {run.strategy.replace('_', '-')} reference"
    return LOOKS[run.arm].label if run.arm in LOOKS else run.arm


def _ideal_gain(limits: IdealDetectability, run: Run) -> float:
    if run.series:
        return limits.gain
    if run.arm == "reference_only":
        return 0.5 - limits.auc("single")  # a healthy reference alone tells nothing about the query's class
    if run.strategy == "embedding":
        return float("nan")  # an embedding sometimes retrieves a relative; the similarity of those pairs is not known
    return float(scaled_gain(np.array([limits.single]), run.evaluated_rho or 0.0)[0])


def draw(figure_data: FigureData, results: RunResults) -> Figure:
    """Draw AUROC on the left, the gain on the right; a row is a run."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    rows = figure_data.data
    heights = _heights(rows)
    figure = Figure(figsize=(12.4, 2.4 + 0.56 * (max(heights) + 1)))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[1.15, 1])
    records: list[dict[str, Any]] = rows.to_dict("records")  # type: ignore[assignment]
    for height, row in zip(heights, records, strict=True):
        draw_interval(left, height, row, ("auroc", "low", "high"), row["ideal"])
        draw_interval(right, height, row, ("gain", "gain_low", "gain_high"), row["ideal_gain"] if row["against"] else np.nan)
    for group in rows["group"].unique():
        first = heights[list(rows["group"]).index(group)]
        note(left, 0, first - 0.85, group, fontsize=12.5, style="italic", va="center", transform=left.get_yaxis_transform())
    left.axvline(0.5, color=INK, lw=1.4, ls=":")
    right.axvline(0, color=INK, lw=1.4, ls=":")
    left.set(xlabel="AUROC", yticks=heights, yticklabels=list(rows["label"]), ylim=(max(heights) + 0.6, -1.3))
    right.set(xlabel="gain in AUROC over the single image")
    for axes in (left, right):
        axes.tick_params(axis="y", length=0)
        axes.locator_params(axis="x", nbins=6)
        axes.spines["left"].set_visible(False)
        axes.margins(x=0.14)
    handles = [
        Line2D([], [], color=INK, marker="o", lw=3.2, ms=9, mec="white", label="model, 95 % interval (a colour and marker for each arm)"),
        Line2D([], [], color=COLOURS["ideal"], marker="D", ls="", ms=9, mfc="none", mew=2.2, label="ideal observer"),
        Line2D([], [], color=INK, lw=1.4, ls=":", label="chance; no gain"),
    ]
    figure.legend(handles=handles, loc="outside lower right", ncols=3, columnspacing=1.2)
    return figure


def _heights(rows: pd.DataFrame) -> list[float]:
    """Heights of the rows, with space for a heading before each group."""
    return list(np.arange(len(rows)) + (rows["group"] != rows["group"].shift()).cumsum() - 1.0)


def draw_interval(axes: Axes, height: float, row: dict[str, Any], columns: tuple[str, str, str], ideal: float) -> None:
    """Draw an estimate of an arm with its interval, and that of an ideal observer, if any."""
    value, low, high = (row[name] for name in columns)
    # Of two runs of the arm 'pair' the words of the label say which strategy chose the reference.
    look = row.get("look") or {known.label: known for known in LOOKS.values()}.get(row["label"], LOOKS.get(row["arm"], LOOKS["single"]))
    if np.isfinite(value):
        axes.plot([low, high], [height, height], color=look.colour, lw=3.2, solid_capstyle="round", zorder=3)
        axes.plot([value], [height], look.marker, ms=10, color=look.colour, mec="white", zorder=4)
        note(axes, value, height - 0.2, short(value, DIGITS), INK, ha="center", va="bottom", fontsize=12)
    if np.isfinite(ideal):
        axes.plot([ideal], [height], "D", ms=9, mfc="none", mec=COLOURS["ideal"], mew=2.2, zorder=5)
