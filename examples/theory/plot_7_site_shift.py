"""
Can a reference undo the shift of a scanner?
============================================

A threshold set at one hospital may be wrong at the next, because its scanner brightens
every image. A reference from the same scanner shows the shift; one from another
scanner adds a shift of its own.
"""

import matplotlib.pyplot as plt
import numpy as np

from theory import value

tau = np.linspace(0, 2, 41)
rules = {
    "query alone": ("#5f6873", {"rule": "single"}),
    "minus 4 references of the same site": ("#D55E00", {"rule": "same_diff"}),
    "the same, with the best weight": ("#0072B2", {"rule": "same_shrink"}),
    "minus 4 references of other sites": (
        "#CC79A7",
        {"rule": "cross_diff", "sites": "many"},
    ),
}

figure, axes = plt.subplots()
for words, (colour, options) in rules.items():
    errors = [value("T5", "error", delta=2.0, tau=t, m=4, **options) for t in tau]
    axes.plot(tau, errors, color=colour, label=words)
axes.set(
    xlabel="spread of the sites' offsets (standard deviations of an image)",
    ylabel="error rate, averaged over sites",
    ylim=(0, None),
)
axes.legend(loc="lower right")
plt.show()

# %%
# References of the same site win as soon as sites differ by more than half a standard
# deviation (with four references), and the best weight never loses. References of other
# sites make the error larger at every spread.
#
# :doc:`Statement T5 </explanation/statements/t5>` derives the curves.
