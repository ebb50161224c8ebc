"""Variance of the estimated effect against the correlation for three analyses (T3)."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from theory.statements.t3_sample_size import scaled_var

rho = np.linspace(0, 0.98, 99)
figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
for analysis, style in zip(("ttest", "change", "ancova"), ("k:", "C1--", "C0-"), strict=True):
    axes.plot(rho, np.broadcast_to(scaled_var(10, rho, 0.5, analysis), rho.shape), style, label=analysis)
axes.set(xlabel="correlation of query and reference", ylabel="scaled variance", xlim=(0, 1), ylim=(0, None))
axes.legend(frameon=False)
