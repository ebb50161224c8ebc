"""
How much training does the comparison need?
===========================================

A pair gives the model more to look at, and more to learn. This example draws the AUROC
against the number of training patients, for the pair, the single image, and a control
that shows the query twice.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

KEPT = Path("../../docs/results/pocket-phantom")
table = pd.read_csv(KEPT / "study.csv")
table = table[(table["cohort"] == "rho-0.8") & (table["n_train"] > 0)]
arms = {
    "pair": ("pair, rho = 0.8", "#0072B2"),
    "single": ("single image", "#5f6873"),
    "duplicate": ("the query twice", "#E69F00"),
}

figure, axes = plt.subplots()
for arm, (words, colour) in arms.items():
    rows = table[table["arm"] == arm].sort_values("n_train")
    axes.plot(rows["n_train"], rows["auroc"], "o-", color=colour, label=words)
    axes.fill_between(
        rows["n_train"], rows["low"], rows["high"], color=colour, alpha=0.12
    )
    ideal = rows["ideal"].iloc[0]
    if arm != "duplicate":
        axes.axhline(ideal, color=colour, lw=1, ls=":")
axes.set(
    xscale="log",
    xticks=[50, 100, 200, 500, 1000],
    xticklabels=["50", "100", "200", "500", "1,000"],
    xlabel="training patients",
    ylabel="AUROC (dotted: ideal observers)",
)
axes.minorticks_off()
axes.legend(loc="lower right")
plt.show()

# %%
# With few patients the pair is no better: the model has not yet learned to compare.
# From 500 patients on it is clearly ahead, while the query shown twice stays with the
# single image. So the gain comes from the reference, and not from a second image as
# such.
#
# Bands are 95 % intervals over trainings and patients; see
# :doc:`the study </results/pocket-phantom/README>`.
