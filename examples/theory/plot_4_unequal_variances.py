"""
What if disease also widens the spread?
=======================================

The simplest theory lets disease shift a score and leaves its spread alone. Real
patients differ in how ill they are. This example compares the predicted gain when the
diseased vary more than the healthy.
"""

import matplotlib.pyplot as plt
import numpy as np

from theory import value

rho = np.linspace(0, 0.95, 40)

figure, axes = plt.subplots()
for spread in (1.0, 1.25, 1.5):
    single = value("T14", "auc", d=1.5, rho=0.0, sd=spread, rule="single")
    pair = [value("T14", "auc", d=1.5, rho=r, sd=spread, rule="optimal") for r in rho]
    label = "equal spread" if spread == 1 else f"{spread:g} times the healthy spread"
    axes.plot(rho, np.subtract(pair, single), label=label)
axes.set(
    xlabel="correlation of query and reference",
    ylabel="AUROC, pair minus single",
    xlim=(0, 1),
    ylim=(0, None),
)
axes.legend(title="spread of the diseased")
plt.show()

# %%
# The reference cannot remove what differs between the diseased themselves. A measured
# gain below the curve of equal spread may have this reason, and need not mean that the
# model reads the reference badly.
#
# :doc:`Statement T14 </explanation/statements/t14>` has closed forms, also for the ROC
# curve that leans to one side.
