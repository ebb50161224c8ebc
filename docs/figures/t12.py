"""Cases that show the gain by AUROC and by accuracy (T12.8)."""

from __future__ import annotations

import numpy as np
from house import panels

from paper_figures.plotting.style import BLUE, GREEN, ORANGE
from theory.power.analysis import StudyDesign, plan_study
from theory.power.evidence import Correlation

MEASURES = {"accuracy": ("--", ORANGE, "accuracy"), "sensitivity": ("-.", GREEN, "sensitivity"), "auc": ("-", BLUE, "AUROC")}
rho = np.linspace(0.1, 0.95, 86)
plans = [plan_study(Correlation(d=1.0, rho=float(value)), StudyDesign()) for value in rho]
figure, axes = panels()
for measure, (line, colour, label) in MEASURES.items():
    axes.plot(rho, [plan[measure].cases for plan in plans], line, color=colour, label=label)
axes.set(yscale="log", xlabel="correlation ρ of query and reference", ylabel="cases for 80 % power")
axes.yaxis.set_major_formatter("{x:,.0f}")
axes.legend()
