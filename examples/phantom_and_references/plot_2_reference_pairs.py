"""
What does a correlation of 0.9 look like?
=========================================

The correlation of query and reference is the number that decides whether a reference
helps. This example shows one query beside references at four correlations, and the
difference of the two images. The nodule is brighter than usual, so that one can see it.
"""

import tempfile

import matplotlib.pyplot as plt
import numpy as np
from empirical import PhantomConfig, make_phantom

figure, panels = plt.subplots(4, 3, figsize=(6, 8))
for row, rho in zip(panels, (0.0, 0.5, 0.8, 0.95), strict=True):
    config = PhantomConfig(
        n_train=0, n_val=0, n_test=4, size=48, rho=rho, lesion={"detectability": 3}
    )
    cohort = make_phantom(config, tempfile.mkdtemp(), seed=3)
    table = cohort.table
    query = table[table["label"] == "nodule"].iloc[0]
    relative = table[
        (table["family"] == query["family"]) & (table["split"] == "reference")
    ]
    pixels = [
        np.asarray(cohort.image(item).convert("L"), dtype=float)
        for item in (query["item_id"], relative["item_id"].iloc[0])
    ]
    for axes, image in zip(row, pixels):
        axes.imshow(image, cmap="gray", vmin=0, vmax=255)
    row[2].imshow(pixels[0] - pixels[1], cmap="gray", vmin=-60, vmax=60)
    row[0].set_ylabel(f"rho = {rho}")
for axes, name in zip(panels[0], ("query", "reference", "difference")):
    axes.set_title(name)
for axes in panels.flat:
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
plt.show()

# %%
# With an unrelated reference the difference is noisier than the query. At 0.95 almost
# everything cancels, and the nodule remains.
#
# The curve behind it is
# :ref:`sphx_glr_gallery_theory_plot_1_error_against_correlation.py`.
