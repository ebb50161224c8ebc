"""Patients per group by the normal approximation and exactly, against the effect (T15)."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from theory.statements.t3_patients_needed import n_for_power
from theory.statements.t15_exact_power import n_exact, power

effects = np.linspace(0.5, 2.5, 41)
figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
for analysis, colour in (("ttest", "k"), ("ancova", "C0")):
    needed = np.ceil(n_for_power(0.6, effects, analysis))
    axes.step(effects, power(np.maximum(needed, 2), 0.6, effects, analysis), colour, where="mid", label=f"{analysis}, patients of T3.5")
    exact = n_exact(0.6, effects, analysis)
    axes.step(effects, power(exact, 0.6, effects, analysis), colour, ls=":", where="mid", label=f"{analysis}, exact number")
axes.axhline(0.8, color="0.7", lw=0.8, zorder=0)
axes.set(xlabel="effect in standard deviations", ylabel="power that the patients have", ylim=(0, 1))
axes.legend(frameon=False, fontsize="small")
