"""Efficiency of logistic regression against the distance (T8)."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from theory.statements.t8_logistic_efficiency import efficiency

distance = np.linspace(0.2, 4, 77)
figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
for prevalence, style in ((0.5, "C0-"), (0.1, "C1--")):
    axes.plot(distance, [float(efficiency(d, prevalence)) for d in distance], style, label=f"prevalence {prevalence}")
ends = [1.5, 1.5 / np.sqrt(1 - 0.8**2)]
axes.plot(ends, [float(efficiency(d)) for d in ends], "ko", mfc="none")
for d, label in zip(ends, ("single", "pair"), strict=True):
    axes.annotate(label, (d, float(efficiency(d))), (6, 4), textcoords="offset points")
axes.set(xlabel="Mahalanobis distance", ylabel="relative efficiency", ylim=(0, 1.02))
axes.legend(frameon=False)
