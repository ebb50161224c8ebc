"""Error against the spread of the offsets of sites for four rules (T5)."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from theory.statements.t5_site_shift import error

tau = np.linspace(0, 2, 81)
rules = {"single": ("k:", {}), "same_diff": ("C1--", {}), "same_shrink": ("C0-", {}), "cross_diff": ("C3-.", {"sites": "many"})}
figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
for rule, (style, options) in rules.items():
    axes.plot(tau, np.broadcast_to(error(2.0, tau, rule, m=4, **options), tau.shape), style, label=rule)
axes.set(xlabel="standard deviation of the sites' offsets", ylabel="error", ylim=(0, None))
axes.legend(frameon=False)
