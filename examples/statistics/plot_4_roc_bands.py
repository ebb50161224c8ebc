"""
How sure is a whole ROC curve?
==============================

An interval of the area says nothing about the curve at one threshold. These bands
cover the whole true curve with 95 % probability, so that one may look anywhere.
"""

import matplotlib.pyplot as plt
import numpy as np
from paper_figures.statistics import roc_bands

rng = np.random.default_rng(8)
labels = np.arange(240) % 2
patient = rng.normal(size=240)
scores = {
    "pair": 1.6 * labels + 0.4 * patient + rng.normal(size=240),
    "single": 1.0 * labels + 0.8 * patient + rng.normal(size=240),
}

bands = roc_bands(list(scores.values()), labels, resamples=500)

figure, axes = plt.subplots(figsize=(5.6, 5.2))
for arm, (name, colour) in enumerate(zip(scores, ("#0072B2", "#5f6873"), strict=True)):
    edge_x = np.concatenate([bands.lower_fpr[arm], bands.upper_fpr[arm][::-1]])
    edge_y = np.concatenate([bands.lower_tpr[arm], bands.upper_tpr[arm][::-1]])
    axes.fill(edge_x, edge_y, color=colour, alpha=0.18, lw=0)
    axes.plot(bands.fpr[arm], bands.tpr[arm], color=colour, label=name)
axes.plot([0, 1], [0, 1], color="black", lw=1, ls=":")
axes.set(
    xlabel="1 minus specificity",
    ylabel="sensitivity",
    xlim=(0, 1),
    ylim=(0, 1),
    aspect=1,
)
axes.legend(loc="lower right")
plt.show()

# %%
# The bands are wide with 120 patients of each class. Where the two overlap, the curves
# themselves may still differ: test the difference, not the overlap.
#
# See :py:func:`paper_figures.statistics.roc_bands`, also for clustered items.
