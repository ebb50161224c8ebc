"""
How many patients does a trial save?
====================================

A healthy reference also makes an *effect* cheaper to measure, as a baseline does in a
randomised trial. This example counts the patients per group that are needed for 80 %
power, exactly, for three analyses.
"""

import matplotlib.pyplot as plt
import numpy as np

from theory import value

rho = np.linspace(0, 0.9, 19)
analyses = {
    "ttest": ("queries only (t test)", "#5f6873"),
    "change": ("query minus reference (change score)", "#D55E00"),
    "ancova": ("reference as covariate (ANCOVA)", "#0072B2"),
}

figure, axes = plt.subplots()
for analysis, (words, colour) in analyses.items():
    n = [
        value("T15", "n_exact", rho=r, d=0.5, analysis=analysis, power=0.8) for r in rho
    ]
    axes.plot(rho, n, "o-", ms=4, color=colour, label=words)
axes.set(
    xlabel="correlation of query and reference",
    ylabel="patients per group",
    yscale="log",
    yticks=[16, 32, 64, 128],
    yticklabels=["16", "32", "64", "128"],
)
axes.minorticks_off()
axes.legend()
plt.show()

# %%
# The change score doubles the trial when the reference is unrelated, and breaks even at
# 1/2. ANCOVA estimates how much to subtract, so it hardly ever costs patients: at a
# correlation of 0.7 it needs about half of them.
#
# See :doc:`statement T3 </explanation/statements/t3>` for the variances and
# :doc:`statement T15 </explanation/statements/t15>` for exact power in small trials.
