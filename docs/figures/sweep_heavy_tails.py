"""The gain found by ranks and by formulas for normal scores, over the tails of the shared nuisance (T12.3, T12.4)."""

from __future__ import annotations

import numpy as np
from house import legend_below, panels
from sweep_tables import SIZE, nominal, points, table

from paper_figures.plotting.style import BLUE, INK, RED

figure, (left, right) = panels(2, **SIZE)
for axes, measure, column in ((left, "bias", "estimate"), (right, "coverage", "value")):
    rows = table("heavy_tails", measure)
    rows = rows.assign(place=rows["nu"].map({nu: place for place, nu in enumerate(rows["nu"].unique())}))
    if measure == "bias":
        truth = rows.drop_duplicates("place")
        axes.plot(truth["place"], truth["truth"], color=INK, lw=1.6, label="true gain")
    for method, colour in (("ranks", BLUE), ("normal theory", RED)):
        points(axes, rows[rows["method"] == method], "place", column, color=colour, fmt="o-", label=method)
    ticks = ["∞" if np.isinf(nu) else f"{nu:g}" for nu in rows["nu"].unique()]
    axes.set(xticks=range(len(ticks)), xticklabels=ticks, xlabel="degrees of freedom of what varies (∞: normal)")
left.set(ylabel="gain in AUROC by subtracting")
right.set(ylabel="coverage of 95 % intervals", ylim=(0, 1.02))
nominal(right)
legend_below(figure, left, 3)
