"""
When matching gives the answer away
===================================

References matched on age are older for older patients. If age predicts the disease,
the reference alone then tells the class: it leaks. This example shows what the leak
does to each rule, at one correlation.
"""

import matplotlib.pyplot as plt
import numpy as np

from theory import value

share = np.linspace(0, 1, 41)
rules = {
    "single": ("query alone", "#5f6873"),
    "difference": ("query minus reference", "#D55E00"),
    "optimal": ("best use of both", "#0072B2"),
    "reference_only": ("reference alone", "#944F38"),
}

figure, axes = plt.subplots()
for rule, (words, colour) in rules.items():
    aucs = [value("T13", "leaked_auc", d=1.2, rho=0.7, s=s, rule=rule) for s in share]
    axes.plot(share, aucs, color=colour, label=words)
axes.set(
    xlabel="share of the disease's signal that the reference carries",
    ylabel="AUROC",
    xlim=(0, 1),
)
axes.legend()
plt.show()

# %%
# With a larger leak the difference loses: it subtracts the signal along with the
# nuisance. Even the best use of both gains nothing where the share equals the
# correlation (0.7 here). The reference alone rises from chance, and that is the warning
# sign: score the control arm ``reference_only`` before you believe a gain of the pair.
#
# :doc:`Statement T13 </explanation/statements/t13>` derives the curves, and
# :py:func:`paper_figures.statistics.estimate_leak` estimates the share from scores.
