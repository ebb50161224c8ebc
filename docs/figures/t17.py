"""Coverage of two intervals of the predicted gain against the true correlation (T17)."""

from __future__ import annotations

import numpy as np
from house import legend_below, panels

from paper_figures.plotting.style import BLUE, MUTED, ORANGE
from theory.statements.t17_estimated_rho import cover

rho = np.linspace(0, 0.9, 46)
figure, axes = panels()
for method, colour in (("delta", ORANGE), ("mapped", BLUE)):
    for pairs, line in ((50, "--"), (200, "-")):
        axes.plot(rho, [cover(1.0, r, pairs, method) for r in rho], line, color=colour, label=f"{method} interval, {pairs} pairs")
axes.axhline(0.95, color=MUTED, lw=1.2, ls=":", zorder=0, label="nominal: 95 %")
axes.set(xlabel="true correlation ρ", ylabel="coverage", ylim=(0.84, 1.005))
legend_below(figure, axes)
