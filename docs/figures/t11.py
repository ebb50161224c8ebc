"""What random references save when the mean has to be learned (T11)."""

from __future__ import annotations

import numpy as np
from house import panels

from paper_figures.plotting.style import LINES
from theory.statements.t11_rival_models import neg_bank_error

bank = np.arange(1, 101)
figure, axes = panels()
for m, colour in zip((1, 4), LINES, strict=False):
    saved = neg_bank_error(1.5, bank, 0) - neg_bank_error(1.5, bank, m)
    axes.plot(bank, saved, color=colour, label=f"{m} random reference{'s' if m > 1 else ''}")
axes.set(xscale="log", yscale="log", xlabel="healthy training images", ylabel="error saved by random references")
axes.xaxis.set_major_formatter("{x:g}")
axes.legend()
