"""Bayes error of the three rules against the correlation of query and reference: exact curves, no simulation."""

from __future__ import annotations

import numpy as np
from house import legend_below, panels

from paper_figures.plotting.style import LOOKS
from theory.statements.t1_univariate_rules import RULES, error

rho = np.linspace(0, 0.98, 99)
figure, axes = panels(height=5.6)
for rule, line in zip(RULES, (":", "--", "-"), strict=True):
    look = LOOKS[rule]
    axes.plot(rho, np.broadcast_to(error(1.0, rho, rule), rho.shape), line, color=look.colour, label=look.label)
axes.set(xlabel="correlation ρ of query and reference", ylabel="error rate (prevalence 1/2)", xlim=(0, 1), ylim=(0, None))
legend_below(figure, axes, 3)
