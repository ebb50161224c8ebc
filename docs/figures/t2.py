"""AUROC against the number of references for three correlations between them (T2)."""

from __future__ import annotations

import numpy as np
from house import legend_below, panels

from paper_figures.plotting.style import LINES, MUTED
from theory.statements.t2_several_references import auc

m = np.arange(1, 17)
figure, axes = panels(height=5.8)
for colour, rho_rr in zip(LINES, (0.2, 0.4, 0.8), strict=False):
    axes.plot(m, auc(1.0, 0.4, rho_rr, m, "optimal"), color=colour, label=f"optimal, ρ between references {rho_rr}")
    axes.plot(m, auc(1.0, 0.4, rho_rr, m, "meandiff"), color=colour, ls="--", label=f"mean difference, {rho_rr}")
axes.axhline(auc(1.0, 0.0, 0.0, 1, "optimal"), color=MUTED, ls=":", label="single image")
axes.set(xlabel="number of references m", ylabel="AUROC")
legend_below(figure, axes)
