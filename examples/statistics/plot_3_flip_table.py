"""
Which patients does the reference help, and which does it harm?
===============================================================

An accuracy that does not change may hide many changed answers. The flip table counts
those that the reference corrects and those that it spoils; McNemar's test compares the
two counts.
"""

import matplotlib.pyplot as plt
import numpy as np
from paper_figures.statistics import flip_table, mcnemar

rng = np.random.default_rng(5)
labels = np.arange(300) % 2
patient = rng.normal(size=300)
single = 1.5 * labels + patient + 0.8 * rng.normal(size=300)
pair = 1.5 * labels + 0.5 * patient + 0.8 * rng.normal(size=300)
single_right = (single > 0.75) == labels
pair_right = (pair > 0.75) == labels

flips = flip_table(single_right, pair_right)
test = mcnemar(pair_right, single_right)
print(flips)
print(f"McNemar's exact test: p = {test.exact:.4f}")

# %%

figure, axes = plt.subplots(figsize=(7.4, 2.8))
bars = {"corrected by the reference": (flips.beneficial, "#0072B2"),
        "spoiled by the reference": (flips.harmful, "#D55E00")}  # fmt: skip
for place, (flip, colour) in enumerate(bars.values()):
    low, high = 100 * np.array(flip.interval)
    axes.barh(place, 100 * flip.share, color=colour)
    axes.plot([low, high], [place, place], color="black", lw=1.5)
    axes.text(high + 0.5, place, f"{flip.items:.0f} patients", va="center")
axes.set(
    yticks=range(len(bars)),
    yticklabels=bars,
    xlabel="share of 300 patients (%), with 95 % interval",
    xlim=(0, 30),
)
axes.invert_yaxis()
plt.show()

# %%
# The test needs only these two counts: patients on whom both arms are right, or both
# are wrong, say nothing about the difference. With several images a patient, give
# ``clusters=`` to the flip table and use a clustered test.
