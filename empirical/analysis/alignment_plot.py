"""The plot of alignment over layers: the raw CKA, the CKA with class means removed, and the share of variance between classes."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

SIDE = 3.4  # inches of a panel
COLUMNS = 3
LINES = {
    "debiased_cka": ("CKA as it is", "#9a5b2e", "-", "o"),
    "residual_debiased_cka": ("CKA, class means removed", "#1f6f8b", "-", "s"),
    "label_share_images": ("class in the images' variance", "#777777", "--", ""),
    "label_share_answers": ("class in the answers' variance", "#777777", ":", ""),
}
"""Measures that are drawn: words, colour, line and mark."""


def alignment_plot(table: pd.DataFrame) -> Figure:
    """Draw a panel for each run: measures over layers, with 95 % intervals over patients; missing values are left out."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    runs = list(dict.fromkeys(table["run_id"]))
    columns = min(COLUMNS, len(runs))
    figure = Figure(figsize=(0.6 + SIDE * max(columns, 1.6), 1.2 + SIDE * -(-len(runs) // columns)), layout="constrained")
    panels = figure.subplots(-(-len(runs) // columns), columns, squeeze=False, sharey=True).ravel()
    for panel, run in zip(panels, runs, strict=False):
        for measure, (words, colour, line, mark) in LINES.items():
            rows = table[(table["run_id"] == run) & (table["measure"] == measure)]
            panel.plot(rows["layer"], rows["value"], line, color=colour, marker=mark, ms=5, label=words)
            panel.fill_between(rows["layer"], rows["low"], rows["high"], color=colour, alpha=0.15, lw=0)
        panel.axhline(0, color="#222222", lw=0.8, zorder=0)
        panel.set_title(fill(str(run), 28), loc="left", fontsize=12, fontweight="bold")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.spines[["top", "right"]].set_visible(False)
    for panel in panels[len(runs) :]:
        panel.set_visible(False)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper left", ncols=2, frameon=False, fontsize=10)
    figure.supxlabel("layer of the language model (0: what enters it)", fontsize=12)
    figure.supylabel("value (bands: 95 % intervals)", fontsize=12)
    return figure
