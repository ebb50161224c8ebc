"""The gain of a comparison that has to be trained, and what an interval over test patients misses (T2, T4)."""

from __future__ import annotations

import matplotlib.pyplot as plt
from sweep_tables import SIZE, nominal, points, table

figure, (left, right) = plt.subplots(1, 2, figsize=SIZE, layout="constrained")
bias = table("gain", "bias").query("method == 'same patients' and p == 10 and n_per_class == 20")
for (m, rows), colour in zip(bias.groupby("m"), ("C0", "C1"), strict=True):
    left.plot(rows["rho"], rows["truth"], color=colour, lw=1.2, label=f"{m} reference{'s' * (m > 1)}, closed form")
    points(left, rows, "rho", "estimate", color=colour)
left.axhline(0, color="0.5", lw=1)
left.set(xlabel="correlation of query and reference", ylabel="error saved", title="10 features, 20 training patients per class")
left.legend(frameon=False)
coverage = table("gain", "coverage").query("method == 'same patients' and m == 1")
for shift, ((p, n), rows) in enumerate(coverage.groupby(["p", "n_per_class"])):
    points(right, rows, "rho", shift=0.01 * (shift - 1.5), label=f"{p} features, {n} per class", fmt="o-")
nominal(right)
right.set(xlabel="correlation of query and reference", ylabel="coverage", ylim=(0.68, 1))
right.legend(frameon=False, fontsize=9, loc="lower left")
for axes in (left, right):
    axes.title.set_fontsize(10)
