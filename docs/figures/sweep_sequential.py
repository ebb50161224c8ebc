"""Experiments that look while patients come in: false alarms and power, patients, and the bias of the gain."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from sweep_tables import nominal, points, table

STUDY = "sequential"
rejected = pd.concat([table(STUDY, "type_1_error"), table(STUDY, "power")])
shown = (("share that reject", rejected), ("mean patients", table(STUDY, "mean:patients")), ("bias of the gain", table(STUDY, "bias")))
figure, panels = plt.subplots(1, 3, figsize=(10.2, 3.6), layout="constrained")
for axes, (name, rows) in zip(panels, shown, strict=True):
    for colour, (method, own) in zip(("k", "C3", "C1", "C0", "C2"), rows.groupby("method", sort=False), strict=True):
        points(axes, own.sort_values("rho"), "rho", color=colour, fmt="o-", label=method)
    axes.set(xlabel="correlation (no gain at 0.5)", ylabel=name)
nominal(panels[0], 0.05)
nominal(panels[2], 0.0)
panels[1].legend(frameon=False, fontsize=9, loc="lower left")
