"""Figures of a study: learning curves, AUROC and gain against rho, and the AUROC of all arms side by side."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_figures.number_format import DIGITS, with_interval
from paper_figures.plotting import style
from paper_figures.plotting.provenance import save_figure
from paper_figures.plotting.style import COLOURS, INK, LINES, LOOKS, MUTED, WIDE, Look
from paper_figures.study.config import StudyConfig
from paper_figures.study.tables import GAIN
from see_in_pairs.runs import begun_before

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INTERVALS = "95 % intervals for new patients and new trainings (one model: for new patients)"
BARS = "bars: 95 % intervals"


def draw_figures(config: StudyConfig, out: Path, areas: pd.DataFrame, gains: pd.DataFrame) -> list[str]:
    """Draw what the tables have enough points for, into ``figures/``; returns the names of the figures."""
    curves, by_rho, areas_by_rho = curve_rows(areas), _gains_by_rho(gains), _areas_by_rho(config, areas, gains)
    drawn = []
    if len(areas_by_rho):
        caption = (
            f"AUROC against the correlation of query and reference, {INTERVALS}. The band is of the arm without such a reference, whose "
            "queries are the same at every correlation. Small dots: single trainings. Green: ideal observers of both arms, who know all "
            "covariances and the lesion's place; no model does better on average. Dotted: the observer who subtracts the reference and "
            "looks at nothing else."
        )
        _save(config, out, "auroc_by_rho", _draw_areas_by_rho(config, areas_by_rho), areas_by_rho, caption, "C1, C4")
        drawn.append("auroc_by_rho")
    if len(curves):
        caption = (
            f"AUROC against the number of training patients, {INTERVALS}. Small dots: single trainings. Dashed: ideal observers. "
            "Arms that were trained on one number of patients only stand in the figure of all arms."
        )
        _save(config, out, "learning_curve", _draw_curves(config, curves), curves, caption, "C3, C5")
        drawn.append("learning_curve")
    if len(by_rho):
        caption = (
            f"Gain in AUROC against the correlation of query and reference, {INTERVALS}. Small dots: single trainings. Green: the gain of "
            "an ideal observer; dotted: that of one who subtracts the reference and looks at nothing else. A gain above the ideal one is "
            "that of an arm whose baseline stays below its own ideal: compare the areas (auroc_by_rho)."
        )
        _save(config, out, "gain_by_rho", _draw_gains(config, by_rho), by_rho, caption, "C1, C4")
        drawn.append("gain_by_rho")
    most = areas["n_train"] == areas.groupby(["cohort", "arm"])["n_train"].transform("max")
    rows = areas[most | (areas["n_train"] == 0)]
    caption = f"AUROC of every arm, off the shelf and at its largest number of training patients, {INTERVALS}. Diamonds: ideal observers."
    _save(config, out, "areas", _draw_areas(config, rows), rows, caption, "C2, C3, C4")
    return [*drawn, "areas"]


def _save(config: StudyConfig, out: Path, name: str, figure: Figure, data: pd.DataFrame, caption: str, claim: str) -> None:
    tables = {"gain_by_rho": ["comparisons.csv"], "auroc_by_rho": ["study.csv", "comparisons.csv"]}.get(name, ["study.csv"])
    with style.house_style():
        save_figure(
            figure, data, name, out / "figures", title=config.title, caption=caption, claim=claim, seed=None,
            config_hash=begun_before(out)["config_hash"], sources=[out / table for table in tables], modules=[sys.modules[__name__], style],
        )  # fmt: skip


def arm_looks(config: StudyConfig) -> dict[str, Look]:
    """Colour, marker and words of every arm: those of all figures, and the names of the study where two of its arms are of one kind."""
    kinds = {}
    for name, arm in config.arms.items():
        strategy = arm.references.strategy if arm.references is not None else ""
        kinds[name] = strategy if arm.arm == "pair" and strategy in LOOKS and strategy != "demographic" else arm.arm
    if len(set(kinds.values())) == len(kinds):
        return {name: LOOKS["demographic"] if kind == "pair" else LOOKS[kind] for name, kind in kinds.items()}
    firsts = {kind: name for name, kind in reversed(kinds.items())}
    taken = {LOOKS[kind].colour for kind in firsts}
    others = iter([*(colour for colour in LINES if colour not in taken), *(look.colour for look in LOOKS.values())] * len(kinds))
    return {
        name: LOOKS[kind]._replace(colour=LOOKS[kind].colour if firsts[kind] == name else next(others), label=name.replace("_", " "))
        for name, kind in kinds.items()
    }


def _cohort_words(rows: pd.DataFrame) -> dict[str, str]:
    """Words for the cohorts of a table: the correlation where it tells them apart, else their names."""
    rhos = rows.groupby("cohort", sort=False)["rho"].first().astype(float)
    if rhos.isna().any() or rhos.duplicated().any():
        return {str(name): str(name).replace("_", " ") for name in rhos.index}
    return {str(name): f"ρ = {rho:g}" for name, rho in rhos.items()}


def _trainings_words(rows: pd.DataFrame) -> str:
    """Trainings an arm and test patients, as a slide says them."""
    seeds = sorted({int(number) for number in rows.loc[rows["n_train"] > 0, "seeds"]})
    patients = sorted({int(number) for number in rows["patients"]})
    each = [f"{' or '.join(map(str, seeds))} training{'' if seeds == [1] else 's'} a point"] if seeds else []
    return ", ".join([*each, f"{' or '.join(f'{number:,}' for number in patients)} test patients"])


def _points(axes: Axes, x: Any, rows: pd.DataFrame, columns: tuple[str, str, str], look: Look) -> None:
    value, low, high = (rows[name].to_numpy(dtype=float) for name in columns)
    axes.vlines(x, low, high, color=look.colour, lw=2.6, zorder=3)
    axes.plot(x, value, look.marker, color=look.colour, ms=9, mec="white", zorder=4)


def _trainings(axes: Axes, x: Any, rows: pd.DataFrame, colour: str) -> None:
    """Show every single training as a small dot."""
    for at, values in zip(x, rows["by_seed"], strict=True):
        each = [float(value) for value in values.split()] if isinstance(values, str) else []
        axes.plot([at] * len(each), each, "o", color=colour, ms=3.5, alpha=0.55, mew=0, zorder=2)


def curve_rows(areas: pd.DataFrame) -> pd.DataFrame:
    """Keep the arms that were trained on two numbers of patients or more: a single point is not a curve."""
    trained = areas[areas["n_train"] > 0]
    sizes = trained.groupby(["cohort", "arm"])["n_train"].nunique()
    curves = sizes[sizes > 1].index
    return areas[[(cohort, arm) in curves for cohort, arm in zip(areas["cohort"], areas["arm"], strict=True)]]


def _draw_curves(config: StudyConfig, rows: pd.DataFrame) -> Figure:
    from matplotlib.figure import Figure

    cohorts, words = [cohort for cohort in config.cohorts if cohort in set(rows["cohort"])], _cohort_words(rows)
    with style.house_style():
        figure = Figure(figsize=(max(WIDE[0], 5.5 * len(cohorts)), 7.0))
        panels = np.atleast_1d(figure.subplots(1, len(cohorts), sharey=True))
        sizes = sorted(set(rows["n_train"]))
        place = {size: number for number, size in enumerate(sizes)}
        for axes, cohort in zip(panels, cohorts, strict=True):
            draw_cohort(arm_looks(config), axes, rows[rows["cohort"] == cohort], place)
            axes.set(title=words[cohort] if len(cohorts) > 1 else "", xlabel="training patients", xticks=range(len(sizes)))
            axes.set_xticklabels([f"{size:,}" if size else "off the shelf" for size in sizes])
        panels[0].set(ylabel="AUROC")
        named = {label: handle for axes in panels for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
        figure.legend(named.values(), named.keys(), loc="outside lower left", ncols=3, columnspacing=1.4)
        where = f", {words[cohorts[0]]}" if len(cohorts) == 1 else ""
        style.heading(figure, "AUROC against the number of training patients", f"{config.title}{where}: {_trainings_words(rows)}; {BARS}")
    return figure


def draw_cohort(looks: Mapping[str, Look], axes: Axes, rows: pd.DataFrame, place: Mapping[int, int]) -> None:
    """Draw the learning curves of a cohort, arm by arm in the order of `looks`; `place` says where each number of patients stands."""
    arms = [arm for arm in looks if arm in set(rows["arm"])]
    for number, arm in enumerate(arms):
        own, look = rows[rows["arm"] == arm].sort_values("n_train"), looks[arm]
        x = np.array([place[size] for size in own["n_train"]]) + 0.12 * (number - (len(arms) - 1) / 2)
        trained = (own["n_train"] > 0).to_numpy()
        axes.plot(x[trained], own["auroc"][trained], marker=look.marker, mec="white", color=look.colour, lw=2.2, ms=9, label=look.label)
        _points(axes, x, own, ("auroc", "low", "high"), look)
        _trainings(axes, x + 0.04, own, look.colour)
    for ideal in sorted(set(rows["ideal"].dropna().round(6))):
        names = [looks[arm].label for arm in arms if np.isclose(rows[rows["arm"] == arm]["ideal"].astype(float), ideal).any()]
        axes.axhline(ideal, color=COLOURS["ideal"], lw=1.8, ls="--", zorder=1)
        axes.annotate(f"ideal observer: {' / '.join(names)}", (0.01, ideal), xycoords=("axes fraction", "data"), xytext=(0, 4),
                      textcoords="offset points", color=COLOURS["ideal"], fontsize=12)  # fmt: skip
    axes.axhline(0.5, color=MUTED, lw=1.4, ls=":", label="chance")


def _comparison(rows: pd.DataFrame, a: str, b: str) -> pd.DataFrame:
    if not len(rows):  # without columns, if no two arms can be compared yet
        return rows
    return rows[(rows["a"] == a) & (rows["b"] == b)].sort_values("rho")


def _gains_by_rho(gains: pd.DataFrame) -> pd.DataFrame:
    """Keep gains at the largest number of patients at which a comparison was made at three values of rho or more.

    Of several cohorts of one rho (for example with the lesion at another place) the first is kept.
    """
    if not len(gains) or gains["rho"].isna().all():
        return gains.iloc[:0]
    rows = gains[(gains["kind"] == GAIN) & gains["rho"].notna() & (gains["n_train"] > 0)]
    rows = rows.drop_duplicates(["a", "b", "n_train", "rho"])
    rows = rows[rows.groupby(["a", "b", "n_train"])["rho"].transform("nunique") > 2]
    return rows[rows["n_train"] == rows["n_train"].max()].sort_values(["a", "b", "rho"])


def _areas_by_rho(config: StudyConfig, areas: pd.DataFrame, gains: pd.DataFrame) -> pd.DataFrame:
    """Areas of both arms of the first comparison that was made at three values of rho or more, a row per rho and arm.

    Where a cohort lacks the second arm, `comparisons.csv` took it from a cohort of the same queries: it is the one whose area, with the
    difference that stands there, gives that of the first.
    """
    import pandas as pd

    rows = _gains_by_rho(gains)
    first = next((pair for pair in config.comparisons if len(_comparison(rows, *pair))), None)
    if first is None:
        return areas.iloc[:0]
    found = []
    for gain in _comparison(rows, *first).to_dict("records"):
        a = areas[(areas["arm"] == first[0]) & (areas["cohort"] == gain["cohort"]) & (areas["n_train"] == gain["n_train"])]
        b = areas[(areas["arm"] == first[1]) & (areas["n_train"] == gain["n_train_b"])]
        b = b[np.isclose(float(a["auroc"].iloc[0]) - b["auroc"].astype(float), gain["difference"], atol=2e-5)]
        found += [a, b.iloc[:1].assign(rho=gain["rho"])]
    return pd.concat(found, ignore_index=True)


def _draw_areas_by_rho(config: StudyConfig, rows: pd.DataFrame) -> Figure:
    from matplotlib.figure import Figure

    first, second = dict.fromkeys(rows["arm"]) if rows["arm"].nunique() == 2 else (rows["arm"].iloc[0], "")
    a, b = (rows[rows["arm"] == arm].sort_values("rho") for arm in (first, second))
    looks = arm_looks(config)
    with style.house_style():
        figure = Figure(figsize=(WIDE[0], 7.2))
        axes = figure.subplots()
        if len(b):
            axes.fill_between(b["rho"], b["low"], b["high"], color=looks[second].colour, alpha=0.22, lw=0)
            axes.plot(b["rho"], b["auroc"], color=looks[second].colour, lw=2.6, label=f"model, {looks[second].label}")
            axes.plot(b["rho"], b["ideal"], color=COLOURS["ideal"], lw=2.2, ls="--", label=f"ideal observer, {looks[second].label}")
        axes.plot(a["rho"], a["auroc"], color=looks[first].colour, marker=looks[first].marker, ms=9, mec="white", lw=2.6,
                  label=f"model, {looks[first].label}", zorder=4)  # fmt: skip
        _points(axes, a["rho"], a, ("auroc", "low", "high"), looks[first])
        _trainings(axes, a["rho"] + 0.008, a, looks[first].colour)
        axes.plot(a["rho"], a["ideal"], color=COLOURS["ideal"], marker="D", mfc="none", mew=2, ms=9, lw=2.2,
                  label=f"ideal observer, {looks[first].label}", zorder=5)  # fmt: skip
        if a["plain_difference"].notna().all():
            axes.plot(
                a["rho"], a["plain_difference"], color=COLOURS["difference"], lw=2.0, ls=":", label="observer of the plain difference"
            )
        axes.set(xlabel="correlation ρ of query and reference", ylabel="AUROC")
        figure.legend(loc="outside lower left", ncols=2, columnspacing=1.6)
        size = f"{int(a['n_train'].iloc[0]):,} training patients"
        style.heading(
            figure, "What a healthy reference adds, and what it could add at best",
            f"{config.title}: {size}, {_trainings_words(rows)}; bars and band: 95 % intervals",
        )  # fmt: skip
    return figure


def _draw_gains(config: StudyConfig, rows: pd.DataFrame) -> Figure:
    from matplotlib.figure import Figure

    pairs, looks = [pair for pair in config.comparisons if len(_comparison(rows, *pair))], arm_looks(config)
    with style.house_style():
        figure = Figure(figsize=(WIDE[0], 7.0))
        axes = figure.subplots()
        ideals: set[tuple[float, ...]] = set()
        used: set[str] = set()
        for number, (a, b) in enumerate(pairs):
            own = _comparison(rows, a, b)
            # The first comparison has the colour of its first arm, the others that of the control they are made with.
            look = looks[a if number == 0 else b]
            if look.colour in used:
                look = look._replace(colour=next((colour for colour in LINES if colour not in used), MUTED))
            used.add(look.colour)
            x = own["rho"].to_numpy(dtype=float) + 0.012 * (number - (len(pairs) - 1) / 2)
            label = f"{looks[a].label} − {looks[b].label}"
            axes.plot(x, own["difference"], marker=look.marker, mec="white", ms=9, color=look.colour, lw=2.2, label=label)
            _trainings(axes, x, own, look.colour)
            _points(axes, x, own, ("difference", "low", "high"), look)
            ideal = tuple(own["ideal_difference"].round(6))
            if max(map(abs, ideal)) > 0 and ideal not in ideals:
                label = "" if ideals else "ideal observer"
                axes.plot(own["rho"], ideal, "-D", color=COLOURS["ideal"], mfc="none", mew=2, ms=8, lw=1.8, label=label)
                if own["ideal_of_plain_difference"].notna().all():
                    label = "" if ideals else "observer of the plain difference"
                    axes.plot(own["rho"], own["ideal_of_plain_difference"], color=COLOURS["difference"], ls=":", lw=2.0, label=label)
                ideals.add(ideal)
        axes.axhline(0, color=MUTED, lw=1.4, ls=":", label="no gain")
        axes.set(xlabel="correlation ρ of query and reference", ylabel="gain in AUROC")
        figure.legend(loc="outside lower left", ncols=2, columnspacing=1.6)
        size = f"{int(rows['n_train'].iloc[0]):,} training patients"
        under = f"{config.title}: {size}, {_trainings_words(rows)}; {BARS}"
        style.heading(figure, "Gain in AUROC against the similarity of the reference", under)
    return figure


def _draw_areas(config: StudyConfig, rows: pd.DataFrame) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    looks, words = arm_looks(config), _cohort_words(rows)
    order = {name: number for number, name in enumerate(config.cohorts)}
    # Headings say what rows have in common: the stage of training, and the cohort where there is one only.
    stage = [
        f"finetuned on {size:,} patients, {seeds} training{'' if seeds == 1 else 's'}" if size else "off the shelf"
        for size, seeds in zip(rows["n_train"], rows["seeds"], strict=True)
    ]
    rows = rows.assign(at=rows["cohort"].map(order), stage=stage, trained=rows["n_train"] > 0)
    rows = rows.sort_values(["trained", "at", "n_train"], kind="stable")
    groups = [group for _, group in rows.groupby("stage", sort=False)]
    with style.house_style():
        figure = Figure(figsize=(WIDE[0] + 2.0, 2.3 + 0.44 * (len(rows) + len(groups))))
        axes = figure.subplots()
        place, ticks, labels = 0.0, [], []
        for group in groups:
            alone = group["cohort"].nunique() == 1
            heading = f"{words[group['cohort'].iloc[0]]}, {group['stage'].iloc[0]}" if alone and len(words) > 1 else group["stage"].iloc[0]
            style.note(axes, 0, place - 0.1, heading, INK, fontsize=13, style="italic", va="center", transform=axes.get_yaxis_transform())
            listed: list[dict[str, Any]] = group.to_dict("records")  # type: ignore[assignment]
            for row in listed:
                place += 1
                look = looks[row["arm"]]
                axes.hlines(place, row["low"], row["high"], color=look.colour, lw=3, zorder=3)
                axes.plot([row["auroc"]], [place], look.marker, color=look.colour, ms=9, mec="white", zorder=4)
                axes.plot([row["ideal"]], [place], "D", ms=8, mfc="none", mec=COLOURS["ideal"], mew=2, zorder=5)
                text = with_interval(row["auroc"], row["low"], row["high"], DIGITS)
                axes.annotate(text, (1.01, place), xycoords=("axes fraction", "data"), va="center", fontsize=12.5)
                ticks.append(place)
                labels.append(look.label if alone else f"{look.label}, {words[row['cohort']]}")
            place += 1.2
        axes.axvline(0.5, color=INK, lw=1.4, ls=":")
        axes.set(xlabel="AUROC", yticks=ticks, ylim=(place - 0.6, -0.7))
        axes.set_yticklabels(labels)
        axes.tick_params(axis="y", length=0)
        words_of_points = "model, 95 % interval (a colour and marker for each arm)"
        handles = [Line2D([], [], color=INK, marker="o", lw=3, ms=9, mec="white", label=words_of_points)]
        if rows["ideal"].notna().any():
            handles.append(Line2D([], [], color=COLOURS["ideal"], marker="D", ls="", ms=8, mfc="none", mew=2, label="ideal observer"))
        handles.append(Line2D([], [], color=INK, lw=1.4, ls=":", label="chance"))
        figure.legend(handles=handles, loc="outside lower right", ncols=3, columnspacing=1.4)
        style.heading(figure, "AUROC of every arm", f"{config.title}: {_patients_words(rows, words)} test patients; {BARS}")
    return figure


def _patients_words(rows: pd.DataFrame, words: dict[str, str]) -> str:
    """Test patients of each cohort, once where all have as many."""
    counts = rows.groupby("cohort", sort=False)["patients"].first()
    same = counts.nunique() == 1
    return f"{counts.iloc[0]:,}" if same else ", ".join(f"{words[str(name)]} {count:,}" for name, count in counts.items())
