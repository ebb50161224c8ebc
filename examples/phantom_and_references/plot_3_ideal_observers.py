"""
What is the best that any observer could do?
============================================

On the phantom all covariances are known, so the best linear observer can be computed:
with the query alone, with the difference, and with the pair. No model can beat it on
such images.
"""

import tempfile

import matplotlib.pyplot as plt
from empirical import PhantomConfig, PhantomTruth, make_phantom

from theory import hotelling

observers = {"single": "#5f6873", "difference": "#D55E00", "joint": "#0072B2"}
correlations = (0.0, 0.3, 0.5, 0.7, 0.9)
found = []
for rho in correlations:
    size = {"size": 24, "lesion": {"width": 1.5}}  # small, so that it is fast
    config = PhantomConfig(n_train=0, n_val=0, n_test=2, rho=rho, **size)
    cohort = make_phantom(config, tempfile.mkdtemp(), seed=1)
    truth = PhantomTruth.load(cohort.folder / "truth.npz")
    found.append(hotelling(truth.signal, truth.covariance(), truth.cross_covariance()))

figure, axes = plt.subplots()
for observer, colour in observers.items():
    areas = [detectability.auc(observer) for detectability in found]
    axes.plot(correlations, areas, "o-", color=colour, label=observer)
axes.set(
    xlabel="correlation of query and reference", ylabel="AUROC of the ideal observer"
)
axes.legend()
plt.show()

# %%
# These curves are the ceiling of every figure of the training study. The joint observer
# never loses; the one that sees only the difference image needs a correlation above
# one half.
#
# See :py:func:`theory.hotelling`, and :py:func:`theory.scanning` where the place of the
# nodule is unknown.
