"""Gain in accuracy of the difference against the number of classes (T16)."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from theory.statements.t16_several_classes import gain

classes = np.unique(np.geomspace(2, 100, 40).astype(int))
figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
for rho, colour in ((0.4, "C1"), (0.8, "C0")):
    for geometry, style in (("simplex", "-"), ("line", "--")):
        gains = [gain(int(k), 1.5, rho, "difference", geometry) for k in classes]
        axes.plot(classes, gains, colour + style, label=f"{geometry}, correlation {rho:g}")
axes.axhline(0, color="0.7", lw=0.8, zorder=0)
axes.set(xscale="log", xlabel="classes", ylabel="gain in accuracy")
axes.legend(frameon=False, fontsize="small")
