"""Error against the spread of the offsets of sites for four rules (T5)."""

from __future__ import annotations

import numpy as np
from house import legend_below, panels

from paper_figures.plotting.style import COLOURS
from theory.statements.t5_site_shift import error

tau = np.linspace(0, 2, 81)
rules = {
    "single": (":", COLOURS["single"], "single image", {}),
    "same_diff": ("--", COLOURS["difference"], "same site, subtracted", {}),
    "same_shrink": ("-", COLOURS["optimal"], "same site, weighed", {}),
    "cross_diff": ("-.", COLOURS["cross_center"], "another site, subtracted", {"sites": "many"}),
}
figure, axes = panels()
for rule, (line, colour, label, options) in rules.items():
    axes.plot(tau, np.broadcast_to(error(2.0, tau, rule, m=4, **options), tau.shape), line, color=colour, label=label)
axes.set(xlabel="standard deviation of the sites' offsets", ylabel="error rate", ylim=(0, None))
legend_below(figure, axes)
