"""
Three figures of your own scores
================================

A table with one row per item and arm is enough: ``item_id``, ``arm``, ``label`` and
``score``. Each figure below is one call, and the results of ``see-in-pairs evaluate``
can be given in place of the table.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from paper_figures import plot_auroc, plot_flip_table, plot_roc

rng = np.random.default_rng(1)
labels = np.arange(200) % 2
patient = rng.normal(size=200)  # what query and reference share
query = 1.2 * labels + patient + 0.6 * rng.normal(size=200)
pair = query - 0.7 * (patient + 0.6 * rng.normal(size=200))
arms = {"single": query - 0.6, "pair": pair - 0.6}
records = pd.concat(
    pd.DataFrame(
        {"item_id": np.arange(200), "arm": arm, "label": labels, "score": scores}
    )
    for arm, scores in arms.items()
)

# %%

plot_auroc(records)
plt.show()

# %%

plot_roc(records, resamples=500)
plt.show()

# %%
# Scores at or above the threshold are called diseased.

plot_flip_table(records, threshold=0)
plt.show()

# %%
# The first figure shows the area of each arm, the second the curves with bands that
# cover the whole curve, the third which answers change when the reference is added.
# Pass ``ax=`` to draw into axes of your own.
