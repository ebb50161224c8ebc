"""Gain against the share of faulty references, and the chance to show it with 400 patients (T6)."""

from __future__ import annotations

from house import legend_below, panels
from sweep_tables import SIZE, points, table

from paper_figures.plotting.style import LINES, MUTED

figure, (left, right) = panels(2, **SIZE)
bias, power = table("faulty", "bias"), table("faulty", "power")
looks = [("diseased", "difference"), ("diseased", "optimal"), ("swap", "difference"), ("swap", "optimal")]
for (fault, rule), colour in zip(looks, LINES, strict=False):
    chosen = f"fault == '{fault}' and rule == '{rule}'"
    rows = bias.query(chosen)
    name = {"diseased": "reference diseased", "swap": "images swapped"}[fault]
    left.plot(rows["rate"], rows["truth"], color=colour, lw=1.6, label=f"{name}, {rule} rule")
    points(left, rows, "rate", "estimate", color=colour)
    points(right, power.query(chosen), "rate", color=colour, fmt="o-")
left.axhline(0, color=MUTED, lw=1.2, ls=":")
left.set(xlabel="share of faulty references", ylabel="error saved")
right.set(xlabel="share of faulty references", ylabel="share of experiments with a difference", ylim=(0, 1.02))
legend_below(figure, left)
