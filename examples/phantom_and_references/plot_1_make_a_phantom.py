"""
Make images whose truth is known
================================

The phantom is a simulated chest image: anatomy, scanner and noise are drawn from known
distributions, and a faint nodule is added to the diseased. This example makes a few and
looks at them.
"""

import tempfile

import matplotlib.pyplot as plt
from empirical import PhantomConfig, make_phantom

config = PhantomConfig(n_train=0, n_val=0, n_test=16, size=48, rho=0.9)
cohort = make_phantom(config, tempfile.mkdtemp(), seed=1)
queries = cohort.queries("test")
print(queries[["item_id", "label", "age", "sex", "site"]].head())

# %%
# Every query has an image. The diseased have a mask, too, which shows where the nodule
# is; it is drawn as an outline here.

figure, panels = plt.subplots(2, 4, figsize=(7.4, 4.2))
for row, label in zip(panels, ("healthy", "nodule"), strict=True):
    for axes, item in zip(row, queries[queries["label"] == label].head(4)["item_id"]):
        axes.imshow(cohort.image(item), cmap="gray")
        if label == "nodule":
            axes.contour(cohort.mask(item), [0.5], colors="#E69F00", linewidths=1)
        axes.set_title(label, fontsize=10, fontweight="normal")
        axes.axis("off")
plt.show()

# %%
# The nodule within the outline is hard to see. That is on purpose, since an easy one
# would need no reference.
#
# :doc:`The phantom </explanation/phantom>` says what the images are made of. From the
# command line: ``see-in-pairs cohort phantom``.
