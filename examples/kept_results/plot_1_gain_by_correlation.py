"""
Did a real training follow the theory?
======================================

The pocket model was finetuned on phantoms of seven correlations. Theory says what an
ideal observer would gain at each. This example draws both from the kept tables of the
training study.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

KEPT = Path("../../docs/results/pocket-phantom")
table = pd.read_csv(KEPT / "figures" / "gain_by_rho.csv")
rows = table[table["b"] == "single"].sort_values("rho")

figure, axes = plt.subplots()
axes.plot(
    rows["rho"], rows["ideal_difference"], color="#009E73",
    label="ideal observer of the pair",
)  # fmt: skip
axes.plot(
    rows["rho"], rows["ideal_of_plain_difference"], color="#D55E00", ls="--",
    label="ideal observer of the plain difference",
)  # fmt: skip
axes.errorbar(
    rows["rho"], rows["difference"],
    [rows["difference"] - rows["low"], rows["high"] - rows["difference"]],
    fmt="o", ms=8, capsize=4, color="#0072B2", label="finetuned model",
)  # fmt: skip
axes.axhline(0, color="black", lw=1)
axes.set(xlabel="correlation of query and reference", ylabel="AUROC, pair minus single")
axes.legend(loc="lower right")
plt.show()

# %%
# From ``rho = 0.75`` on the reference helps, as theory says. At low correlations the
# estimates lie near the curve of an observer who only subtracts, with wide intervals:
# no gain is shown there. At the right the model gains more than the ideal observer,
# because its single image had fallen short of the ideal one.
#
# See :doc:`the study </results/pocket-phantom/README>` for how it was trained.
