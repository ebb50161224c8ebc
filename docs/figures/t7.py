"""Squared separation against the noise of the embedding that references are matched on (T7d)."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from theory.statements.t7_matching import separation

noise = np.geomspace(0.03, 300, 200)
figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
for rule, colour in (("optimal", "C0"), ("difference", "C1")):
    axes.plot(noise, 10 * np.square(separation("iso", 1.0, 9.0, 1.0, noise, rule)), colour, label=rule)
axes.axhline(1, color="k", ls=":", label="single")
axes.set(xscale="log", xlabel="noise of the embedding (tight matching on the left)", ylabel="squared separation, relative", ylim=(0, None))
axes.legend(frameon=False)
