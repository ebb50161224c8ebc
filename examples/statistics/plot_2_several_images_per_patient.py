"""
What if patients have several images?
=====================================

Four images of one patient are not four patients. A test that takes them for
independent finds intervals that are too short. This example compares DeLong's interval
with one that counts patients.
"""

import matplotlib.pyplot as plt
import numpy as np
from paper_figures.statistics import clustered_auroc_difference, delong

rng = np.random.default_rng(3)
patients, images = 40, 4
patient = np.repeat(np.arange(patients), images)
labels = patient % 2
common = rng.normal(size=(2, patients))[:, patient]  # a patient's own level, by arm
scores = common + 0.5 * rng.normal(size=(2, patients * images))
scores += np.array([[1.6], [1.0]]) * labels

wrong = delong(*scores, labels).difference()
right = clustered_auroc_difference(*scores, labels, clusters=patient)
print(f"images as independent: p = {wrong.p:.4f}")
print(f"by patient:            p = {right.p:.4f}, {right.df:.0f} degrees of freedom")

# %%

figure, axes = plt.subplots(figsize=(7.4, 2.6))
rows = {
    "by patient": (right.estimate, right.interval, "#0072B2"),
    "images as independent": (wrong.difference, wrong.interval, "#D55E00"),
}
for place, (estimate, (low, high), colour) in enumerate(rows.values()):
    axes.plot([low, high], [place, place], color=colour, lw=3)
    axes.plot(estimate, place, "o", ms=9, color=colour)
axes.axvline(0, color="black", lw=1)
axes.set(
    yticks=range(len(rows)),
    yticklabels=rows,
    ylim=(-0.6, 1.6),
    xlabel="AUROC, arm A minus arm B, with 95 % interval",
)
plt.show()

# %%
# The estimate is the same; the honest interval is about twice as long. Give the
# patient of every image to ``clusters=`` wherever a function has it.
#
# How often the tests reject when nothing differs is shown in
# :doc:`error rates of the tests </results/error-rates/README>`.
