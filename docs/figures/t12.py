"""Cases that show the gain by AUROC and by accuracy (T12.8)."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from theory.power.analysis import StudyDesign, plan_study
from theory.power.evidence import Correlation

rho = np.linspace(0.1, 0.95, 86)
plans = [plan_study(Correlation(d=1.0, rho=float(value)), StudyDesign()) for value in rho]
figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
for measure, style in (("accuracy", "C1--"), ("sensitivity", "C2-."), ("auc", "C0-")):
    axes.plot(rho, [plan[measure].cases for plan in plans], style, label=measure)
axes.set(yscale="log", xlabel="correlation of query and reference", ylabel="cases for 80 % power")
axes.legend(frameon=False)
