"""
How much does a reference help?
===============================

A healthy reference helps because it shares something with the query: anatomy,
scanner, age. The correlation of the two scores, ``rho``, says how much. This example
draws the smallest possible error against ``rho``, for three ways to read the pair.
"""

import matplotlib.pyplot as plt
import numpy as np

from theory import PairedModel

rho = np.linspace(0, 0.98, 50)
rules = {
    "single": ("the query alone", "#5f6873"),
    "difference": ("query minus reference", "#D55E00"),
    "optimal": ("query minus rho times reference", "#0072B2"),
}

figure, axes = plt.subplots()
for rule, (words, colour) in rules.items():
    errors = [PairedModel(d=1.0, rho=r).error(rule) for r in rho]
    axes.plot(rho, errors, color=colour, label=words)
axes.set(
    xlabel="correlation of query and reference",
    ylabel="error rate at prevalence 1/2",
    xlim=(0, 1),
    ylim=(0, None),
)
axes.legend()
plt.show()

# %%
# The plain difference is worse than the query alone below ``rho = 1/2``, and better
# above it. The optimal rule takes only ``rho`` times the reference off, and never
# loses. Most of the gain comes late: a correlation of 0.5 saves little, one of 0.9 a
# great deal.
#
# :doc:`Statement T1 </explanation/statements/t1>` derives the three curves.
