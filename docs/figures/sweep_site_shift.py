"""Error at new sites for four rules, and the coverage of intervals that take patients for independent (T5)."""

from __future__ import annotations

import numpy as np
from house import panels
from sweep_tables import SIZE, nominal, points, table

from paper_figures.plotting.style import COLOURS
from theory.statements.t5_site_shift import error

NAMES = {
    "single": (COLOURS["single"], "single image"),
    "same_diff": (COLOURS["difference"], "same site, subtracted"),
    "same_shrink": (COLOURS["optimal"], "same site, weighed"),
    "cross_diff": (COLOURS["cross_center"], "another site, subtracted"),
}
figure, (left, right) = panels(2, **SIZE)
bias, tau = table("site_shift", "bias").query("method == 'sites as clusters'"), np.linspace(0, 1.5, 61)
for rule, (colour, name) in NAMES.items():
    left.plot(tau, np.broadcast_to(error(2.0, tau, rule, 4), tau.shape), color=colour, lw=1.6, label=name)
    points(left, bias[bias["rule"] == rule], "tau", "estimate", color=colour)
left.set(xlabel="standard deviation of the sites' offsets", ylabel="error rate", ylim=(0.05, None))
left.legend(loc="lower right", fontsize=12)
coverage = table("site_shift", "coverage")
for method, line in (("patients as independent", "-"), ("sites as clusters", "--")):
    for rule in ("single", "same_diff"):
        rows = coverage[(coverage["rule"] == rule) & (coverage["method"] == method)]
        points(right, rows, "tau", color=NAMES[rule][0], fmt="o" + line, label=f"{NAMES[rule][1]}: {method}")
nominal(right)
right.set(xlabel="standard deviation of the sites' offsets", ylabel="coverage of 95 % intervals", ylim=(0.72, 1))
right.legend(fontsize=11.5, loc="lower left")
