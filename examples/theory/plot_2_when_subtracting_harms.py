"""
When does subtracting the reference do harm?
============================================

A model may learn to subtract the whole reference, too much of it, or too little.
The weight on the reference decides. This example draws the AUROC over weight and
correlation, so that one sees where the pair falls below the query alone.
"""

import matplotlib.pyplot as plt
import numpy as np

from theory import PairedModel

rho, weight = np.linspace(0, 0.95, 39), np.linspace(0, 1.5, 31)
models = [PairedModel(d=1.0, rho=r) for r in rho]
single = models[0].auc("single")  # the same at every correlation
gain = np.array([[model.auc(w) - single for model in models] for w in weight])

figure, axes = plt.subplots(figsize=(7.4, 5))
limit = 0.25
colours = axes.contourf(
    rho, weight, gain.clip(-limit, limit), np.linspace(-limit, limit, 21), cmap="RdBu"
)
axes.contour(rho, weight, gain, [0], colors="black")
axes.plot(rho, rho, "k--", label="best weight: rho")
axes.axhline(1, color="0.3", lw=1)
axes.text(0.93, 1.02, "plain difference", ha="right", va="bottom")
axes.set(xlabel="correlation of query and reference", ylabel="weight on the reference")
axes.legend(loc="upper left")
figure.colorbar(
    colours, label="AUROC, pair minus single", ticks=[-0.2, -0.1, 0, 0.1, 0.2]
)
plt.show()

# %%
# In blue the pair is better, in red it is worse; on the black line the reference makes
# no difference. A weight of up to twice ``rho`` gains something. So a small weight is
# safe, while the plain difference needs a correlation above 1/2.
#
# :doc:`Statement T1 </explanation/statements/t1>` gives the formula, and
# :doc:`statement T12 </explanation/statements/t12>` the cost of a wrong weight.
