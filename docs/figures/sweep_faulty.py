"""Gain against the share of faulty references, and the chance to show it with 400 patients (T6)."""

from __future__ import annotations

import matplotlib.pyplot as plt
from sweep_tables import SIZE, points, table

figure, (left, right) = plt.subplots(1, 2, figsize=SIZE, layout="constrained")
bias, power = table("faulty", "bias"), table("faulty", "power")
looks = {("diseased", "difference"): "C1", ("diseased", "optimal"): "C0", ("swap", "difference"): "C3", ("swap", "optimal"): "C2"}
for (fault, rule), colour in looks.items():
    chosen = f"fault == '{fault}' and rule == '{rule}'"
    rows = bias.query(chosen)
    name = {"diseased": "reference diseased", "swap": "images swapped"}[fault]
    left.plot(rows["rate"], rows["truth"], color=colour, lw=1.2, label=f"{name}, {rule} rule")
    points(left, rows, "rate", "estimate", color=colour)
    points(right, power.query(chosen), "rate", color=colour, fmt="o-")
left.axhline(0, color="0.5", lw=1)
left.set(xlabel="share of faulty references", ylabel="error saved")
left.legend(frameon=False, fontsize=8)
right.set(xlabel="share of faulty references", ylabel="share of experiments with a difference", ylim=(0, 1.02))
