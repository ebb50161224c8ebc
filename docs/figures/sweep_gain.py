"""The gain of a comparison that has to be trained, and what an interval over test patients misses (T2, T4)."""

from __future__ import annotations

from house import panels
from sweep_tables import SIZE, nominal, points, table

from paper_figures.plotting.style import LINES, MUTED

figure, (left, right) = panels(2, **SIZE)
bias = table("gain", "bias").query("method == 'same patients' and p == 10 and n_per_class == 20")
for (m, rows), colour in zip(bias.groupby("m"), LINES, strict=False):
    left.plot(rows["rho"], rows["truth"], color=colour, lw=1.6, label=f"{m} reference{'s' * (m > 1)}, closed form")
    points(left, rows, "rho", "estimate", color=colour)
left.axhline(0, color=MUTED, lw=1.2, ls=":")
left.set(xlabel="correlation ρ of query and reference", ylabel="error saved")
left.set_title("10 features, 20 training patients per class", fontweight="normal")
left.legend()
coverage = table("gain", "coverage").query("method == 'same patients' and m == 1")
for shift, (((p, n), rows), colour) in enumerate(zip(coverage.groupby(["p", "n_per_class"]), LINES, strict=False)):
    points(right, rows, "rho", shift=0.01 * (shift - 1.5), color=colour, label=f"{p} features, {n} per class", fmt="o-")
nominal(right)
right.set(xlabel="correlation ρ of query and reference", ylabel="coverage of 95 % intervals", ylim=(0.6, 1))
right.legend(loc="lower left", ncols=2, fontsize=11.5)
