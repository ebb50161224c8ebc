"""Error of four trained representations against the cases per class (T4)."""

from __future__ import annotations

import numpy as np
from house import legend_below, panels

from paper_figures.plotting.style import COLOURS, LINES
from theory.statements.t4_learning_curves import REPRESENTATIONS, error

LOOKS = ((":", COLOURS["single"]), ("--", COLOURS["difference"]), ("-", COLOURS["pair"]), ("-.", LINES[4]))
NAMES = {
    "single": "single image",
    "difference": "plain difference",
    "concat": "both images side by side",
    "residual_known_rho": "query − ρ × reference",
}
n = np.unique(np.geomspace(3, 300, 25).round().astype(int))
figure, axes = panels()
for rep, (line, colour) in zip(REPRESENTATIONS, LOOKS, strict=True):
    curve = [error(10, int(size), 2.0, 0.6, rep, "known") for size in n]
    axes.plot(n, curve, line, color=colour, label=NAMES[rep])
axes.set(xscale="log", xlabel="training cases per class", ylabel="expected error rate")
axes.xaxis.set_major_formatter("{x:g}")
legend_below(figure, axes)
