"""The figure of a comparison: ROC curves with simultaneous bands, net benefit, and its paired difference."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from paper_figures.comparison.item_table import ArmPair, ComparisonSettings, item_table
from paper_figures.number_format import DIGITS, short, with_interval
from paper_figures.plotting import style
from paper_figures.plotting.style import BLUE, COLOURS, INK, MUTED, ORANGE, note
from paper_figures.statistics.diagnostic.factors import factors
from paper_figures.statistics.diagnostic.net_benefit import THRESHOLDS, net_benefit_of
from paper_figures.statistics.diagnostic.partial_area import compare_partial_areas
from paper_figures.statistics.diagnostic.roc_band import RocBands, roc_bands
from paper_figures.statistics.result import Interval
from paper_figures.statistics.validation import NotEstimable

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE, ALONE = (12.6, 6.3), (7.4, 7.6)
FINE = tuple(round(0.01 * step, 2) for step in range(1, 100))
MANY_ROWS = 50_000  # with more rows the figure uses fewer resamples and threshold probabilities
LOWEST = -0.12  # of net benefit that is shown, as a share of the prevalence; treating all falls without bound


def save_comparison(
    pair: ArmPair, settings: ComparisonSettings, folder: Path, name: str, sources: Iterable[Path], config_hash: str
) -> Path:
    """Draw the figure into a folder and return its PNG; PDF and CSV are beside it. Raises `NotEstimable` without a ROC curve."""
    from paper_figures.plotting.provenance import save_figure

    data, caption = comparison_data(pair, settings)
    title = f"{settings.arms[0]} and {settings.arms[1]} on the same items"
    with style.house_style():
        return save_figure(
            draw(data, settings, title), data, name, folder, title=title, caption=caption, claim="", seed=settings.seed,
            config_hash=config_hash, sources=sources, modules=[sys.modules[__name__], style],
        )  # fmt: skip


def comparison_data(pair: ArmPair, settings: ComparisonSettings) -> tuple[pd.DataFrame, str]:
    """Every number of the figure, and its caption.

    Rows of ``kind`` roc have ``arm, auroc, fpr, tpr, lower_fpr, lower_tpr, upper_fpr, upper_tpr``, those of ``kind`` net benefit ``arm,
    threshold, value, low, high``; ``reason`` says why a band or interval is missing.
    """
    import pandas as pd

    table = item_table(pair, settings.threshold)
    if table.scores is None or table.labels is None:
        raise NotEstimable("right or wrong only: ROC curves need scores and labels")
    many = table.items > MANY_ROWS
    resamples = settings.resamples or (400 if many else 2000)
    bands = roc_bands(
        table.scores, table.labels, table.codes, seeds=table.seeds, references=table.second, confidence_level=settings.level,
        resamples=resamples, seed=settings.seed,
    )  # fmt: skip
    design = factors(table.items, table.codes, table.seeds, table.second)
    areas = compare_partial_areas(table.scores, table.labels, design, (0.0, 1.0), "specificity", settings.level).area
    frames = [
        roc_rows(bands, 0, settings.arms[0], areas.a, areas.a_interval), roc_rows(bands, 1, settings.arms[1], areas.b, areas.b_interval)
    ]  # fmt: skip
    level, trainings = f"{settings.level:.0%}", "" if table.seeds is None else ", averaged over trainings; the bands are of these trainings"
    caption = (
        f"ROC curves of {table.items} rows in {table.clusters} clusters{trainings}, with simultaneous {level} bands along the descending "
        f"diagonals (supremum over {resamples} resamples of clusters){f': none, {bands.reason}' if bands.reason else ''}. AUROC with "
        f"{level} interval (cluster jackknife, logit, t)."
    )
    try:
        found = net_benefit_of(table.scores, table.labels, design, THRESHOLDS if many else FINE, settings.level)
    except NotEstimable as error:
        return pd.concat(frames, ignore_index=True), f"{caption} No net benefit: {error}."
    names = {"a": settings.arms[0], "b": settings.arms[1], "difference": "difference", "treat_all": "treat all"}
    for curve, arm in names.items():
        frames.append(pd.DataFrame({
            "kind": "net benefit", "arm": arm, "threshold": found.thresholds, "value": getattr(found, curve), "low": found.low[curve],
            "high": found.high[curve], "reason": found.reason,
        }))  # fmt: skip
    return pd.concat(frames, ignore_index=True), f"{caption} Net benefit with pointwise {level} intervals; its difference is paired."


def roc_rows(bands: RocBands, arm: int, name: str, area: float, interval: Interval | None) -> pd.DataFrame:
    """The points of one curve and its band, with its area."""
    import pandas as pd

    low, high = interval or (np.nan, np.nan)
    columns = {column: getattr(bands, column)[arm] for column in ("fpr", "tpr", "lower_fpr", "lower_tpr", "upper_fpr", "upper_tpr")}
    numbers = {"kind": "roc", "arm": name, "auroc": area, "auroc_low": low, "auroc_high": high}
    return pd.DataFrame(numbers | columns | {"reason": bands.reason})


def draw(data: pd.DataFrame, settings: ComparisonSettings, title: str) -> Figure:
    """Draw ROC curves on the left; net benefit and its difference on the right."""
    from matplotlib.figure import Figure

    colours, benefit = _colours(settings.arms), data[data["kind"] == "net benefit"]
    if benefit.empty:
        figure = Figure(figsize=ALONE)
        draw_roc(figure.subplots(), data, colours)
    else:
        figure = Figure(figsize=SIZE)
        panels = figure.subplot_mosaic([["roc", "benefit"], ["roc", "difference"]], width_ratios=[1, 1], height_ratios=[1.5, 1])
        draw_roc(panels["roc"], data[data["kind"] == "roc"], colours)
        _draw_benefit(panels["benefit"], panels["difference"], benefit, settings.arms, colours)
    style.heading(figure, title)
    return figure


def _colours(arms: tuple[str, str]) -> tuple[str, str]:
    """The colours of known arms; blue for B and orange for A if they are unknown or alike."""
    known = tuple(COLOURS.get(arm, "") for arm in arms)
    return (known[0], known[1]) if all(known) and known[0] != known[1] else (ORANGE, BLUE)


def draw_roc(axes: Axes, rows: pd.DataFrame, colours: Sequence[str]) -> None:
    """Draw ROC curves with their bands: the rows of `roc_rows` of every arm."""
    axes.plot([0, 1], [0, 1], color=MUTED, lw=1.2, ls=":")
    for (arm, curve), colour in zip(rows.groupby("arm", sort=False), colours, strict=True):
        if curve["lower_fpr"].notna().all():
            x = np.concatenate([curve["upper_fpr"], curve["lower_fpr"][::-1]])
            y = np.concatenate([curve["upper_tpr"], curve["lower_tpr"][::-1]])
            axes.fill(x, y, color=colour, alpha=0.16, lw=0)
        axes.plot(curve["fpr"], curve["tpr"], color=colour, label=f"{arm}: AUROC {_area(curve)}")
    reason = rows["reason"].iloc[0]
    if reason:
        note(axes, 0.98, 0.2, "no bands: " + reason.replace("; ", ";\n"), ha="right", fontsize=10)
    axes.set(xlabel="1 - specificity", ylabel="sensitivity", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.set_title("ROC curves" if reason else "ROC curves, simultaneous bands")
    axes.legend(loc="lower right", labelcolor=INK)


def _area(curve: pd.DataFrame) -> str:
    area, low, high = (float(curve[name].iloc[0]) for name in ("auroc", "auroc_low", "auroc_high"))
    return short(area, DIGITS) if np.isnan(low) else with_interval(area, low, high)


def _draw_benefit(upper: Axes, lower: Axes, rows: pd.DataFrame, arms: tuple[str, str], colours: tuple[str, str]) -> None:
    for arm, colour in zip(arms, colours, strict=True):
        curve = rows[rows["arm"] == arm]
        upper.plot(curve["threshold"], curve["value"], color=colour, label=arm)
        upper.fill_between(curve["threshold"], curve["low"], curve["high"], color=colour, alpha=0.14, lw=0)
    everyone, gap = rows[rows["arm"] == "treat all"], rows[rows["arm"] == "difference"]
    upper.plot(everyone["threshold"], everyone["value"], color=MUTED, lw=1.8, ls="--", label="treat all")
    upper.axhline(0, color=INK, lw=1.4, ls=":", label="treat none")
    top = float(np.nanmax([rows.loc[rows["arm"].isin(arms), ["value", "high"]].max().max(), 0.05]))
    upper.set(ylabel="net benefit", ylim=(LOWEST * top, 1.05 * top), xlim=(0, 1), xticklabels=[])
    upper.set_title("Net benefit")
    upper.legend(loc="upper right", labelcolor=INK, fontsize=12, ncols=2)
    lower.plot(gap["threshold"], gap["value"], color=COLOURS["difference"])
    lower.fill_between(gap["threshold"], gap["low"], gap["high"], color=COLOURS["difference"], alpha=0.16, lw=0)
    lower.axhline(0, color=INK, lw=1.4, ls=":")
    lower.set_title(f"{arms[0]} - {arms[1]}", fontsize=14)
    lower.set(xlabel="threshold probability", ylabel="difference", xlim=(0, 1))
