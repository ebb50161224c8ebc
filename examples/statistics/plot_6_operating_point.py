"""
How many more cases are found at 90 % specificity?
==================================================

A clinic works at one threshold. This example sets each arm's threshold to a
specificity of 90 % and compares the sensitivities there; the bootstrap allows for the
thresholds, which are estimated too.
"""

import matplotlib.pyplot as plt
import numpy as np
from paper_figures.statistics import measures_at_specificity

rng = np.random.default_rng(2)
labels = np.arange(400) % 2
patient = rng.normal(size=400)
single = 1.2 * labels + patient + 0.6 * rng.normal(size=400)
pair = single - 0.7 * (patient + 0.6 * rng.normal(size=400))  # minus the reference

found = measures_at_specificity(pair, single, labels, 0.9, resamples=500)
print(f"sensitivity, pair:   {found.sensitivity.a:.3f}")
print(f"sensitivity, single: {found.sensitivity.b:.3f}")
low, high = found.sensitivity.interval
print(f"difference: {found.sensitivity.estimate:.3f} [{low:.3f}, {high:.3f}]")

# %%

figure, panels = plt.subplots(2, 1, sharex=True, sharey=True, figsize=(7.4, 5))
bins = np.linspace(-3.5, 4.5, 41)
for axes, scores, name, threshold in zip(
    panels, (pair, single), ("pair", "single"), found.thresholds, strict=True
):
    axes.hist(scores[labels == 0], bins, color="#009E73", alpha=0.6, label="healthy")
    axes.hist(scores[labels == 1], bins, color="#D55E00", alpha=0.6, label="diseased")
    axes.axvline(threshold, color="black", lw=1.5)
    axes.set(title=name, ylabel="patients")
panels[0].legend()
panels[1].set_xlabel("score; line: threshold at 90 % specificity")
plt.show()

# %%
# The reference narrows both distributions, so that fewer diseased patients fall to the
# left of the line. To compare at a threshold that was fixed in advance use
# :py:func:`paper_figures.statistics.measures_at_threshold`.
