"""AUROC against the number of references for three correlations between them (T2)."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from theory.statements.t2_several_references import auc

m = np.arange(1, 17)
figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
for colour, rho_rr in zip(("C0", "C2", "C1"), (0.2, 0.4, 0.8), strict=True):
    axes.plot(m, auc(1.0, 0.4, rho_rr, np.minimum(m, 100), "optimal"), colour, label=f"optimal, references alike by {rho_rr}")
    axes.plot(m, auc(1.0, 0.4, rho_rr, m, "meandiff"), colour, ls="--", label=f"mean difference, {rho_rr}")
axes.axhline(auc(1.0, 0.0, 0.0, 1, "optimal"), color="k", ls=":", label="single")
axes.set(xlabel="references m", ylabel="AUROC")
axes.legend(frameon=False, fontsize=8)
