"""Equal pixel correlation, unequal gain: the shared components of query and reference matter, not the similarity of their pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from paper_figures.figures.auroc_by_arm import run_row
from paper_figures.figures.figure_data import FigureData
from paper_figures.plotting.style import COLOURS, INK, LOOKS, MUTED, POINTS
from paper_figures.results.ideal_observer import pixel_correlation, run_detectability
from paper_figures.results.predicted_gain import scaled_gain
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from paper_figures.results.runs import Run, RunResults

TITLE = "Equal pixel correlation, unequal gain"
CLAIM = "C1, C4"
GRID = np.linspace(0, 0.97, 98)


def collect(results: RunResults, seed: int) -> FigureData:
    """Pair the gain of every model finetuned on pairs with the pixel correlation of its query and reference.

    The data has rows of ``kind`` curve (T1, if only pixels mattered) or point, with ``pixel_correlation, gain, low, high, ideal,
    label``.
    """
    import pandas as pd

    known = ("demographic", "random")  # the phantom's truth gives the correlation of relatives and of strangers, not of other choices
    pairs = [run for run in results.runs if run.arm == run.train_arm == "pair" and run.strategy in known]
    runs = [run for run in pairs if results.truth_path(run) is not None]
    if not runs:
        raise InputError(f"{results.records_folder}: no model finetuned on pairs of a phantom; run 'see-in-pairs reproduce'")
    points = pd.DataFrame([_point(results, run) for run in runs]).sort_values("pixel_correlation", ignore_index=True)
    limits = run_detectability(results, runs[0])
    separation = np.array([np.nan if limits is None else limits.single])
    curve = pd.DataFrame({"kind": "curve", "pixel_correlation": GRID, "gain": [float(scaled_gain(separation, rho)[0]) for rho in GRID]})
    caption = (
        "Gain in AUROC of models finetuned on pairs over the single image, by what they were shown (bars: 95 % intervals), and of the "
        "ideal observer (diamonds, from the phantom's true covariances, T1b), against the correlation of single pixels of query and "
        "reference. The curve is what T1 would give if that correlation were the ρ of everything. It holds where relatives share every "
        "component alike; where they share some components only, it does not."
    )
    truths = sorted({path for run in runs if (path := results.truth_path(run)) is not None})
    subtitle = f"Models finetuned on pairs of the phantom, {points['patients'].max():,} test patients; bars: 95 % intervals"
    return FigureData(pd.concat([curve, points], ignore_index=True), caption, (*results.records_sources, *truths), subtitle)


def _point(results: RunResults, run: Run) -> dict[str, Any]:
    from empirical.cohorts.phantom import PhantomTruth

    row, path = run_row(results, run), results.truth_path(run)
    shared = 0.0 if run.strategy == "random" or path is None else pixel_correlation(PhantomTruth.load(path))
    gains = {"gain": row["gain"], "low": row["gain_low"], "high": row["gain_high"], "ideal": row["ideal_gain"]}
    return {"kind": "point", "run_id": run.run_id, "label": row["label"], "pixel_correlation": shared, "patients": row["patients"]} | gains


def draw(figure_data: FigureData, results: RunResults) -> Figure:
    """Draw it."""
    from matplotlib.figure import Figure

    kinds = dict(tuple(figure_data.data.groupby("kind")))
    figure = Figure(figsize=(11.0, 6.9))
    axes = figure.subplots()
    curve, points = kinds["curve"], kinds["point"]
    axes.plot(curve["pixel_correlation"], curve["gain"], color=INK, ls="--", label="T1, were pixels all that counts", zorder=2)
    errors = np.nan_to_num(np.abs(np.vstack([points["gain"] - points["low"], points["high"] - points["gain"]])))
    for name, some in (("pair", points["pixel_correlation"] != 0), ("random", points["pixel_correlation"] == 0)):
        look, rows = LOOKS[name], points[some]
        label = {"pair": "model, pair with a relative", "random": "model, pair with a stranger (random)"}[name]
        axes.errorbar(
            rows["pixel_correlation"], rows["gain"], errors[:, some], color=look.colour, label=label, **POINTS | {"fmt": look.marker}
        )
    axes.plot(
        points["pixel_correlation"], points["ideal"], "D", ms=10, mfc="none", mec=COLOURS["ideal"], mew=2.2, label="ideal observer (T1b)",
        zorder=5,
    )  # fmt: skip
    places = points["pixel_correlation"].to_numpy(dtype=float)
    for row in points[np.isfinite(points["gain"]) & (points["pixel_correlation"] > 0)].to_dict("records"):
        crowded = any(0 < place - row["pixel_correlation"] < 0.3 for place in places)  # a neighbour to the right: write on the left
        text: Any = {"textcoords": "offset points", "fontsize": 13, "color": INK, "va": "center", "ha": "right" if crowded else "left"}
        words = str(row["label"]).removeprefix("pair, ")
        axes.annotate(words, (row["pixel_correlation"], row["gain"]), (-12 if crowded else 12, 0), **text)
    axes.axhline(0, color=MUTED, lw=1.4, ls=":", label="no gain")
    axes.set(xlabel="correlation of the pixels of query and reference", ylabel="gain in AUROC over the single image", xlim=(-0.04, 1.06))
    figure.legend(loc="outside lower left", ncols=3, columnspacing=1.4)
    return figure
