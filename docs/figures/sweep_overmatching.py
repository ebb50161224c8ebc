"""Gain in AUROC against the tightness of the match: the best possible, and what three ways of using the reference report (T7)."""

from __future__ import annotations

from house import legend_below, panels
from sweep_tables import SIZE, points, table

from paper_figures.plotting.style import BLUE, INK, MUTED, ORANGE, RED

bias = table("overmatching", "bias")
figure, axes_of = panels(2, sharey=True, **SIZE)
for axes, (n, rows) in zip(axes_of, bias.groupby("n_per_class"), strict=True):
    truth = rows.drop_duplicates("noise")
    axes.plot(truth["noise"], truth["truth"], color=INK, lw=1.6, label="best use, closed form")
    for colour, (method, own) in zip((RED, ORANGE, BLUE), rows.groupby("method", sort=False), strict=True):
        points(axes, own, "noise", "estimate", color=colour, fmt="o-", label=method)
    axes.axhline(0, color=MUTED, lw=1.2, ls=":")
    axes.set(xscale="log", xlabel="looseness of the match")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_title(f"{n} patients per class", fontweight="normal")
axes_of[0].set(ylabel="gain in AUROC")
legend_below(figure, axes_of[0])
