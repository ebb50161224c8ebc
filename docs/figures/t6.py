"""Error against the share of diseased references, and the break-even (T6)."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from theory.numerics.gaussian import error_of
from theory.statements.t6_faulty_references import break_even, error

rate, single = np.linspace(0, 0.6, 61), float(error_of(1.5))
figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
axes.axhline(single, color="k", ls=":", label="single")
for label, weight, colour in (("difference", 1.0, "C1"), ("optimal weight", 0.8, "C0")):
    axes.plot(rate, error(1.5, 0.8, weight, "diseased", rate), colour, label=label)
    axes.plot([float(break_even(1.5, 0.8, weight, "diseased"))], [single], "o", mfc="none", color=colour)
axes.set(xlabel="share of references that are diseased", ylabel="error", ylim=(0, None))
axes.legend(frameon=False)
