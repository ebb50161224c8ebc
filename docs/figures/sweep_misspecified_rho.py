"""What a wrong weight costs in error, over the true correlation (T12.1, T12.2)."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from sweep_tables import points, table

from theory.statements.t1_univariate_rules import error

figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
rho, bias = np.linspace(0, 0.9, 91), table("misspecified_rho", "bias")
weights = {"no reference": (0.0, "k"), "guess of 0.3": (0.3, "C1"), "minimax over 0 to 0.8": (0.5, "C0"), "subtraction": (1.0, "C3")}
for method, (weight, colour) in weights.items():
    axes.plot(rho, error(1.5, rho, weight) - error(1.5, rho, "optimal"), color=colour, lw=1.2)
    points(axes, bias[bias["method"] == method], "rho", color=colour, label=method)
points(axes, bias[bias["method"] == "learned weight"], "rho", color="C2", label="learned from 30 pairs", fmt="o-")
axes.set(xlabel="true correlation of query and reference", ylabel="error above the best rule's", ylim=(-0.005, 0.16))
axes.legend(frameon=False)
