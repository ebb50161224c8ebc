"""The phantom: a healthy and a diseased person, and the query beside relatives of four correlations; made while the page is built."""

from __future__ import annotations

import tempfile

import matplotlib.pyplot as plt
import numpy as np

from empirical import Cohort, PhantomConfig, PhantomTruth, make_phantom

CORRELATIONS = (0.0, 0.5, 0.8, 0.95)
SEED = 3


def phantom(rho: float) -> Cohort:
    """A few queries with their relatives; the queries are the same for every rho."""
    return make_phantom(PhantomConfig(n_train=0, n_val=0, n_test=6, rho=rho), tempfile.mkdtemp(), seed=SEED)


def pixels(cohort: Cohort, item: str) -> np.ndarray:
    return np.asarray(cohort.image(item).convert("L"), dtype=float)


cohorts = {rho: phantom(rho) for rho in CORRELATIONS}
first = cohorts[0.0]
queries = first.queries("test")
healthy, diseased = (queries[queries["label"] == label].iloc[0] for label in ("healthy", "nodule"))
query = pixels(first, diseased["item_id"])
truth = PhantomTruth.load(first.folder / "truth.npz")
row, column = truth.centre

figure, panels = plt.subplots(3, 4, figsize=(8.6, 6.9), layout="constrained")
top = (
    ("healthy person", pixels(first, healthy["item_id"]), {"vmin": 0, "vmax": 255}),
    ("diseased person (query)", query, {"vmin": 0, "vmax": 255}),
    ("the same, nodule marked", query, {"vmin": 0, "vmax": 255}),
    ("the nodule alone", truth.signal.reshape(truth.shape), {"vmin": -40, "vmax": 40}),
)
for axes, (title, image, window) in zip(panels[0], top, strict=True):
    axes.imshow(image, cmap="gray", **window)
    axes.set_title(title, fontsize=10)
panels[0, 2].add_patch(plt.Circle((column, row), 6, fill=False, color="#E69F00", lw=1.5))
for place, (rho, cohort) in enumerate(cohorts.items()):
    table = cohort.table
    relative = table[(table["family"] == diseased["family"]) & (table["split"] == "reference")].iloc[0]
    reference = pixels(cohort, relative["item_id"])
    panels[1, place].imshow(reference, cmap="gray", vmin=0, vmax=255)
    panels[1, place].set_title(f"reference, ρ = {rho:g}", fontsize=10)
    panels[2, place].imshow(query - reference, cmap="gray", vmin=-40, vmax=40)
    panels[2, place].set_title(f"difference, ρ = {rho:g}", fontsize=10)
for axes in panels.flat:
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
