"""
Can a reference be too similar?
===============================

A reference that is chosen because it *looks like* the query may also look diseased. The
tighter the match, the more of the signal it inherits. The theory of retrieval gives the
best tightness.
"""

import matplotlib.pyplot as plt
import numpy as np

from theory import value

noise = np.geomspace(0.05, 20, 30)  # of the embedding: small means a tight match
common = {"emb": "iso", "A": 9.0, "E": 1.0}
areas = [value("T7", "auc", N=n, delta=3.0, rule="difference", **common) for n in noise]
shares = [value("T7", "leaked_share", N=n, **common) for n in noise]
alike = [value("T7", "matched_correlation", N=n, **common) for n in noise]

figure, axes = plt.subplots()
axes.plot(noise, areas, color="#D55E00", label="AUROC of the difference")
axes.plot(noise, alike, color="#0072B2", ls="--", label="correlation with the query")
axes.plot(noise, shares, color="#E69F00", ls=":", label="share of the signal inherited")
axes.set(
    xscale="log",
    xlabel="noise of the embedding (left: tight match, right: almost random)",
    ylim=(0, 1),
)
axes.legend()
plt.show()

# %%
# From right to left the reference becomes more like the query, and first the AUROC
# rises with it. With a still tighter match it falls: what is subtracted then contains
# the disease.
#
# :doc:`Statement T7 </explanation/statements/t7>` derives the three curves.
