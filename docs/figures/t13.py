"""AUROC of rules against the AUROC of the covariate that references are matched on (T13)."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from theory.statements.t13_confounded_references import assumed_auc, auc

covariate = np.linspace(0.5, 0.9, 41)
figure, axes = plt.subplots(figsize=(6, 3.8), layout="constrained")
for rule, style, name in (
    ("single", "k-", "single image"),
    ("difference", "C1-", "difference"),
    ("t1_weight", "C0-", "weight of T1"),
    ("optimal", "C2-", "optimal rule"),
    ("reference_only", "C3-", "reference alone"),
):
    axes.plot(covariate, auc(1.0, 1.1, covariate, rule), style, label=name)
for rule, style, name in (("difference", "C1:", "difference, T1 assuming A2"), ("optimal", "C0:", "optimal, T1 assuming A2")):
    axes.plot(covariate, assumed_auc(1.0, 1.1, covariate, rule), style, label=name)
axes.set(xlabel="AUROC of the covariate alone", ylabel="AUROC", xlim=(0.5, 0.9), ylim=(0.48, 1))
axes.legend(frameon=False, fontsize="small", ncols=2)
