"""The gain that theory predicts from the phantom's covariances, beside the gain that the models show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from paper_figures.figures.figure_data import FigureData
from paper_figures.plotting.style import BLUE, GREEN, INK, MUTED, POINTS, RED, note
from paper_figures.results.estimates import auroc_of, da_of
from paper_figures.results.ideal_observer import run_detectability
from paper_figures.results.predicted_gain import gain_table, paired_runs, scaled_gain

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from paper_figures.results.runs import RunResults

TITLE = "Predicted and observed gain of a reference"
CLAIM = "C1, C3"
GRID = np.linspace(0, 0.97, 98)


def collect(results: RunResults, seed: int) -> FigureData:
    """Compute the predicted curves over rho and estimate the gains that the models show.

    The data has rows of ``kind`` ideal, scaled, log_ratio_ideal, log_ratio_difference (curves), observed or log_ratio (points), with
    ``rho, value, low, high, run_id``.
    """
    import pandas as pd

    bridge = gain_table(results)
    points = [
        bridge[["rho", "run_id"]].assign(kind=kind, value=bridge[kind], low=bridge[f"{kind}_low"], high=bridge[f"{kind}_high"])
        for kind in ("observed", "log_ratio")
    ]
    trained, trainings = sorted({f"{rho:g}" for rho in bridge["trained_rho"].dropna()}), int(bridge["trainings"].min())
    caption = (
        f"Left: gain in AUROC of the finetuned pair models over the single image ({bridge['patients'].iloc[0]} patients, "
        f"{trainings} training(s) an arm; bars: 95 % intervals) against the correlation ρ of query and reference. The models were "
        f"trained on pairs with ρ = {', '.join(trained)} and shown pairs of each ρ. Green: the ideal observer, from the "
        "phantom's true covariances. Blue band: what T1 predicts for a model that uses the pair as well as it uses the single image (its "
        "own d_a on the single image over √(1 − ρ²), 95 % interval). Right: the separation ratio log Γ = 2 log(d_a pair / d_a single), "
        "d_a by ranks, against −log(1 − ρ²) of the optimal comparison and −log 2(1 − ρ) of the plain difference. A point below a curve: "
        "the model uses the reference less well than that; above the ideal gain: its single image stays below its own ideal."
    )
    truths = sorted({path for run in paired_runs(results)[1] if (path := results.truth_path(run))})
    data = pd.concat([*_curves(results), *points], ignore_index=True)
    return FigureData(data, caption, (*results.records_sources, *truths))


def _curves(results: RunResults) -> list[pd.DataFrame]:
    import pandas as pd

    single, pairs = paired_runs(results)
    limits = run_detectability(results, pairs[-1])
    area = auroc_of(results.scores(single))
    separations = da_of(np.clip([area.value, area.low, area.high], 0, 1 - 1e-9))
    curves = {
        "log_ratio_ideal": [-np.log1p(-(GRID**2))] * 3,
        "log_ratio_difference": [-np.log(2 * (1 - GRID))] * 3,
        "scaled": [np.array([float(scaled_gain(np.array([d]), rho)[0]) for rho in GRID]) for d in separations],
    }
    if limits is not None:
        curves["ideal"] = [np.array([float(scaled_gain(np.array([limits.single]), rho)[0]) for rho in GRID])] * 3
    return [
        pd.DataFrame(
            {"kind": kind, "rho": GRID, "value": value, "low": np.minimum(first, second), "high": np.maximum(first, second), "run_id": ""}
        )
        for kind, (value, first, second) in curves.items()
    ]


def draw(figure_data: FigureData, results: RunResults) -> Figure:
    """Draw the gain on the left, the separation ratio on the right."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13.2, 5.9))
    left, right = figure.subplots(1, 2)
    kinds = dict(tuple(figure_data.data.groupby("kind")))
    if "ideal" in kinds:
        _curve(left, kinds["ideal"], GREEN, "ideal observer")
    _curve(left, kinds["scaled"], BLUE, "same use of the pair as of the single image", band=True, dashed=True)
    _points(left, kinds["observed"], "observed, 95 % interval")
    left.set(xlabel="correlation ρ of query and reference", ylabel="gain in AUROC over the single image", xlim=(-0.03, 1))
    _curve(right, kinds["log_ratio_ideal"], GREEN, "optimal comparison: 1/(1 − ρ²)")
    _curve(right, kinds["log_ratio_difference"], RED, "plain difference: 1/2(1 − ρ)", dashed=True)
    _points(right, kinds["log_ratio"], "observed, 95 % interval")
    right.set(xlabel="correlation ρ of query and reference", ylabel="log separation ratio  log Γ", xlim=(-0.03, 1))
    for axes in (left, right):
        axes.axhline(0, color=MUTED, lw=1.2, ls=":")
        axes.legend(loc="upper left")
        low, high = axes.get_ylim()
        axes.set_ylim(low, high + 0.18 * (high - low))  # space for the legend
    return figure


def _curve(axes: Axes, rows: pd.DataFrame, colour: str, label: str, band: bool = False, dashed: bool = False) -> None:
    axes.plot(rows["rho"], rows["value"], color=colour, label=label, ls="--" if dashed else "-", zorder=3)
    if band:
        axes.fill_between(rows["rho"], rows["low"], rows["high"], color=colour, alpha=0.18, lw=0, zorder=2)


def _points(axes: Axes, rows: pd.DataFrame, label: str) -> None:
    finite = rows[np.isfinite(rows["value"])]
    if finite.empty:
        note(axes, 0.5, 0.5, "not defined: an arm does not\nseparate the classes", ha="center", transform=axes.transAxes)
        return
    errors = np.abs(np.vstack([finite["value"] - finite["low"], finite["high"] - finite["value"]]))
    errors = np.where(np.isfinite(errors), errors, 1e3)  # an unbounded end leaves the plot
    limits = axes.get_ylim()
    axes.errorbar(finite["rho"], finite["value"], errors, color=INK, label=label, **POINTS)
    low, high = (finite[end].where(np.isfinite(finite[end]), finite["value"]) for end in ("low", "high"))
    axes.set_ylim(min(limits[0], 1.1 * low.min()), max(limits[1], 1.05 * high.max()))
    for row in finite[finite["rho"] == 0].to_dict("records"):
        axes.annotate("random", (0, row["value"]), (9, 12), textcoords="offset points", fontsize=12, color=MUTED)
