"""Balance of real queries and references, from the tables kept in docs/results/references."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from empirical.references.diagnostics.love_plot import draw_balance

SHOWN = {"nih-demographic": "ChestX-ray14: matched on age, sex, view", "nih-scanner": "ChestX-ray14: on the scanner's pixel spacing too"}

here = Path(__file__).parent if "__file__" in globals() else Path.cwd()  # the docs build runs this file in its folder, without a name
kept = here.parent / "results" / "references"
figure, axes = plt.subplots(len(SHOWN), 1, figsize=(8.6, 7.2), layout="constrained")
for place, (name, title) in zip(axes, SHOWN.items(), strict=True):
    draw_balance(place, pd.read_csv(kept / f"{name}.csv", keep_default_na=True).fillna({"level": ""}), title)
