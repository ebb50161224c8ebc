"""Bayes error of the three rules against the correlation of query and reference: exact curves, no simulation."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from theory.statements.t1_univariate_rules import RULES, error

rho = np.linspace(0, 0.98, 99)
figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
for rule, style in zip(RULES, ("k:", "C1--", "C0-"), strict=True):
    axes.plot(rho, np.broadcast_to(error(1.0, rho, rule), rho.shape), style, label=rule)
axes.set(xlabel="correlation of query and reference", ylabel="error at prevalence 1/2", xlim=(0, 1), ylim=(0, None))
axes.legend(frameon=False)
