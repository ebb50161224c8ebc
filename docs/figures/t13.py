"""AUROC of rules against the AUROC of the covariate that references are matched on (T13)."""

from __future__ import annotations

import numpy as np
from house import legend_below, panels

from paper_figures.plotting.style import COLOURS, LINES
from theory.statements.t13_confounded_references import assumed_auc, auc

covariate = np.linspace(0.5, 0.9, 41)
figure, axes = panels(height=6.4)
for rule, colour, name in (
    ("single", COLOURS["single"], "single image"),
    ("difference", COLOURS["difference"], "plain difference"),
    ("t1_weight", LINES[4], "weight of T1"),
    ("optimal", COLOURS["optimal"], "optimal rule"),
    ("reference_only", COLOURS["reference_only"], "reference alone"),
):
    axes.plot(covariate, auc(1.0, 1.1, covariate, rule), color=colour, label=name)
for rule, name in (("difference", "plain difference, T1 assuming A2"), ("optimal", "optimal, T1 assuming A2")):
    axes.plot(covariate, assumed_auc(1.0, 1.1, covariate, rule), ":", color=COLOURS[rule], label=name)
axes.set(xlabel="AUROC of the covariate alone", ylabel="AUROC", xlim=(0.5, 0.9), ylim=(0.48, 1))
legend_below(figure, axes)
