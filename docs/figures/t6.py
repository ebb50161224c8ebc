"""Error against the share of diseased references, and the break-even (T6)."""

from __future__ import annotations

import numpy as np
from house import legend_below, panels

from paper_figures.plotting.style import COLOURS, INK
from theory.numerics.gaussian import error_of
from theory.statements.t6_faulty_references import break_even, error

rate, single = np.linspace(0, 0.6, 61), float(error_of(1.5))
figure, axes = panels()
axes.axhline(single, color=COLOURS["single"], ls=":", label="single image")
for rule, label, weight in (("difference", "plain difference", 1.0), ("optimal", "optimal weight", 0.8)):
    axes.plot(rate, error(1.5, 0.8, weight, "diseased", rate), color=COLOURS[rule], label=label)
    axes.plot([float(break_even(1.5, 0.8, weight, "diseased"))], [single], "o", ms=10, mfc="none", mew=2, color=COLOURS[rule])
axes.plot([], [], "o", ms=10, mfc="none", mew=2, color=INK, label="break even")
axes.set(xlabel="share of references that are diseased", ylabel="error rate", ylim=(0, None))
legend_below(figure, axes, 4)
