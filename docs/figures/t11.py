"""What random references save when the mean has to be learned (T11)."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from theory.statements.t11_rival_models import neg_bank_error

bank = np.arange(1, 101)
figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
for m in (1, 4):
    axes.plot(bank, neg_bank_error(1.5, bank, 0) - neg_bank_error(1.5, bank, m), label=f"{m} reference{'s' if m > 1 else ''}")
axes.set(xscale="log", yscale="log", xlabel="healthy training images", ylabel="error saved by random references")
axes.legend(frameon=False)
