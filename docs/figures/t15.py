"""Patients per group by the normal approximation and exactly, against the effect (T15)."""

from __future__ import annotations

import numpy as np
from house import legend_below, panels

from paper_figures.plotting.style import COLOURS, MUTED
from theory.statements.t3_patients_needed import n_for_power
from theory.statements.t15_exact_power import n_exact, power

effects = np.linspace(0.5, 2.5, 41)
figure, axes = panels(height=5.6)
for analysis, colour, name in (("ttest", COLOURS["single"], "t-test"), ("ancova", COLOURS["optimal"], "analysis of covariance")):
    needed = np.ceil(n_for_power(0.6, effects, analysis))
    by_formula = power(np.maximum(needed, 2), 0.6, effects, analysis)
    axes.step(effects, by_formula, color=colour, where="mid", label=f"{name}, patients of T3.5")
    exact = n_exact(0.6, effects, analysis)
    axes.step(effects, power(exact, 0.6, effects, analysis), color=colour, ls=":", where="mid", label=f"{name}, exact number")
axes.axhline(0.8, color=MUTED, lw=1.2, zorder=0, label="wanted: 80 %")
axes.set(xlabel="effect in standard deviations", ylabel="power that the patients have", ylim=(0, 1))
legend_below(figure, axes)
