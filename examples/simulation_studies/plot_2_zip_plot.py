"""
Do the intervals cover? A zip plot
==================================

A 95 % interval should miss the truth in 5 of 100 repetitions. A zip plot stacks the
intervals of all repetitions, the most surprising on top, so that one sees how many miss
and on which side.
"""

import tempfile

import matplotlib.pyplot as plt
import numpy as np
from theory.sweeps import Study, run


def waiting_times(*, rng, n):
    return rng.exponential(size=n)


def normal_interval(data):
    margin = 1.96 * data.std(ddof=1) / np.sqrt(len(data))
    return {"lower": data.mean() - margin, "upper": data.mean() + margin}


study = Study(
    name="interval of a mean",
    generate=waiting_times,
    methods=[normal_interval],
    estimand=1.0,
    grid={"n": [10, 100]},
    replicates=1000,
)
results = run(study, tempfile.mkdtemp())
replicates = results.to_frame().merge(results.cells[["cell", "n"]])

# %%

sizes = sorted(replicates["n"].unique())
figure, panels = plt.subplots(1, 2, sharey=True, figsize=(7.4, 5))
for axes, size in zip(panels, sizes, strict=True):
    rows = replicates[replicates["n"] == size]
    centre, half = (
        (rows["lower"] + rows["upper"]) / 2,
        (rows["upper"] - rows["lower"]) / 2,
    )
    rows = rows.iloc[np.argsort(np.abs(centre - 1) / half)]
    covers = (rows["lower"] <= 1) & (rows["upper"] >= 1)
    rank = 100 * (np.arange(len(rows)) + 0.5) / len(rows)
    axes.hlines(
        rank, rows["lower"], rows["upper"], lw=0.4,
        color=np.where(covers, "#56B4E9", "#D55E00"),
    )  # fmt: skip
    axes.axvline(1, color="black", lw=1)
    axes.axhline(95, color="black", lw=1, ls=":")
    axes.set(
        title=f"n = {size}: {covers.mean():.1%} cover", xlabel="interval of the mean"
    )
panels[0].set(ylabel="percentile of surprise", ylim=(0, 100))
plt.show()

# %%
# Waiting times are skewed, and a normal interval of ten of them is too short: more than
# 5 % miss (orange), nearly all of them to the left of the truth. With a hundred values
# it is almost right.
#
# ``see-in-pairs sweep plot --kind zip`` draws the same for any study. The plot was
# proposed by :cite:t:`morris2019`.
