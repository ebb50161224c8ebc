"""
Is it the disease, or only the age?
===================================

Where patients are older than controls, an image that shows age has an AUROC above 1/2
without showing any disease. The adjusted AUROC compares people of the same age.
"""

import matplotlib.pyplot as plt
import numpy as np
from paper_figures.statistics import covariate_adjusted_auroc, delong

rng = np.random.default_rng(6)
labels = np.arange(300) % 2
age = 50 + 8 * rng.normal(size=300) + 10 * labels
scores = {
    "sees age only": 0.1 * age + rng.normal(size=300),
    "sees disease only": 1.2 * labels + rng.normal(size=300),
    "sees both": 0.1 * age + 1.2 * labels + rng.normal(size=300),
}

plain = delong(list(scores.values()), labels)
adjusted = covariate_adjusted_auroc(list(scores.values()), labels, {"age": age})

figure, axes = plt.subplots(figsize=(7.4, 3.4))
for shift, colour, name, areas, interval in (
    (-0.1, "#5f6873", "all pairs of patients", plain.auc, plain.interval),
    (0.1, "#0072B2", "among people of one age", adjusted.auc, adjusted.interval),
):
    places = np.arange(len(scores)) + shift
    ends = np.array([interval(row) for row in range(len(scores))])
    axes.hlines(places, ends[:, 0], ends[:, 1], color=colour, lw=3)
    axes.plot(areas, places, "o", ms=8, color=colour, label=name)
axes.axvline(0.5, color="black", lw=1, ls=":")
axes.set(
    yticks=range(len(scores)),
    yticklabels=scores,
    ylim=(2.5, -0.5),
    xlabel="AUROC, with 95 % interval",
)
axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
plt.show()

# %%
# Adjusted for age, the first model falls to chance and the second does not move. A
# reference of the same age works the same way: it can only remove what age explains.
#
# The command line has it as ``see-in-pairs compare --adjust age``.
