"""
Compare measures at a glance: a lolly plot
==========================================

Is an interval trustworthy when scores have heavy tails? The lollies show by how much
each method misses its nominal coverage, with the Monte Carlo error, so that noise is
not taken for a result.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

KEPT = Path("../../docs/results/sweeps")
table = pd.read_csv(KEPT / "heavy_tails" / "performance.csv")
table = table[table["measure"] == "coverage"]
freedom = sorted(table["nu"].unique())

figure, axes = plt.subplots()
for shift, colour, (method, rows) in zip(
    (-0.12, 0.12), ("#D55E00", "#0072B2"), table.groupby("method"), strict=True
):
    rows = rows.set_index("nu").loc[freedom]
    places = np.arange(len(freedom)) + shift
    axes.vlines(places, 0.95, rows["value"], color=colour, lw=1.5)
    axes.errorbar(
        places, rows["value"], 1.96 * rows["mcse"], fmt="o", ms=7, capsize=3,
        color=colour, label=method,
    )  # fmt: skip
axes.axhline(0.95, color="black", lw=1)
axes.set(
    xticks=range(len(freedom)),
    xticklabels=["normal" if np.isinf(nu) else f"{nu:g}" for nu in freedom],
    xlabel="degrees of freedom of the t distribution (left: heavy tails)",
    ylabel="coverage of a 95 % interval",
)
axes.legend()
plt.show()

# %%
# The interval that assumes normal scores breaks down where tails are heavy. The one
# that uses ranks only, as the AUROC does, holds everywhere.
#
# Run it with ``see-in-pairs sweep heavy_tails``; the designs are listed in
# :doc:`ready simulation studies </explanation/ready_simulation_studies>`.
