"""Squared ratio of d_a, optimal rule to single image, for three spreads of the diseased (T14)."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from theory.statements.t14_unequal_variances import da_ratio

rho = np.linspace(0, 0.95, 96)
figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
for spread, style in ((1.0, "k-"), (1.25, "C0-"), (1.5, "C1-")):
    axes.plot(rho, da_ratio(rho, spread, "optimal"), style, label=f"diseased spread {spread:g}")
axes.set(xlabel="correlation of query and reference", ylabel="squared ratio of $d_a$", yscale="log", xlim=(0, 1))
axes.legend(frameon=False)
