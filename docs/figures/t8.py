"""Efficiency of logistic regression against the distance (T8)."""

from __future__ import annotations

import numpy as np
from house import panels

from paper_figures.plotting.style import INK, LINES
from theory.statements.t8_logistic_efficiency import efficiency

distance = np.linspace(0.2, 4, 77)
figure, axes = panels()
for prevalence, line, colour in ((0.5, "-", LINES[0]), (0.1, "--", LINES[1])):
    axes.plot(distance, [float(efficiency(d, prevalence)) for d in distance], line, color=colour, label=f"prevalence {prevalence}")
ends = [1.5, 1.5 / np.sqrt(1 - 0.8**2)]
axes.plot(ends, [float(efficiency(d)) for d in ends], "o", color=INK, ms=10, mfc="none", mew=2)
for d, label in zip(ends, ("single image", "pair, ρ = 0.8"), strict=True):
    axes.annotate(label, (d, float(efficiency(d))), (10, 8), textcoords="offset points")
axes.set(xlabel="Mahalanobis distance of the classes", ylabel="relative efficiency", ylim=(0, 1.02))
axes.legend(loc="lower left")
