"""Figures of the error-rate studies: type-I error over the number of clusters, and the cost of shared references and single trainings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from paper_figures.error_rates.tables import LEVEL
from paper_figures.plotting import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACCURACY = {
    "McNemar mid-p": ("McNemar mid-p", style.MUTED, "o"),
    "GEE": ("GEE", style.PURPLE, "v"),
    "cluster-robust t": ("cluster-robust t", style.ORANGE, "s"),
    "Obuchowski": ("Obuchowski", style.SKY, "D"),
    "sign-flip, all patterns": ("sign-flip (recommended)", style.BLUE, "o"),
}
AUROC = {
    "DeLong": ("DeLong", style.MUTED, "o"),
    "clustered DeLong, z": ("clustered DeLong, z", style.ORANGE, "s"),
    "clustered DeLong, jackknife t": ("clustered DeLong, jackknife t (recommended)", style.BLUE, "o"),
}
SIZE = 25
TICKS = [0.0, 0.05, 0.1, 0.2, 0.4, 0.7]


def sizes(table: pd.DataFrame, methods: dict[str, tuple[str, str, str]], title: str) -> Figure:
    """Draw type-I errors over the number of clusters of 25 items, a panel per correlation and kind of sizes."""
    import matplotlib.pyplot as plt

    rows = table[(table["measure"] == "type_1_error") & (table["size"] == SIZE)]
    figure, axes = plt.subplots(2, 3, figsize=(13.0, 8.2), sharex=True, sharey=True)
    for line, kind in enumerate(("balanced", "skewed")):
        for column, correlation in enumerate((0.0, 0.2, 0.5)):
            panel = rows[(rows["sizes"] == kind) & (rows["correlation"] == correlation)]
            _panel(axes[line, column], panel, methods)
            axes[line, column].set_title(f"{kind} sizes, correlation {correlation:g}")
    for below in axes[1]:
        below.set_xlabel(f"clusters of {SIZE} items on average")
    for left in axes[:, 0]:
        left.set_ylabel("type-I error")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    figure.suptitle(title, fontsize=17, fontweight="bold", x=0.01, ha="left")
    return figure


def _panel(axes: Axes, panel: pd.DataFrame, methods: dict[str, tuple[str, str, str]]) -> None:
    """Draw one panel; the axis is the square root of the share, so that .05 and .7 can both be read."""
    bound = float(LEVEL + 3 * (LEVEL * (1 - LEVEL) / panel["replicates"].min()) ** 0.5)
    axes.axhspan(0, bound, color=style.GREEN, alpha=0.12, lw=0)
    axes.axhline(LEVEL, color=style.GREEN, lw=1.4)
    for name, (label, colour, marker) in methods.items():
        rows = panel[panel["method"] == name].sort_values("clusters")
        axes.plot(rows["clusters"], rows["value"], color=colour, marker=marker, ms=7, lw=2.2, label=label, clip_on=False, zorder=4)
    _share_axis(axes, TICKS)
    clusters = sorted(panel["clusters"].unique())
    axes.set_xscale("log")
    axes.set_xticks(clusters, [str(number) for number in clusters])
    axes.minorticks_off()


def _share_axis(axes: Axes, ticks: list[float]) -> None:
    axes.set_yscale("function", functions=(lambda share: abs(share) ** 0.5, lambda root: root**2))
    axes.set_ylim(0, ticks[-1] * 1.08)
    axes.set_yticks(ticks, [f"{tick:g}".lstrip("0") or "0" for tick in ticks])


def dependence(references: pd.DataFrame, training: pd.DataFrame) -> Figure:
    """Draw the loss when shared references, or the randomness of training, are ignored."""
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(13.0, 6.8))
    rows = references[(references["measure"] == "type_1_error") & (references["towards"] == "the right side")]
    rows = rows[(rows["patients"] == 200) & (rows["images"] == 5) & (rows["strength"] == 1.0)].sort_values("pool")
    names = {"accuracy, by patient": (style.MUTED, "o", "-"), "AUROC, by patient": (style.MUTED, "s", "--")}
    names |= {"accuracy, two-way": (style.BLUE, "o", "-"), "AUROC, two-way": (style.BLUE, "s", "--")}
    _lines(left, rows, "pool", names)
    left.set_title("Patients share references")
    left.set_xlabel("references for 200 patients x 5 images")
    rows = training[(training["measure"] == "type_1_error") & (training["patients"] == 400) & (training["training_sd"] == 0.1)]
    names = {"one trained model": (style.MUTED, "o", "-"), "trainings pooled, by patient": (style.ORANGE, "s", "-")}
    names |= {"procedure (Obuchowski-Rockette)": (style.BLUE, "o", "-")}
    _lines(right, rows.sort_values("seeds"), "seeds", names)
    right.set_title("Training is random")
    right.set_xlabel("trainings of each procedure, 400 patients")
    left.set_ylabel("type-I error")
    return figure


def _lines(axes: Axes, rows: pd.DataFrame, by: str, names: dict[str, tuple[str, str, str]]) -> None:
    axes.axhline(LEVEL, color=style.GREEN, lw=1.4)
    for name, (colour, marker, dash) in names.items():
        part = rows[rows["method"] == name]
        options: dict[str, Any] = {"color": colour, "marker": marker, "ls": dash, "ms": 8, "label": name}
        axes.errorbar(part[by], part["value"], 1.96 * part["mcse"], capsize=3, **options)
    _share_axis(axes, TICKS)
    ticks = sorted(rows[by].unique())
    axes.set_xscale("log")
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2)
