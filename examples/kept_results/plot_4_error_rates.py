"""
How often do the tests reject when nothing differs?
===================================================

A test at level 5 % should reject in 5 of 100 studies without a difference. With several
images per patient many do so more often. The error rates were simulated and are kept.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

KEPT = Path("../../docs/results/error-rates")
table = pd.read_csv(KEPT / "auroc.csv")
table = table[
    (table["measure"] == "type_1_error")
    & (table["size"] == 5)
    & (table["sizes"] == "balanced")
    & (table["correlation"] == 0.5)
]
methods = {
    "DeLong": "#D55E00",
    "clustered DeLong, z": "#E69F00",
    "clustered DeLong, jackknife t": "#0072B2",
}

figure, axes = plt.subplots()
for method, colour in methods.items():
    rows = table[table["method"] == method].sort_values("clusters")
    axes.errorbar(
        rows["clusters"], 100 * rows["value"], 196 * rows["mcse"], fmt="o-", capsize=3,
        color=colour, label=method,
    )  # fmt: skip
axes.axhline(5, color="black", lw=1, ls=":")
axes.set(
    xscale="log",
    xticks=[5, 10, 20, 50, 200],
    xticklabels=["5", "10", "20", "50", "200"],
    xlabel="patients, each with 5 correlated images",
    ylabel="false rejections (%)",
    ylim=(0, None),
)
axes.minorticks_off()
axes.legend()
plt.show()

# %%
# DeLong's test counts images, and rejects too often however many patients there are.
# The version for clusters needs ten patients or more here. With the jackknife and
# Student's t it never rejects too often, but is cautious with few patients.
#
# All tests and situations are in
# :doc:`error rates of the tests </results/error-rates/README>`.
