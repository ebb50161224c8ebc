"""Figures of a study: learning curves, the gain against rho, and all areas side by side."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_figures.plotting import style
from paper_figures.plotting.provenance import save_figure
from paper_figures.plotting.style import COLOURS, GREEN, INK, MUTED, PURPLE, RED, SKY, WIDE
from paper_figures.study.config import StudyConfig
from paper_figures.study.tables import GAIN
from see_in_pairs.runs import begun_before

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OTHERS = (RED, PURPLE, SKY, INK, GREEN)
MARKERS = "osD^vPX"
INTERVALS = "95 % intervals for new patients and new trainings (one model: for new patients)"


def draw_figures(config: StudyConfig, out: Path, areas: pd.DataFrame, gains: pd.DataFrame) -> list[str]:
    """Draw what the tables have enough points for, into ``figures/``; returns the names of the figures."""
    curves = areas[areas["n_train"] > 0].groupby("cohort")["n_train"].nunique()
    with_curve = [cohort for cohort in config.cohorts if curves.get(cohort, 0) > 1]
    by_rho = _gains_by_rho(gains)
    drawn = []
    if with_curve:
        rows = areas[areas["cohort"].isin(with_curve)]
        caption = f"AUROC against the number of training patients, {INTERVALS}. Small dots: single trainings. Dashed: ideal observers."
        _save(config, out, "learning_curve", _learning_curves(config, rows, with_curve), rows, caption, "C3, C5")
        drawn.append("learning_curve")
    if len(by_rho):
        caption = (
            f"Gain in AUROC against the correlation of query and reference, {INTERVALS}. Dots: trainings; dashed: the gain of an ideal "
            "observer; dotted: that of one who subtracts the reference and looks at nothing else."
        )
        _save(config, out, "gain_by_rho", _by_rho(config, by_rho), by_rho, caption, "C1, C4")
        drawn.append("gain_by_rho")
    most = areas["n_train"] == areas.groupby(["cohort", "arm"])["n_train"].transform("max")
    rows = areas[most | (areas["n_train"] == 0)]
    caption = f"AUROC of every arm, off the shelf and at its largest number of training patients, {INTERVALS}. Diamonds: ideal observers."
    _save(config, out, "areas", _areas(config, rows), rows, caption, "C2, C3, C4")
    return [*drawn, "areas"]


def _save(config: StudyConfig, out: Path, name: str, figure: Figure, data: pd.DataFrame, caption: str, claim: str) -> None:
    table = out / ("comparisons.csv" if name == "gain_by_rho" else "study.csv")
    with style.house_style():
        save_figure(
            figure, data, name, out / "figures", title=config.title, caption=caption, claim=claim, seed=None,
            config_hash=begun_before(out)["config_hash"], sources=[table], modules=[sys.modules[__name__], style],
        )  # fmt: skip


def _style(config: StudyConfig, arm: str) -> tuple[str, str]:
    """Colour and marker of an arm; the colour of all figures where the arm is the first of its kind."""
    names = list(config.arms)
    kinds = [config.arms[name].arm for name in names]
    number, kind = names.index(arm), config.arms[arm].arm
    first = kind in COLOURS and kinds.index(kind) == number
    return (COLOURS[kind] if first else OTHERS[number % len(OTHERS)]), MARKERS[number % len(MARKERS)]


def _learning_curves(config: StudyConfig, rows: pd.DataFrame, cohorts: list[str]) -> Figure:
    from matplotlib.figure import Figure

    with style.house_style():
        figure = Figure(figsize=(max(WIDE[0], 5.5 * len(cohorts)), WIDE[1]))
        panels = np.atleast_1d(figure.subplots(1, len(cohorts), sharey=True))
        sizes = sorted(set(rows["n_train"]))
        place = {size: number for number, size in enumerate(sizes)}
        for axes, cohort in zip(panels, cohorts, strict=True):
            _draw_cohort(config, axes, rows[rows["cohort"] == cohort], place)
            axes.set(title=cohort, xlabel="training patients", xticks=range(len(sizes)))
            axes.set_xticklabels([f"{size:,}" if size else "none" for size in sizes])
        panels[0].set(ylabel="AUROC")
        panels[-1].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        figure.suptitle(config.title, x=0.01, ha="left", fontsize=16, fontweight="bold")
    return figure


def _draw_cohort(config: StudyConfig, axes: Axes, rows: pd.DataFrame, place: dict[int, int]) -> None:
    arms = [arm for arm in config.arms if arm in set(rows["arm"])]
    for number, arm in enumerate(arms):
        own, (colour, marker) = rows[rows["arm"] == arm].sort_values("n_train"), _style(config, arm)
        x = np.array([place[size] for size in own["n_train"]]) + 0.07 * (number - (len(arms) - 1) / 2)
        trained = (own["n_train"] > 0).to_numpy()
        axes.plot(x[trained], own["auroc"][trained], marker=marker, mec="white", color=colour, lw=2.2, ms=9, label=arm)
        _points(axes, x, own, ("auroc", "low", "high"), colour, marker)
        _trainings(axes, x + 0.03, own, colour)
    for ideal in sorted(set(rows["ideal"].dropna().round(6))):
        names = [arm for arm in arms if np.isclose(rows[rows["arm"] == arm]["ideal"].astype(float), ideal).any()]
        axes.axhline(ideal, color=COLOURS["ideal"], lw=1.8, ls="--", zorder=1)
        axes.annotate(f"ideal: {', '.join(names)}", (0.01, ideal), xycoords=("axes fraction", "data"), xytext=(0, 4),
                      textcoords="offset points", color=COLOURS["ideal"], fontsize=11)  # fmt: skip
    axes.axhline(0.5, color=MUTED, lw=1.2, ls=":")


def _points(axes: Axes, x: Any, rows: pd.DataFrame, columns: tuple[str, str, str], colour: str, marker: str) -> None:
    value, low, high = (rows[name].to_numpy(dtype=float) for name in columns)
    axes.vlines(x, low, high, color=colour, lw=2.6, zorder=3)
    axes.plot(x, value, marker, color=colour, ms=9, mec="white", zorder=4)


def _trainings(axes: Axes, x: Any, rows: pd.DataFrame, colour: str) -> None:
    """Show every single training as a small dot."""
    for at, values in zip(x, rows["by_seed"], strict=True):
        each = [float(value) for value in values.split()] if isinstance(values, str) else []
        axes.plot([at] * len(each), each, "o", color=colour, ms=4, alpha=0.7, mew=0, zorder=2)


def _comparison(rows: pd.DataFrame, a: str, b: str) -> pd.DataFrame:
    return rows[(rows["a"] == a) & (rows["b"] == b)].sort_values("rho")


def _gains_by_rho(gains: pd.DataFrame) -> pd.DataFrame:
    """Keep gains at the largest number of patients, of comparisons that were made at three values of rho or more."""
    if not len(gains) or gains["rho"].isna().all():
        return gains.iloc[:0]
    rows = gains[(gains["kind"] == GAIN) & gains["rho"].notna() & (gains["n_train"] > 0)]
    rows = rows[rows["n_train"] == rows["n_train"].max()]
    return rows[rows.groupby(["a", "b"])["rho"].transform("nunique") > 2].sort_values(["a", "b", "rho"])


def _by_rho(config: StudyConfig, rows: pd.DataFrame) -> Figure:
    from matplotlib.figure import Figure

    with style.house_style():
        figure = Figure(figsize=WIDE)
        axes = figure.subplots()
        ideals: set[tuple[float, ...]] = set()
        for number, (a, b) in enumerate(pair for pair in config.comparisons if len(_comparison(rows, *pair))):
            own = _comparison(rows, a, b)
            colour = _style(config, a)[0] if number == 0 else OTHERS[number % len(OTHERS)]
            x = own["rho"].to_numpy(dtype=float) + 0.012 * number
            axes.plot(x, own["difference"], marker=MARKERS[number], mec="white", ms=9, color=colour, lw=2.2, label=f"{a} - {b}")
            _trainings(axes, x + 0.005, own, colour)
            _points(axes, x, own, ("difference", "low", "high"), colour, MARKERS[number])
            ideal = tuple(own["ideal_difference"].round(6))
            if max(map(abs, ideal)) > 0 and ideal not in ideals:
                label = None if ideals else "ideal observer"
                axes.plot(own["rho"], ideal, "--D", color=COLOURS["ideal"], mfc="none", ms=8, lw=1.8, label=label)
                if own["ideal_of_plain_difference"].notna().all():
                    label = None if ideals else "observer of the plain difference"
                    axes.plot(own["rho"], own["ideal_of_plain_difference"], ":x", color=INK, ms=8, mew=2, lw=1.8, label=label)
                ideals.add(ideal)
        axes.axhline(0, color=MUTED, lw=1.2, ls=":")
        patients = f"{int(rows['n_train'].iloc[0]):,} training patients"
        axes.set(xlabel="correlation of query and reference (rho)", ylabel="gain in AUROC", title=patients)
        axes.legend(loc="lower right")
        figure.suptitle(config.title, x=0.01, ha="left", fontsize=16, fontweight="bold")
    return figure


def _areas(config: StudyConfig, rows: pd.DataFrame) -> Figure:
    from matplotlib.figure import Figure

    order = {name: number for number, name in enumerate(config.cohorts)}
    rows = rows.assign(at=rows["cohort"].map(order)).sort_values(["at", "n_train"], kind="stable")
    with style.house_style():
        figure = Figure(figsize=(WIDE[0], 1.8 + 0.42 * len(rows)))
        axes = figure.subplots()
        listed: list[dict[str, Any]] = rows.to_dict("records")  # type: ignore[assignment]
        for place, row in enumerate(listed):
            colour, marker = _style(config, row["arm"])
            axes.hlines(place, row["low"], row["high"], color=colour, lw=3, zorder=3)
            axes.plot([row["auroc"]], [place], marker, color=colour, ms=9, mec="white", zorder=4)
            axes.plot([row["ideal"]], [place], "D", ms=8, mfc="none", mec=COLOURS["ideal"], mew=2, zorder=5)
        axes.axvline(0.5, color=MUTED, lw=1.2, ls=":")
        axes.set(xlabel="AUROC (dotted: chance)", yticks=range(len(rows)), ylim=(len(rows) - 0.4, -0.6))
        axes.set_yticklabels([_label(row) for row in listed])
        axes.tick_params(axis="y", length=0)
        figure.suptitle(config.title, x=0.01, ha="left", fontsize=16, fontweight="bold")
    return figure


def _label(row: dict[str, Any]) -> str:
    how = f"{row['n_train']:,} patients, {row['seeds']} seed{'s' if row['seeds'] > 1 else ''}" if row["n_train"] else "off the shelf"
    return f"{row['cohort']}: {row['arm']} ({how})"
