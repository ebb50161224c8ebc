"""Coverage of two intervals of the predicted gain against the true correlation (T17)."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from theory.statements.t17_estimated_rho import cover

rho = np.linspace(0, 0.9, 46)
figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
for method, colour in (("delta", "C1"), ("mapped", "C0")):
    for pairs, alpha in ((50, 0.45), (200, 1.0)):
        axes.plot(rho, [cover(1.0, r, pairs, method) for r in rho], colour, alpha=alpha, label=f"{method}, {pairs} pairs")
axes.axhline(0.95, color="0.7", lw=0.8, zorder=0)
axes.set(xlabel="true correlation", ylabel="coverage", ylim=(0.84, 1.005))
axes.legend(frameon=False, fontsize="small")
