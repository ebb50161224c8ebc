"""Gain in accuracy of the difference against the number of classes (T16)."""

from __future__ import annotations

import numpy as np
from house import legend_below, panels

from paper_figures.plotting.style import BLUE, MUTED, ORANGE
from theory.statements.t16_several_classes import gain

classes = np.unique(np.geomspace(2, 100, 40).astype(int))
figure, axes = panels()
for rho, colour in ((0.4, ORANGE), (0.8, BLUE)):
    for geometry, line, name in (("simplex", "-", "equally far apart"), ("line", "--", "in a line")):
        gains = [gain(int(k), 1.5, rho, "difference", geometry) for k in classes]
        axes.plot(classes, gains, line, color=colour, label=f"classes {name}, ρ = {rho:g}")
axes.axhline(0, color=MUTED, lw=1.2, ls=":", zorder=0)
axes.set(xscale="log", xlabel="number of classes", ylabel="gain in accuracy of the difference")
axes.xaxis.set_major_formatter("{x:g}")
legend_below(figure, axes)
