"""The phase diagram: where comparing lowers the error, over the correlation, the references, the training cases and the features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from paper_figures.figures.figure_data import FigureData
from paper_figures.plotting.style import INK, note

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.contour import QuadContourSet
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from paper_figures.results.runs import RunResults

    Floats = NDArray[np.float64]

TITLE = "When comparing helps: share what varies, and have the cases to learn it"
CLAIM = "C1, C4, C5"
D = 1.0
FEATURES = (5, 50)
RHOS = np.linspace(0.0, 0.9, 46)
REFERENCES = np.array([1, 2, 3, 4, 6, 8, 12, 16, 24, 32])
CASES = np.unique(np.geomspace(10, 10_000, 46).round().astype(int))
LEVELS = (-0.06, -0.03, -0.01, 0.0, 0.01, 0.03, 0.06, 0.1, 0.15, 0.25)
"""Values of the error saved at which the colour changes."""

HARM, HELP = ("#e08a63", "#f2bda2", "#fbe6db"), ("#eaf2f8", "#cfe2f0", "#a6cbe3", "#70acd2", "#3d89bf", "#14609c")


def collect(results: RunResults | None, seed: int) -> FigureData:
    """Compute the errors over both maps."""
    import pandas as pd

    data = pd.concat([_known(), *(_learned(p) for p in FEATURES)], ignore_index=True)
    caption = (
        f"Error of the single image minus error of the best comparison, effect d = {D:g}, equal priors. Left: all distributions known, m "
        "references that correlate by ρ with the query and each other (T2); the comparison weighs them optimally, and subtracting their "
        "mean helps only right of the dashed line. Middle and right: a linear discriminant is trained on n patients per class and p "
        "features, covariance estimated (T4.2, Raudys' form, on this map within .004 of the exact error). The "
        "comparison is the better of subtracting the reference and showing both images side by side, which changes at the dashed line. "
        "Solid line: no gain, no loss. At ρ = 0, a random reference, an observer who knows the population gains nothing, and one who has "
        "to learn it loses. Closed forms, no simulation error."
    )
    subtitle = f"Effect d = {D:g}, equal priors; blue: comparing lowers the error, red: it raises it; solid line: no difference"
    return FigureData(data, caption, subtitle=subtitle)


def _known() -> pd.DataFrame:
    """Errors over (rho, m) of rules that know the distributions (T1, T2)."""
    import pandas as pd

    from theory.statements import t1_univariate_rules as t1
    from theory.statements import t2_several_references as t2

    rho, m = (grid.ravel() for grid in np.meshgrid(RHOS, REFERENCES))
    single = np.broadcast_to(t1.error(D, 0.0, "single"), rho.shape)
    difference, best = (t2.error(D, rho, rho, m, rule) for rule in ("meandiff", "optimal"))
    named = {"panel": "known", "rho": rho, "m": m, "p": 1, "n_per_class": np.nan, "single": single, "difference": difference}
    return pd.DataFrame(named | {"comparison": best, "gain": single - best})


def _learned(p: int) -> pd.DataFrame:
    """Errors over (rho, n) of linear discriminants trained on n patients per class and p features (T4)."""
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for n in CASES:
        single = _trained(p, int(n), 0.0, "single")
        for rho in RHOS:
            difference, side_by_side = (_trained(p, int(n), float(rho), rep) for rep in ("difference", "concat"))
            gain = single - np.fmin(difference, side_by_side)
            rows.append({"panel": "learned", "rho": rho, "m": 1, "p": p, "n_per_class": n, "single": single, "difference": difference,
                         "comparison": side_by_side, "gain": gain})  # fmt: skip
    return pd.DataFrame(rows)


def _trained(p: int, n: int, rho: float, rep: str) -> float:
    from theory.statements.t4_learning_curves import raudys_error

    features = 2 * p if rep == "concat" else p
    return raudys_error(p, n, D**2, rho, rep, "pooled") if features < 2 * n - 2 else float("nan")


def draw(figure_data: FigureData, results: RunResults | None) -> Figure:
    """Draw three maps with one colour scale."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13.6, 6.7))
    panels = figure.subplots(1, 1 + len(FEATURES))
    data = figure_data.data
    filled = _map(panels[0], data[data["panel"] == "known"], "m")
    _annotate_known(panels[0])
    for axes, p in zip(panels[1:], FEATURES, strict=True):
        rows = data[(data["panel"] == "learned") & (data["p"] == p)]
        _map(axes, rows, "n_per_class")
        _annotate_learned(axes, rows, p)
    panels[2].set_ylabel("")
    bar = figure.colorbar(filled, ax=panels, label="error saved by comparing", pad=0.015, aspect=30, ticks=LEVELS, spacing="uniform")
    bar.ax.set_yticklabels([f"{level:+.2f}".replace("-", "−") if level else "0" for level in LEVELS])
    return figure


def _map(axes: Axes, rows: pd.DataFrame, y_column: str) -> QuadContourSet:
    gain = rows.pivot(index=y_column, columns="rho", values="gain").dropna()
    x, y, z = gain.columns.to_numpy(), gain.index.to_numpy(), gain.to_numpy()
    axes.set_facecolor("#d5d9df")
    axes.set_yscale("log")
    filled = axes.contourf(x, y, z, levels=LEVELS, colors=[*HARM, *HELP])
    if np.min(z) < 0:
        axes.contour(x, y, z, levels=[0.0], colors=[INK], linewidths=2.8)
    axes.set(xlabel="correlation ρ of query and reference", xlim=(0, 0.9), xticks=[0, 0.2, 0.4, 0.6, 0.8])
    axes.set_ylim(rows[y_column].min(), rows[y_column].max())
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.grid(visible=False)
    return filled


def _annotate_known(axes: Axes) -> None:
    m = np.geomspace(1, 32, 60)
    axes.plot(1 / (m + 1), m, color=INK, lw=2.2, ls="--")  # T2.1: the mean difference helps iff rho > 1 / (m + 1)
    axes.set_title("distributions known", fontweight="normal")
    axes.set(ylabel="number of references m", yticks=[1, 2, 4, 8, 16, 32])
    axes.minorticks_off()
    _label(axes, 0.16, 1.45, "subtracting\nharms")
    _label(axes, 0.62, 1.45, "subtracting\nhelps too")
    _label(axes, 0.58, 12, "weighing the\nreference helps")
    _label(axes, 0.045, 5.5, "random reference: no gain", rotation=90)


def _annotate_learned(axes: Axes, rows: pd.DataFrame, p: int) -> None:
    # Error of subtracting minus error of showing both; where too few patients can train on both images (NaN), subtracting wins.
    margin = rows.assign(margin=rows["difference"] - rows["comparison"]).pivot(index="n_per_class", columns="rho", values="margin")
    x, y, z = margin.columns.to_numpy(), margin.index.to_numpy(), np.nan_to_num(margin.to_numpy(), nan=-1.0)
    helps = rows.pivot(index="n_per_class", columns="rho", values="gain").to_numpy() > 0
    axes.contour(x, y, np.where(helps, z, np.nan), levels=[0.0], colors=[INK], linewidths=2.0, linestyles="dashed")
    axes.set_title(f"learned, p = {p} features", fontweight="normal")
    axes.set_ylabel("training patients per class n")
    low, high = (14.5, 1300) if p == min(FEATURES) else (110, 3400)
    _label(axes, 0.71, low, "subtract")
    _label(axes, 0.56, high, "show both images:\nthe weight is learned")
    _label(axes, 0.24, low, "comparing harms")
    if rows["gain"].isna().any():
        _label(axes, 0.45, 16, "too few cases to train", bbox=None)


def _label(axes: Axes, x: float, y: float, text: str, **options: Any) -> None:
    note(axes, x, y, text, INK, **({"fontsize": 12.5, "ha": "center", "va": "center"} | options))
