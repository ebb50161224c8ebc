"""Squared separation against the noise of the embedding that references are matched on (T7d)."""

from __future__ import annotations

import numpy as np
from house import legend_below, panels

from paper_figures.plotting.style import COLOURS, LOOKS
from theory.statements.t7_matching import separation

noise = np.geomspace(0.03, 300, 200)
figure, axes = panels()
for rule in ("optimal", "difference"):
    axes.plot(noise, 10 * np.square(separation("iso", 1.0, 9.0, 1.0, noise, rule)), color=COLOURS[rule], label=LOOKS[rule].label)
axes.axhline(1, color=COLOURS["single"], ls=":", label="single image")
axes.set(xscale="log", xlabel="noise of the embedding (tight matching on the left)", ylim=(0, None))
axes.set_ylabel("squared separation, relative")
axes.xaxis.set_major_formatter("{x:g}")
legend_below(figure, axes, 3)
