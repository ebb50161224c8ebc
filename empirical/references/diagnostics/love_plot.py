"""The Love plot: how far apart queries and references are in each covariate, before matching and after.

Named after Thomas E. Love, who showed standardised differences in this way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BEFORE, AFTER, INK = "#9a5b2e", "#1f6f8b", "#222222"
BALANCED = 0.1
Z_95 = 1.959963984540054
NOTHING = "no covariates to balance"


def love_plot(balance: pd.DataFrame, title: str) -> Figure:
    """Draw standardised mean differences before and after matching, a row for each covariate, the most imbalanced on top.

    Bars are 95 % intervals; dotted lines mark 0.1 on either side. An infinite difference (both sides constant, with different values) is an
    arrow at the edge. A table without differences gives axes with a note.
    """
    from matplotlib.figure import Figure

    number = int(balance["smd_before"].notna().sum())
    figure = Figure(figsize=(8.6, 1.9 + 0.5 * number), layout="constrained")
    draw_balance(figure.subplots(), balance, title)
    return figure


def draw_balance(axes: Axes, balance: pd.DataFrame, title: str) -> None:
    """Draw a Love plot into axes."""
    rows = balance[balance["smd_before"].notna()]
    axes.set_title(title, loc="left", fontsize=13, fontweight="bold")
    if rows.empty:  # a folder of images has no age, sex, view or site
        axes.text(0.0, 0.5, NOTHING, transform=axes.transAxes, va="center", fontsize=12)
        axes.set_axis_off()
        return
    rows = rows.iloc[np.argsort(rows["smd_before"].abs().to_numpy(), kind="stable")]
    limit = _limit(rows)
    for name, colour, shift, face in (("before", BEFORE, 0.13, "white"), ("after", AFTER, -0.13, AFTER)):
        _points(axes, rows, name, colour, shift, face, limit)
    for place, style in ((0.0, "-"), (-BALANCED, ":"), (BALANCED, ":")):
        axes.axvline(place, color=INK, lw=0.9, ls=style, zorder=0)
    axes.set_yticks(range(len(rows)), [_label(str(row.covariate), str(row.level)) for row in rows.itertuples()], fontsize=12)
    axes.set(xlim=(-1.08 * limit, 1.08 * limit), ylim=(-0.6, len(rows) - 0.4))
    axes.set_xlabel("standardised mean difference, query minus reference\n(bars: 95 % intervals; dotted: 0.1)", fontsize=12)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=11)


def _points(axes: Axes, rows: pd.DataFrame, name: str, colour: str, shift: float, face: str, limit: float) -> None:
    values, errors = rows[f"smd_{name}"].to_numpy(), rows[f"se_{name}"].to_numpy()
    places = np.arange(len(rows)) + shift
    finite = np.isfinite(values)
    label = {"before": "whole pool", "after": "chosen"}[name]
    axes.errorbar(
        values[finite], places[finite], xerr=Z_95 * np.nan_to_num(errors[finite]), fmt="o", ms=7, color=colour, mfc=face, mew=1.8, lw=1.8,
        label=label,
    )  # fmt: skip
    for value, place in zip(values[~finite], places[~finite], strict=True):
        axes.plot([np.sign(value) * limit], [place], marker=">" if value > 0 else "<", ms=9, color=colour, mfc=face, clip_on=False)


def _limit(rows: pd.DataFrame) -> float:
    ends = [np.abs(rows[f"smd_{name}"]) + Z_95 * np.nan_to_num(rows[f"se_{name}"]) for name in ("before", "after")]
    finite = np.concatenate(ends)
    finite = finite[np.isfinite(finite)]
    return max(2.5 * BALANCED, float(finite.max()) if len(finite) else 0.0)


def _label(covariate: str, level: str) -> str:
    return f"{covariate} = {level}" if level else covariate
