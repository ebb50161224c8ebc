"""What a wrong weight costs in error, over the true correlation (T12.1, T12.2)."""

from __future__ import annotations

import numpy as np
from house import legend_below, panels
from sweep_tables import points, table

from paper_figures.plotting.style import BLUE, COLOURS, LINES, ORANGE
from theory.statements.t1_univariate_rules import error

figure, axes = panels(height=6.0)
rho, bias = np.linspace(0, 0.9, 91), table("misspecified_rho", "bias")
weights = {
    "no reference": (0.0, COLOURS["single"]),
    "guess of 0.3": (0.3, ORANGE),
    "minimax over 0 to 0.8": (0.5, BLUE),
    "subtraction": (1.0, COLOURS["difference"]),
}
for method, (weight, colour) in weights.items():
    axes.plot(rho, error(1.5, rho, weight) - error(1.5, rho, "optimal"), color=colour, lw=1.6)
    points(axes, bias[bias["method"] == method], "rho", color=colour, label=method)
points(axes, bias[bias["method"] == "learned weight"], "rho", color=LINES[4], label="learned from 30 pairs", fmt="o-")
axes.set(xlabel="true correlation ρ of query and reference", ylabel="error rate above the best rule's", ylim=(-0.005, 0.16))
legend_below(figure, axes, 3)
