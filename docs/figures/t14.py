"""Squared ratio of d_a, optimal rule to single image, for three spreads of the diseased (T14)."""

from __future__ import annotations

import numpy as np
from house import panels

from paper_figures.plotting.style import LINES, MUTED
from theory.statements.t14_unequal_variances import da_ratio

rho = np.linspace(0, 0.95, 96)
figure, axes = panels()
for spread, colour in zip((1.0, 1.25, 1.5), (MUTED, *LINES), strict=False):
    axes.plot(rho, da_ratio(rho, spread, "optimal"), color=colour, label=f"spread of the diseased {spread:g}")
axes.set(xlabel="correlation ρ of query and reference", ylabel="squared ratio of $d_a$: pair / single image", yscale="log", xlim=(0, 1))
axes.set_yticks([1, 2, 5, 10], ["1", "2", "5", "10"])
axes.legend()
