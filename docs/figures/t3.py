"""Variance of the estimated effect against the correlation for three analyses (T3)."""

from __future__ import annotations

import numpy as np
from house import legend_below, panels

from paper_figures.plotting.style import COLOURS
from theory.statements.t3_sample_size import scaled_var

ANALYSES = {
    "ttest": (":", COLOURS["single"], "t-test of the query"),
    "change": ("--", COLOURS["difference"], "t-test of the difference"),
    "ancova": ("-", COLOURS["optimal"], "analysis of covariance"),
}
rho = np.linspace(0, 0.98, 99)
figure, axes = panels()
for analysis, (line, colour, label) in ANALYSES.items():
    axes.plot(rho, np.broadcast_to(scaled_var(10, rho, 0.5, analysis), rho.shape), line, color=colour, label=label)
axes.set(xlabel="correlation ρ of query and reference", ylabel="scaled variance", xlim=(0, 1), ylim=(0, None))
legend_below(figure, axes, 3)
