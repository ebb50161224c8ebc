"""Error at new sites for four rules, and the coverage of intervals that take patients for independent (T5)."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from sweep_tables import SIZE, nominal, points, table

from theory.statements.t5_site_shift import error

NAMES = {
    "single": "single",
    "same_diff": "same site, subtracted",
    "same_shrink": "same site, weighed",
    "cross_diff": "another site, subtracted",
}
figure, (left, right) = plt.subplots(1, 2, figsize=SIZE, layout="constrained")
bias, tau = table("site_shift", "bias").query("method == 'sites as clusters'"), np.linspace(0, 1.5, 61)
for colour, (rule, name) in zip(("k", "C1", "C0", "C3"), NAMES.items(), strict=True):
    left.plot(tau, np.broadcast_to(error(2.0, tau, rule, 4), tau.shape), color=colour, lw=1.2, label=name)
    points(left, bias[bias["rule"] == rule], "tau", "estimate", color=colour)
left.set(xlabel="standard deviation of the sites' offsets", ylabel="error", ylim=(0.1, None))
left.legend(frameon=False, fontsize=9)
coverage = table("site_shift", "coverage")
for method, style in (("patients as independent", "-"), ("sites as clusters", "--")):
    for rule, colour in (("single", "k"), ("same_diff", "C1")):
        rows = coverage[(coverage["rule"] == rule) & (coverage["method"] == method)]
        points(right, rows, "tau", color=colour, fmt="o" + style, label=f"{NAMES[rule]}: {method}")
nominal(right)
right.set(xlabel="standard deviation of the sites' offsets", ylabel="coverage", ylim=(0.75, 1))
right.legend(frameon=False, fontsize=8, loc="lower left")
