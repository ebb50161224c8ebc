"""Information that a reference adds (T9)."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from theory.statements.t9_information import mi_gain_nats

rho = np.linspace(0, 0.95, 96)
figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
for d in (0.5, 1.0, 2.0):
    axes.plot(rho, mi_gain_nats(d, rho), label=f"d = {d:g}")
axes.set(xlabel="correlation of query and reference", ylabel="information gained (nats)")
axes.legend(frameon=False)
