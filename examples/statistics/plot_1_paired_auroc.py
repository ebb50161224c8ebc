"""
Is the AUROC higher with a reference?
=====================================

Both arms score the same patients, so their areas are correlated, and the test must
know it. This example compares them with DeLong's test and checks the p-value by
permutation.
"""

import matplotlib.pyplot as plt
import numpy as np
from paper_figures.statistics import auroc_permutation, delong

rng = np.random.default_rng(1)
labels = np.arange(200) % 2
patient = rng.normal(size=200)  # what query and reference share
single = 1.2 * labels + patient + 0.6 * rng.normal(size=200)
reference = patient + 0.6 * rng.normal(size=200)
pair = single - 0.7 * reference

areas = delong(pair, single, labels)
test = areas.difference()
check = auroc_permutation(pair, single, labels)
print(f"pair minus single: {test.difference:.3f}, p = {test.p:.4f} (DeLong)")
print(f"by permutation: p = {check.p:.4f}")

# %%
# The left panel shows each area with its interval. What the question asks for is on
# the right: the interval of the difference.

figure, (left, right) = plt.subplots(1, 2, width_ratios=[2, 1])
for place, arm, colour in ((0, "pair", "#0072B2"), (1, "single", "#5f6873")):
    low, high = areas.interval(place)
    left.errorbar(
        place, areas.auc[place], [[areas.auc[place] - low], [high - areas.auc[place]]],
        fmt="o", ms=8, capsize=4, color=colour,
    )  # fmt: skip
left.set(
    xticks=[0, 1], xticklabels=["pair", "single"], xlim=(-0.5, 1.5), ylabel="AUROC"
)
low, high = test.interval
right.errorbar(
    0, test.difference, [[test.difference - low], [high - test.difference]],
    fmt="o", ms=8, capsize=4, color="black",
)  # fmt: skip
right.axhline(0, color="black", lw=1)
right.set(xticks=[], ylabel="AUROC, pair minus single")
plt.show()

# %%
# The intervals of the two areas overlap, and yet the difference is clear: most of what
# the areas vary by is the choice of patients, and that is the same in both.
#
# Which test is recommended when is told in
# :doc:`choose a test </how-to/choose_a_test>`; all tests at once are in
# :py:func:`paper_figures.comparison.compare_arms`.
