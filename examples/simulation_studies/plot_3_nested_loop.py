"""
Many factors in one picture: a nested-loop plot
===============================================

Four factors make forty cells. A nested-loop plot puts them all on one line: the factors
run inside each other like loops of a program, and their steps are drawn below.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

KEPT = Path("../../docs/results/sweeps")
table = pd.read_csv(KEPT / "gain" / "performance.csv")
factors = {
    "p": "features",
    "n_per_class": "training patients",
    "m": "references",
    "rho": "correlation",
}
rows = table[(table["measure"] == "coverage") & (table["method"] == "same patients")]
rows = rows.sort_values(list(factors)).reset_index()

figure, (top, bottom) = plt.subplots(
    2, 1, sharex=True, height_ratios=[3, 2], figsize=(7.4, 5.4)
)
half = 1.96 * rows["mcse"]
low, high = rows["value"] - half, rows["value"] + half
top.fill_between(rows.index, low, high, step="mid", alpha=0.3)
top.step(rows.index, rows["value"], where="mid")
top.axhline(0.95, color="black", lw=1, ls=":")
top.set(ylabel="coverage of a 95 % interval")
for level, (name, words) in enumerate(factors.items()):
    ranks = rows[name].rank(method="dense")
    steps = -level + 0.6 * (ranks - 1) / (ranks.max() - 1)
    bottom.step(rows.index, steps, where="mid", color="black", lw=1.5)
    levels = ", ".join(f"{one:g}" for one in np.unique(rows[name]))
    bottom.text(
        len(rows), -level + 0.3, f"{words}:\n{levels}", va="center", fontsize=9.5
    )
bottom.set(yticks=[], xlabel="cell of the study", xlim=(-1, 52))
bottom.grid(visible=False)
top.grid(axis="x", visible=False)
plt.show()

# %%
# The interval over test patients ignores that another training set would give another
# model. Its coverage falls where few training patients (20) meet many features (10); in
# the other cells it is close to 95 %.
#
# The study is one of the
# :doc:`ready simulation studies </explanation/ready_simulation_studies>`; run it with
# ``see-in-pairs sweep gain``.
