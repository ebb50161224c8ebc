"""Error of four trained representations against the cases per class (T4)."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from theory.statements.t4_learning_curves import REPRESENTATIONS, error

n = np.unique(np.geomspace(3, 300, 25).round().astype(int))
figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
for rep, style in zip(REPRESENTATIONS, ("k:", "C1--", "C0-", "C2-."), strict=True):
    axes.plot(n, [error(10, int(size), 2.0, 0.6, rep, "known") for size in n], style, label=rep)
axes.set(xscale="log", xlabel="training cases per class", ylabel="expected error")
axes.legend(frameon=False)
