"""Experiments that look while patients come in: false alarms and power, patients, and the bias of the gain."""

from __future__ import annotations

import pandas as pd
from house import legend_below, panels
from sweep_tables import nominal, points, table

from paper_figures.plotting.style import BLUE, GREEN, INK, ORANGE, RED

STUDY = "sequential"
rejected = pd.concat([table(STUDY, "type_1_error"), table(STUDY, "power")])
shown = (("share that reject", rejected), ("mean patients", table(STUDY, "mean:patients")), ("bias of the gain", table(STUDY, "bias")))
figure, axes_of = panels(3, width=13.2, height=5.4)
for axes, (name, rows) in zip(axes_of, shown, strict=True):
    for colour, (method, own) in zip((INK, RED, ORANGE, BLUE, GREEN), rows.groupby("method", sort=False), strict=True):
        points(axes, own.sort_values("rho"), "rho", color=colour, fmt="o-", label=method)
    axes.set(xlabel="correlation ρ (no gain at 0.5)", ylabel=name)
nominal(axes_of[0], 0.05)
nominal(axes_of[2], 0.0)
legend_below(figure, axes_of[1], 3)
