"""
What can the pocket model do before it sees medicine?
=====================================================

The bundled model was trained on drawings: is there a defect, which one is odd, are two
the same? This example shows how each skill grew, since comparing is what the studies
are about.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

KEPT = Path("../../docs/results/pocket-pretraining")
table = pd.read_csv(KEPT / "learning_curve.csv")

figure, (left, right) = plt.subplots(1, 2, figsize=(7.4, 4.2))
for axes, measure in ((left, "AUROC"), (right, "accuracy")):
    for kind, rows in table[table["measure"] == measure].groupby("kind"):
        axes.plot(rows["step"] / 1000, rows["value"], "o-", ms=4, label=kind)
        axes.fill_between(rows["step"] / 1000, rows["low"], rows["high"], alpha=0.12)
    axes.set(xlabel="training steps (thousands)", ylabel=measure, ylim=(0, 1.02))
    axes.legend()
plt.show()

# %%
# Whether two drawings are the same is soon answered almost without error; which of four
# is the odd one stays near chance, 0.25. Bands are 95 % intervals over the questions.
#
# See :doc:`how the pocket model was made </results/pocket-pretraining/README>`.
