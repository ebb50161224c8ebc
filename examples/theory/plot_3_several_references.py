"""
Is one reference enough?
========================

Several references average their own noise away. How many are worth their cost depends
on how alike they are: ten near-duplicates say little more than one image.
"""

import matplotlib.pyplot as plt
import numpy as np

from theory import PairedModel

m = np.arange(1, 13)
figure, axes = plt.subplots()
for rho_rr in (0.4, 0.6, 0.8):
    models = [PairedModel(d=1.0, rho=0.6, m=k, rho_rr=rho_rr) for k in m.tolist()]
    aucs = [model.auc("optimal") for model in models]
    axes.plot(m, aucs, "o-", label=f"references correlate {rho_rr} with each other")
axes.axhline(
    PairedModel(d=1.0).auc("single"), color="#5f6873", ls=":", label="no reference"
)
axes.set(xlabel="number of references", ylabel="AUROC, optimal rule", ylim=(0.7, None))
axes.legend()
plt.show()

# %%
# Each further reference adds less than the one before. References that correlate 0.8
# with each other, but 0.6 with the query, add almost nothing after the second.
#
# :doc:`Statement T2 </explanation/statements/t2>` has the formula and its limit for
# many references.
