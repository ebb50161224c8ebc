"""
What happened on real images?
=============================

On chest X-rays and skin lesions the pocket model was trained with and without
references. A forest plot shows the gain of each way to choose them.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

KEPT = Path("../../docs/results/pocket-real")
table = pd.read_csv(KEPT / "comparisons.csv")
table = table[
    (table["kind"] == "gain") & (table["n_train"] > 0) & (table["b"] == "single")
]
cohorts = {"nih": "chest X-rays (NIH)", "ham10000": "skin lesions (HAM10000)"}

figure, axes = plt.subplots(figsize=(7.4, 4))
names = []
for cohort, words in cohorts.items():
    rows = table[table["cohort"] == cohort]
    places = np.arange(len(rows)) + len(names)
    low, high = rows["difference"] - rows["low"], rows["high"] - rows["difference"]
    axes.errorbar(
        rows["difference"], places, xerr=[low, high], fmt="o", ms=7, label=words
    )
    names += list(rows["a"])
axes.axvline(0, color="black", lw=1)
axes.axvspan(-0.02, 0.02, color="#009E73", alpha=0.12, lw=0)
axes.set(
    yticks=range(len(names)),
    yticklabels=names,
    ylim=(len(names) - 0.5, -0.5),
    xlabel="AUROC minus that of the single image, with 95 % interval",
)
axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
plt.show()

# %%
# No interval excludes zero: on these two sets, with this small model, references did
# not help. The green band is the margin of 0.02 below which a gain would not be worth
# having. Most intervals reach beyond it, so a small gain is not excluded either.
#
# ``duplicate`` is a control, the query shown twice. See
# :doc:`the study on real images </results/pocket-real/README>`.
