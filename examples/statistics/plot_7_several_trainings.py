"""
Would another training give the same result?
============================================

A finetuned model depends on its seed. To speak of the *method*, train each arm several
times and count trainings and patients both as random.
"""

import matplotlib.pyplot as plt
import numpy as np
from paper_figures.statistics import delong, random_factors_contrast

rng = np.random.default_rng(4)
trainings, labels = 6, np.arange(200) % 2
patient = rng.normal(size=200)
skill = {"pair": 1.5, "single": 1.1}
scores = {
    arm: (effect + 0.25 * rng.normal(size=(trainings, 1))) * labels
    + 0.7 * patient
    + 0.7 * rng.normal(size=(trainings, 200))
    for arm, effect in skill.items()
}

found = random_factors_contrast([scores["pair"], scores["single"]], labels)
fixed = random_factors_contrast(
    [scores["pair"], scores["single"]], labels, fixed=["seeds"]
)
areas = {arm: delong(values, labels).auc for arm, values in scores.items()}

figure, (left, right) = plt.subplots(1, 2, width_ratios=[3, 2])
for place, (arm, colour) in enumerate({"pair": "#0072B2", "single": "#5f6873"}.items()):
    left.plot(
        np.full(trainings, place), areas[arm], "o", ms=7, mfc="none", color=colour
    )
    left.plot(place, areas[arm].mean(), "_", ms=30, mew=3, color=colour)
left.set(
    xticks=[0, 1], xticklabels=skill, xlim=(-0.5, 1.5), ylabel="AUROC of each training"
)
for place, (result, colour) in enumerate(((found, "#0072B2"), (fixed, "#D55E00"))):
    right.plot([place, place], result.interval, color=colour, lw=3)
    right.plot(place, result.estimate, "o", ms=9, color=colour)
right.axhline(0, color="black", lw=1)
right.set(
    xticks=[0, 1],
    xticklabels=["any\ntraining", "these\ntrainings"],
    xlim=(-0.5, 1.5),
    ylabel="AUROC, pair minus single",
)
plt.show()

# %%
# The shorter interval is right for these twelve models only. The longer one holds for
# the two recipes of training, which is what a paper claims.
#
# :py:func:`paper_figures.statistics.mrmc` gives the published analyses for readers,
# and :doc:`multireader studies </explanation/multireader>` explains them.
