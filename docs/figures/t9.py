"""Information that a reference adds (T9)."""

from __future__ import annotations

import numpy as np
from house import panels

from paper_figures.plotting.style import LINES
from theory.statements.t9_information import mi_gain_nats

rho = np.linspace(0, 0.95, 96)
figure, axes = panels()
for d, colour in zip((0.5, 1.0, 2.0), LINES, strict=False):
    axes.plot(rho, mi_gain_nats(d, rho), color=colour, label=f"effect d = {d:g}")
axes.set(xlabel="correlation ρ of query and reference", ylabel="information gained (nats)")
axes.legend()
