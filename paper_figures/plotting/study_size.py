"""The figure of a plan of trainings, patients and references: power, or interval width, against patients."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from paper_figures.plotting import style
from paper_figures.plotting.style import INK, LINES, MUTED
from paper_figures.statistics.multireader.planning import power_table

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from paper_figures.results.study_size import StudySize

POINTS, MOST_PANELS = 22, 4
TITLES = {"power": "Power over trainings, patients and references", "half_width": "Interval width over trainings, patients and references"}


def study_size_table(found: StudySize, seed: int) -> pd.DataFrame:
    """Every number of the figure: the requested studies, and further ones between them for the lines."""
    import pandas as pd

    sizes = [study.patients for study in found.studies] + [study.patients for _, _, study in found.needed if study is not None]
    between = np.unique(np.geomspace(min(sizes), max(sizes), POINTS).round().astype(int)).tolist()
    trainings, references = (sorted({getattr(study, name) for study in found.studies}) for name in ("trainings", "references"))
    patients = sorted({*between, *sizes})
    line = power_table(found.components, found.effect, trainings, patients, references, 1 - found.alpha, seed)
    needed = {(s, r, study.patients) for s, r, study in found.needed if study is not None}
    rows = [study.to_dict() | {"needed": (study.trainings, study.references, study.patients) in needed} for study in line]
    return pd.DataFrame(rows).drop(columns="note")


def save_study_size(found: StudySize, folder: Path, seed: int) -> Path:
    """Draw the figure into a folder and return ``plan.png``; PDF and CSV are beside it."""
    from paper_figures.plotting.provenance import save_figure
    from see_in_pairs.files import content_hash

    data, (name, value) = study_size_table(found, seed), found.target
    caption = (
        f"{'Power to show' if name == 'power' else 'Half width of the interval around'} a contrast of {found.effect:g}, two-sided "
        f"{found.alpha:g}, by the estimator that analyses the study (4,000 simulated analyses a point, Monte Carlo standard error at most "
        f"{data['power_mcse'].max():.3f}); points mark the fewest patients that reach {value:g}."
    )
    with style.house_style():
        return save_figure(
            draw(data, found), data, "plan", folder, title=TITLES[name], caption=caption, claim="", seed=seed,
            config_hash=content_hash(found.components.to_dict()), sources=(), modules=[sys.modules[__name__], style],
        )  # fmt: skip


def draw(data: pd.DataFrame, found: StudySize) -> Figure:
    """Draw a panel for each number of references, a line for each number of trainings."""
    from matplotlib.figure import Figure

    name, value = found.target
    references = sorted(data["references"].unique())[:MOST_PANELS]
    figure = Figure(figsize=(3.0 + 3.7 * len(references), 5.6))
    panels = figure.subplots(1, len(references), sharey=True, squeeze=False)[0]
    for axes, number in zip(panels, references, strict=True):
        _panel(axes, data[data["references"] == number], name, value)
        axes.set_title(f"{number} references" if number else "no shared references")
    panels[0].set_ylabel("power" if name == "power" else "half width of the interval")
    panels[-1].legend(title="trainings", loc="lower right" if name == "power" else "upper right", labelcolor=INK, title_fontsize=13)
    style.heading(figure, TITLES[name])
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, name: str, value: float) -> None:
    axes.axhline(value, color=MUTED, lw=1.4, ls=":")
    for (trainings, line), colour in zip(rows.groupby("trainings"), LINES * 9, strict=False):
        axes.plot(line["patients"], line[name], color=colour, label=str(trainings))
        reached = line[line["needed"]]
        axes.plot(reached["patients"], reached[name], "o", ms=9, color=colour, mec="white", zorder=4)
    axes.set(xscale="log", xlabel="patients", ylim=(0, 1.02) if name == "power" else (0, None))
    axes.xaxis.set_major_formatter(lambda number, _: f"{number:,.0f}")
