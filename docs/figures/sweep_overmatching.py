"""Gain in AUROC against the tightness of the match: the best possible, and what three ways of using the reference report (T7)."""

from __future__ import annotations

import matplotlib.pyplot as plt
from sweep_tables import SIZE, points, table

bias = table("overmatching", "bias")
figure, panels = plt.subplots(1, 2, figsize=SIZE, layout="constrained", sharey=True)
for axes, (n, rows) in zip(panels, bias.groupby("n_per_class"), strict=True):
    truth = rows.drop_duplicates("noise")
    axes.plot(truth["noise"], truth["truth"], "k", lw=1.2, label="best use, closed form")
    for colour, (method, own) in zip(("C3", "C1", "C0"), rows.groupby("method", sort=False), strict=True):
        points(axes, own, "noise", "estimate", color=colour, fmt="o-", label=method)
    axes.axhline(0, color="0.5", lw=1)
    axes.set(xscale="log", xlabel="looseness of the match", title=f"{n} patients per class")
    axes.title.set_fontsize(10)
panels[0].set(ylabel="gain in AUROC")
panels[1].legend(frameon=False, fontsize=8, loc="lower right")
