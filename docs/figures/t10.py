"""Predicted gain with its delta-method interval (T10)."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from theory.models.variance_components import auc_gain, gain_standard_error

rho = np.linspace(0, 0.9, 181)
gain, used = auc_gain(1.0, rho), rho >= 0.15
figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
for n, shade in ((100, 0.25), (500, 0.5)):
    half = 1.96 * gain_standard_error(1.0, rho, n, n)
    axes.fill_between(rho[used], (gain - half)[used], (gain + half)[used], color="C0", alpha=shade, lw=0, label=f"{n} per class")
axes.plot(rho[used], gain[used], "k")
axes.plot(rho[~used], gain[~used], "k--")
axes.set(xlabel="correlation of query and reference", ylabel="predicted gain in AUROC")
axes.legend(frameon=False, loc="upper left")
