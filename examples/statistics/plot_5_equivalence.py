"""
Can one say that the reference makes no difference?
===================================================

A large p-value does not show that two arms are alike. Equivalence is shown when the
whole interval lies within a margin, which is fixed before the data are seen.
"""

import matplotlib.pyplot as plt
from paper_figures.statistics import equivalence, paired_difference

margin = 0.05
studies = {  # right in A only, right in B only, all items
    "100 patients": (8, 7, 100),
    "500 patients": (40, 36, 500),
    "2000 patients": (160, 150, 2000),
}

figure, axes = plt.subplots(figsize=(7.4, 3.2))
axes.axvspan(-margin, margin, color="#009E73", alpha=0.15, lw=0)
for place, (name, (n10, n01, n)) in enumerate(studies.items()):
    both = (n - n10 - n01) // 2
    found = paired_difference(both, n10, n01, n - n10 - n01 - both)
    test = equivalence(n10, n01, n, margin=margin)
    low, high = found.intervals["tango"]
    axes.plot([low, high], [place, place], color="#0072B2", lw=3)
    axes.plot(found.difference, place, "o", ms=9, color="#0072B2")
    p = f"p = {test.p:.3f}" if test.p >= 0.001 else "p < 0.001"
    axes.text(0.115, place, p, va="center")
axes.axvline(0, color="black", lw=1)
axes.set(
    yticks=range(len(studies)),
    yticklabels=studies,
    ylim=(-0.6, len(studies) - 0.4),
    xlim=(-0.11, 0.16),
    xlabel="difference in accuracy, with 95 % interval; green: within the margin",
)
axes.invert_yaxis()
plt.show()

# %%
# The p-value is that of *equivalence*: small means alike. A small study cannot show
# equivalence even when the arms are equal. Both claims, a difference and its absence,
# need patients.
#
# See :py:func:`paper_figures.statistics.equivalence` for the score test and
# :py:func:`paper_figures.statistics.tost` for other estimates.
