"""Predicted gain with its delta-method interval (T10)."""

from __future__ import annotations

import numpy as np
from house import panels

from paper_figures.plotting.style import BLUE, INK
from theory.models.variance_components import auc_gain, gain_standard_error

rho = np.linspace(0, 0.9, 181)
gain, used = auc_gain(1.0, rho), rho >= 0.15
figure, axes = panels()
for n, shade in ((100, 0.22), (500, 0.5)):
    half = 1.96 * gain_standard_error(1.0, rho, n, n)
    label = f"95 % interval, {n} patients a class"
    axes.fill_between(rho[used], (gain - half)[used], (gain + half)[used], color=BLUE, alpha=shade, lw=0, label=label)
axes.plot(rho[used], gain[used], color=INK, label="predicted gain")
axes.plot(rho[~used], gain[~used], color=INK, ls="--", label="where the interval is not to be used")
axes.set(xlabel="correlation ρ of query and reference", ylabel="predicted gain in AUROC")
axes.legend(loc="upper left")
