"""The gain that theory predicts from the phantom's covariances, compared with the gain of the models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from paper_figures.figures.figure_data import FigureData
from paper_figures.plotting.style import COLOURS, INK, LOOKS, MUTED, POINTS, note
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
    each = f"{trainings} training{'' if trainings == 1 else 's'} an arm"
    caption = (
        f"Left: gain in AUROC of the finetuned pair models over the single image ({bridge['patients'].iloc[0]} patients, "
        f"{each}; bars: 95 % intervals) against the correlation ρ of query and reference. The models were "
        f"trained on pairs with ρ = {', '.join(trained)} and shown pairs of each ρ. Green: the ideal observer, from the "
        "phantom's true covariances. Black, dashed: what T1 predicts for a model that uses the pair as well as it uses the single image "
        "(its own separation on the single image over √(1 − ρ²), with 95 % interval). Right: how much further apart the two classes' "
        "scores lie with the pair: d_a of the pair over d_a of the single image, by ranks, on a logarithmic axis, against 1/√(1 − ρ²) "
        "of the optimal comparison and 1/√(2(1 − ρ)) of the plain difference; the data give twice the logarithm of this ratio. A point "
        "below a curve: the model uses the reference less well than that; above the ideal gain: its single image stays below its own ideal."
    )
    truths = sorted({path for run in paired_runs(results)[1] if (path := results.truth_path(run))})
    data = pd.concat([*_curves(results), *points], ignore_index=True)
    return FigureData(data, caption, (*results.records_sources, *truths), subtitle(int(bridge["patients"].iloc[0]), trainings))


def subtitle(patients: int, trainings: int) -> str:
    """Patients and trainings."""
    each = f"{trainings} training{'' if trainings == 1 else 's'} an arm"
    return f"Models finetuned on the phantom: {each}, {patients:,} test patients; bars and band: 95 % intervals"


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
    """Draw the gain on the left, the ratio of separations on the right."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13.2, 6.9))
    left, right = figure.subplots(1, 2)
    kinds = {str(kind): rows for kind, rows in figure_data.data.groupby("kind")}
    if "ideal" in kinds:
        _curve(left, kinds["ideal"], COLOURS["ideal"], "ideal observer (right: optimal comparison)")
    _curve(left, kinds["scaled"], INK, "T1: the pair used as well as the single image", band=True, dashed=True)
    _points(left, kinds["observed"])
    left.set(xlabel="correlation ρ of query and reference", ylabel="gain in AUROC over the single image", xlim=(-0.03, 1))
    # The data hold log Γ = 2 log ratio, in which the test of the excess is made; the ratio itself is what a reader can picture.
    ratios = {kind: rows.copy() for kind, rows in kinds.items() if kind.startswith("log_")}
    for rows in ratios.values():
        rows[["value", "low", "high"]] = np.exp(rows[["value", "low", "high"]] / 2)
    _curve(right, ratios["log_ratio_ideal"], COLOURS["ideal"], "")
    _curve(right, ratios["log_ratio_difference"], COLOURS["difference"], "plain difference", dashed=True)
    right.set(xlabel="correlation ρ of query and reference", ylabel="separation of the classes: pair / single image", xlim=(-0.03, 1))
    right.set_yscale("log", base=2)
    _points(right, ratios["log_ratio"])
    right.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    left.axhline(0, color=MUTED, lw=1.4, ls=":")
    right.axhline(1, color=MUTED, lw=1.4, ls=":", label="no gain")
    found = [axes.get_legend_handles_labels() for axes in (left, right)]
    named = {label: handle for handles, labels in reversed(found) for handle, label in zip(handles, labels, strict=True)}
    figure.legend(named.values(), named.keys(), loc="outside lower left", ncols=3, columnspacing=1.4)
    return figure


def _curve(axes: Axes, rows: pd.DataFrame, colour: str, label: str, band: bool = False, dashed: bool = False) -> None:
    axes.plot(rows["rho"], rows["value"], color=colour, label=label, ls="--" if dashed else "-", zorder=3)
    if band:
        axes.fill_between(rows["rho"], rows["low"], rows["high"], color=colour, alpha=0.12, lw=0, zorder=2)


def _points(axes: Axes, rows: pd.DataFrame) -> None:
    finite = rows[np.isfinite(rows["value"])]
    if finite.empty:
        note(axes, 0.5, 0.5, "not defined: an arm does not\nseparate the classes", ha="center", transform=axes.transAxes)
        return
    limits, far = axes.get_ylim(), 1e3  # an unbounded end leaves the plot
    errors = np.abs(np.vstack([finite["value"] - finite["low"], finite["high"] - finite["value"]]))
    errors = np.where(np.isfinite(errors), errors, far)
    if axes.get_yscale() == "log":
        errors[0] = np.minimum(errors[0], finite["value"] * (1 - 1 / far))
    for name, some in (("pair", finite["rho"] != 0), ("random", finite["rho"] == 0)):
        look, label = LOOKS[name], {"pair": "pair with a relative, observed", "random": "pair with a stranger (random), observed"}[name]
        if some.any():
            axes.errorbar(
                finite["rho"][some], finite["value"][some], errors[:, some], color=look.colour, label=label, **POINTS | {"fmt": look.marker}
            )
    low, high = (finite[end].where(np.isfinite(finite[end]), finite["value"]) for end in ("low", "high"))
    if axes.get_yscale() == "log":
        axes.set_ylim(min(limits[0], 0.9 * low[low > 0].min()), max(limits[1], 1.1 * high.max()))
    else:
        axes.set_ylim(min(limits[0], 1.1 * low.min()), max(limits[1], 1.05 * high.max()))
