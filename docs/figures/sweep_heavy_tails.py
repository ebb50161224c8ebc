"""The gain found by ranks and by formulas for normal scores, over the tails of the shared nuisance (T12.3, T12.4)."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from sweep_tables import SIZE, nominal, points, table

figure, (left, right) = plt.subplots(1, 2, figsize=SIZE, layout="constrained")
for axes, measure, column in ((left, "bias", "estimate"), (right, "coverage", "value")):
    rows = table("heavy_tails", measure)
    rows = rows.assign(place=rows["nu"].map({nu: place for place, nu in enumerate(rows["nu"].unique())}))
    if measure == "bias":
        truth = rows.drop_duplicates("place")
        axes.plot(truth["place"], truth["truth"], "k", lw=1.2, label="true gain")
    for method, colour in (("ranks", "C0"), ("normal theory", "C3")):
        points(axes, rows[rows["method"] == method], "place", column, color=colour, fmt="o-", label=method)
    ticks = ["∞" if np.isinf(nu) else f"{nu:g}" for nu in rows["nu"].unique()]
    axes.set(xticks=range(len(ticks)), xticklabels=ticks, xlabel="degrees of freedom of the nuisance")
left.set(ylabel="gain in AUROC by subtracting")
right.set(ylabel="coverage", ylim=(0, 1.02))
left.legend(frameon=False)
nominal(right)
