"""Figures of one's own records, on one's own axes: AUROC by arm, ROC curves, flips, balance, learning curves.

Each function draws with the code of the report's figures, returns the axes, and does not change matplotlib's settings.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from empirical.evaluation.records import COLUMNS, EARLIER, Records, read_records
from paper_figures.plotting import style
from paper_figures.plotting.style import INK, LINES, LOOKS, Look, note
from paper_figures.results.estimates import auroc_of, shared_references
from paper_figures.results.runs import Run, RunScores, runs_of, scores_of
from see_in_pairs.errors import InputError, first_few

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from empirical.cohorts import Cohort
    from empirical.references import Assignment

    Table = Records | pd.DataFrame | Path | str

MARKERS = "osD^vPX"


def plot_auroc(records: Table, *, arms: Sequence[str] | None = None, positive: Sequence[object] = (), ax: Axes | None = None) -> Axes:
    """Draw the AUROC of every arm with its 95 % interval.

    Parameters
    ----------
    records : Records, pandas.DataFrame, Path or str
        Records, their file or folder, or a table with ``item_id, label, score`` and optionally ``arm`` and
        ``patient_id``.
    arms : sequence of str, optional
        Arms (or runs, by ``run_id``) to draw, in this order; all of them when not given.
    positive : sequence
        Label(s) to detect, where the records do not say; 1 when labels are 0 and 1.
    ax : matplotlib.axes.Axes, optional
        Axes to draw into; new ones in the house style when not given.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, one row per run. The row of a run without an interval says why.

    Raises
    ------
    InputError
        When there are no such records, arms or labels, or no run has an interval.

    Examples
    --------
    >>> import pandas as pd
    >>> items = pd.DataFrame({"item_id": range(40), "label": [0, 1] * 20})
    >>> pair = items.assign(arm="pair", score=[(7 * i % 40 + 12 * (i % 2)) / 60 for i in range(40)])
    >>> single = items.assign(arm="single", score=[(7 * i % 40 + 4 * (i % 2)) / 60 for i in range(40)])
    >>> axes = plot_auroc(pd.concat([pair, single]))
    >>> [label.get_text() for label in axes.get_yticklabels()]
    ['pair', 'single image']
    """
    from paper_figures.figures.auroc_by_arm import draw_interval

    scores = _scores(records, arms, positive)
    with _axes(ax, (9.0, 1.6 + 0.6 * len(scores))) as axes:
        labels, areas = _labels(scores), [auroc_of(one) for one in scores]
        if all(found.reason for found in areas):
            raise InputError(f"{scores[0].run.run_id}: no AUROC: {areas[0].reason}")
        for height, (one, label, found) in enumerate(zip(scores, labels, areas, strict=True)):
            if found.reason:  # such as a reference that all queries share: its row says so, and the others are drawn
                words = textwrap.fill(f"no interval: {found.reason}", 60)
                note(axes, 0.01, height, words, fontsize=10, va="center", transform=axes.get_yaxis_transform())
            row: dict[str, Any] = {"arm": one.run.arm, "label": label, "auroc": found.value, "low": found.low, "high": found.high}
            row |= {} if one.run.arm in LOOKS else {"look": _look(one.run, height)}
            draw_interval(axes, height, row, ("auroc", "low", "high"), np.nan)
        axes.axvline(0.5, color=INK, lw=1.4, ls=":")
        axes.set(xlabel="AUROC (bars: 95 % intervals; dotted: chance)", yticks=range(len(scores)), ylim=(len(scores) - 0.5, -0.7))
        axes.set_yticklabels(labels)
        axes.tick_params(axis="y", length=0)
    return axes


def plot_roc(
    records: Table,
    *,
    arms: Sequence[str] | None = None,
    positive: Sequence[object] = (),
    resamples: int = 2000,
    seed: int = 0,
    ax: Axes | None = None,
) -> Axes:
    """Draw ROC curves, each with a band that covers the whole curve with 95 % confidence.

    Parameters
    ----------
    records : Records, pandas.DataFrame, Path or str
        The records or table, as in `plot_auroc`.
    arms : sequence of str, optional
        Arms (or runs, by ``run_id``) to draw, in this order; all of them when not given.
    positive : sequence
        Label(s) to detect, where the records do not say; 1 when labels are 0 and 1.
    resamples : int, default 2000
        Bootstrap resamples of patients for the bands.
    seed : int, default 0
        Seed of the resamples.
    ax : matplotlib.axes.Axes, optional
        Axes to draw into; new ones in the house style when not given.

    Returns
    -------
    matplotlib.axes.Axes
        The axes; the legend gives each AUROC with its interval.

    Raises
    ------
    InputError
        When there are no such records, arms or labels, or only one class.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"item_id": range(60), "label": [0, 1] * 30, "score": [(7 * i % 60 + 20 * (i % 2)) / 80 for i in range(60)]})
    >>> plot_roc(table, resamples=50).get_xlabel()
    '1 - specificity'
    """
    import pandas as pd

    from paper_figures.plotting.comparison import draw_roc, roc_rows
    from paper_figures.statistics.diagnostic.roc_band import roc_bands

    scores = _scores(records, arms, positive)
    labels, curves = _labels(scores), []
    for one, label in zip(scores, labels, strict=True):
        trainings, shared = len(one.logit), shared_references([one])
        bands = roc_bands(
            one.ranked.ravel(), np.tile(one.positive, trainings), np.tile(one.patients, trainings), resamples=resamples, seed=seed,
            seeds=np.repeat(np.arange(trainings), len(one.items)) if trainings > 1 else None,
            references=None if shared is None else shared * trainings,
        )  # fmt: skip
        found = auroc_of(one)
        curves.append(roc_rows(bands, 0, label, found.value, None if found.reason else found.interval))
    with _axes(ax, (7.4, 7.6)) as axes:
        draw_roc(axes, pd.concat(curves, ignore_index=True), [_look(one.run, number).colour for number, one in enumerate(scores)])
    return axes


def plot_flip_table(
    records: Table,
    arms: Sequence[str] = ("single", "pair"),
    *,
    threshold: float = 0.5,
    positive: Sequence[object] = (),
    ax: Axes | None = None,
) -> Axes:
    """Draw which answers change when the second arm replaces the first: right to wrong, and wrong to right, by class.

    Parameters
    ----------
    records : Records, pandas.DataFrame, Path or str
        As in `plot_auroc`; both arms on the same items.
    arms : sequence of str
        The two arms (or runs): before and after.
    threshold : float, default 0.5
        A score (of records: the probability of the positive answer) at or above it is positive.
    positive : sequence
        Label(s) to detect, where the records do not say; 1 when labels are 0 and 1.
    ax : matplotlib.axes.Axes, optional
        Axes to draw into; new ones in the house style when not given.

    Returns
    -------
    matplotlib.axes.Axes
        The axes: shares of the items of each class with their 95 % intervals.

    Raises
    ------
    InputError
        When there are no two such arms on the same items.

    Examples
    --------
    >>> import pandas as pd
    >>> items = pd.DataFrame({"item_id": range(40), "label": [0, 1] * 20})
    >>> pair = items.assign(arm="pair", score=[(7 * i % 40 + 12 * (i % 2)) / 60 for i in range(40)])
    >>> single = items.assign(arm="single", score=[(7 * i % 40 + 4 * (i % 2)) / 60 for i in range(40)])
    >>> plot_flip_table(pd.concat([single, pair])).get_title(loc="left")
    'From single image to pair'
    """
    from paper_figures.statistics.diagnostic.flips import flip_table

    scores = _scores(records, arms, positive)
    if len(scores) != 2 or scores[0].items.tolist() != scores[1].items.tolist() or len(scores[0].logit) != len(scores[1].logit):
        raise InputError(f"{', '.join(arms)}: give two arms on the same items, with as many trainings")
    first, trainings = scores[0], len(scores[0].logit)
    cut = np.log(threshold) - np.log1p(-threshold) if _are_probabilities(records) and 0 < threshold < 1 else threshold
    right = [(one.ranked >= cut) == one.positive for one in scores]  # an item without a score is wrong in either class
    with _axes(ax, (9.0, 4.2)) as axes:
        ticks: list[tuple[int, str]] = []
        for number, (name, members) in enumerate({"positive": first.positive, "negative": ~first.positive}.items()):
            if not members.any():
                continue
            found = flip_table(
                right[0][:, members].ravel(), right[1][:, members].ravel(), np.tile(first.patients[members], trainings),
                seeds=np.repeat(np.arange(trainings), int(members.sum())) if trainings > 1 else None,
            )  # fmt: skip
            for shift, kind, share, colour in (
                (-0.19, "right to wrong", found.harmful, LOOKS["difference"].colour),
                (0.19, "wrong to right", found.beneficial, LOOKS["pair"].colour),
            ):
                axes.barh(number + shift, share.share, 0.34, color=colour, label=kind if not ticks else None)
                if share.interval is not None:
                    axes.hlines(number + shift, *share.interval, color=INK, lw=2)
                end = share.share if share.interval is None else max(share.share, share.interval[1])
                axes.annotate(f" {share.items:g}", (end, number + shift), va="center")
            ticks.append((number, f"{name}, {int(members.sum())} items"))
        axes.set_yticks([place for place, _ in ticks], [words for _, words in ticks])
        before, after = _labels(scores)
        axes.set(xlabel="share of the items of a class (lines: 95 % intervals)")
        axes.set_title(f"From {before} to {after}", loc="left")
        axes.invert_yaxis()
        axes.margins(x=0.12)
        axes.legend(loc="best")
    return axes


def plot_balance(
    assignment: Assignment | pd.DataFrame, cohort: Cohort | Path | str, split: str = "test", *, ax: Axes | None = None
) -> Axes:
    """Draw a love plot: how far queries and references are apart in age, sex, view and site, before and after they are chosen.

    Parameters
    ----------
    assignment : Assignment or pandas.DataFrame
        The references of each query, as `empirical.choose_references` returns them, or a table with ``item_id, reference_id``.
    cohort : Cohort, Path or str
        The cohort of the queries and references, or its folder.
    split : str, default 'test'
        Split of the queries: ``'train'``, ``'val'`` or ``'test'``.
    ax : matplotlib.axes.Axes, optional
        Axes to draw into; new ones in the house style when not given.

    Returns
    -------
    matplotlib.axes.Axes
        The axes: standardised mean differences with 95 % intervals, one row per covariate.

    Raises
    ------
    InputError
        When there is no such cohort or split, or a column is missing in the table.

    Examples
    --------
    >>> import tempfile
    >>> from empirical import PhantomConfig, ReferenceConfig, choose_references, make_phantom
    >>> cohort = make_phantom(PhantomConfig(size=40, n_train=0, n_val=0, n_test=20), tempfile.mkdtemp() + "/phantom", seed=0)
    >>> axes = plot_balance(choose_references(cohort, "test", ReferenceConfig(strategy="random"), seed=0), cohort)
    >>> axes.get_title(loc="left")
    'Balance of queries and references'
    """
    import pandas as pd

    from empirical.cohorts import Cohort
    from empirical.references import Assignment
    from empirical.references.diagnostics.balance import balance_table
    from empirical.references.diagnostics.love_plot import draw_balance

    known = cohort if isinstance(cohort, Cohort) else Cohort.load(cohort)
    if isinstance(assignment, pd.DataFrame):
        if missing := [name for name in ("item_id", "reference_id") if name not in assignment.columns]:
            raise InputError(f"assignment: the table lacks {', '.join(missing)}; give one row for each reference of each query")
        assignment = Assignment(assignment, pd.DataFrame(columns=["item_id", "reason"]), "")
    balance = balance_table(known, split, assignment)
    with _axes(ax, (8.6, 1.9 + 0.5 * int(balance["smd_before"].notna().sum()))) as axes:
        draw_balance(axes, balance, "Balance of queries and references")
    return axes


def plot_learning_curve(study: pd.DataFrame | Path | str, *, cohort: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw AUROC against the number of training patients, arm by arm.

    Parameters
    ----------
    study : pandas.DataFrame, Path or str
        The folder of a training study, its ``study.csv``, or a table with ``arm, n_train, auroc, low, high`` and, where there are any,
        ``cohort``, ``by_seed`` (the areas of single trainings, as text) and ``ideal``.
    cohort : str, optional
        The cohort to draw, if the study has several.
    ax : matplotlib.axes.Axes, optional
        Axes to draw into; new ones in the house style when not given.

    Returns
    -------
    matplotlib.axes.Axes
        The axes: points with 95 % intervals; small dots are single trainings, dashed lines ideal observers.

    Raises
    ------
    InputError
        When there is no such table, a column is missing, or it has several cohorts and none is named.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"arm": ["single", "single", "pair", "pair"], "n_train": [100, 400] * 2, "auroc": [0.6, 0.7, 0.65, 0.8]})
    >>> axes = plot_learning_curve(table.assign(low=table["auroc"] - 0.05, high=table["auroc"] + 0.05))
    >>> [label.get_text() for label in axes.get_xticklabels()]
    ['100', '400']
    """
    import pandas as pd

    from paper_figures.study.config import SETTINGS, StudyConfig
    from paper_figures.study.figure import arm_looks, draw_cohort
    from see_in_pairs.configs import parse_config
    from see_in_pairs.files import read_json_object, read_table

    settings: Path | None = None
    if isinstance(study, pd.DataFrame):
        rows, source = study, "the table"
    else:
        path = Path(study) / "study.csv" if Path(study).is_dir() else Path(study)
        rows, source, settings = read_table(path), str(path), path.parent / SETTINGS
    if missing := [name for name in ("arm", "n_train", "auroc", "low", "high") if name not in rows.columns]:
        raise InputError(f"{source}: lacks the column(s) {', '.join(missing)}; give the study.csv of a training study")
    rows = rows.assign(**{name: empty for name, empty in (("cohort", ""), ("by_seed", ""), ("ideal", np.nan)) if name not in rows.columns})
    cohorts = list(dict.fromkeys(rows["cohort"]))
    if (cohort is None and len(cohorts) > 1) or cohort not in (None, *cohorts):
        raise InputError(f"{source}: has the cohorts {first_few(cohorts, 6)}; name one of them with cohort=")
    rows = rows[rows["cohort"] == (cohorts[0] if cohort is None else cohort)]
    if settings is not None and settings.is_file():
        looks = arm_looks(parse_config(StudyConfig, read_json_object(settings), str(settings)))
    else:
        looks = {str(arm): _look(Run(str(arm), str(arm), ""), number) for number, arm in enumerate(dict.fromkeys(rows["arm"]))}
    sizes = sorted(set(rows["n_train"]))
    with _axes(ax, style.WIDE) as axes:
        draw_cohort(looks, axes, rows, {size: number for number, size in enumerate(sizes)})
        axes.set(xlabel="training patients", ylabel="AUROC", xticks=range(len(sizes)))
        axes.set_xticklabels([f"{size:,}" if size else "off the shelf" for size in sizes])
        axes.legend(loc="best")
    return axes


@contextmanager
def _axes(ax: Axes | None, size: tuple[float, float]) -> Iterator[Axes]:
    """Axes to draw into: the given ones, unchanged, or new ones in the house style, which a notebook shows."""
    if ax is not None:
        yield ax
        return
    from matplotlib import pyplot

    with style.house_style():
        yield pyplot.subplots(figsize=size)[1]


def _are_probabilities(records: Table) -> bool:
    return not hasattr(records, "columns") or "logp" in records.columns  # type: ignore[union-attr]


def _scores(given: Table, arms: Sequence[str] | None, positive: Sequence[object]) -> list[RunScores]:
    """The scores of the requested runs, by arm or by run."""
    records = _records(given, positive)
    runs = runs_of(records.table)
    if arms is not None:
        found = [[run for run in runs if name in (run.arm, run.run_id)] for name in arms]
        if lacking := [name for name, one in zip(arms, found, strict=True) if not one]:
            raise InputError(f"no arm or run '{lacking[0]}'; there are {first_few(list(dict.fromkeys(run.arm for run in runs)), 8)}")
        runs = tuple(dict.fromkeys(run for one in found for run in one))
    return [scores_of(records, run) for run in runs]


def _records(given: Table, positive: Sequence[object]) -> Records:
    import pandas as pd

    if isinstance(given, (Path, str)):
        given = read_records(given)
    table, named, healthy = (given, (), "") if isinstance(given, pd.DataFrame) else (given.table, given.positive, given.healthy)
    if lacking := {"item_id", "label"} - set(table.columns):
        raise InputError(f"the table lacks {', '.join(sorted(lacking))}; it needs item_id, label and score, or the columns of records")
    labels = set(table["label"].unique())
    detected = ((positive,) if isinstance(positive, str) else tuple(positive)) or named or ((1,) if labels <= {0, 1} else ())
    if not detected or not labels & set(detected):
        raise InputError(f"which labels are positive? There are {first_few(sorted(map(str, labels)), 6)}; name them with positive=")
    if set(COLUMNS) - set(EARLIER) - set(table.columns):
        if "score" not in table.columns:
            raise InputError("the table lacks score; it needs item_id, label and score, or the columns of records")
        table = _completed(table)
    return Records(table.reset_index(drop=True), detected, healthy)  # type: ignore[arg-type]


def _completed(table: pd.DataFrame) -> pd.DataFrame:
    """Give a table of scores the columns of records, with the score instead of the log-odds."""
    import pandas as pd

    arm = table["arm"] if "arm" in table.columns else pd.Series("model", index=table.index)
    empty: dict[str, Any] = {
        "run_id": arm, "arm": arm, "train_arm": "", "train_seed": None, "n_train": 0, "reference_strategy": "", "seed": 0,
        "patient_id": table["item_id"], "reference_ids": pd.Series([[]] * len(table), index=table.index),
    }  # fmt: skip
    scores: dict[str, Any] = {
        "logp": [{"positive": float(score), "negative": 0.0} for score in table["score"]],
        "p_positive": table["score"],
    }
    table = table.assign(**{name: value for name, value in empty.items() if name not in table.columns}, **scores)
    return table.astype({"item_id": str, "patient_id": str, "train_seed": "Int64"})


def _labels(scores: Sequence[RunScores]) -> list[str]:
    """Names of runs in words; their ids if two names would be equal."""
    from paper_figures.figures.auroc_by_arm import run_label

    words = [LOOKS[one.run.arm].label if one.run.arm in LOOKS and not one.run.strategy else run_label(one.run) for one in scores]
    return [word if words.count(word) == 1 else f"{word} ({one.run.run_id})" for word, one in zip(words, scores, strict=True)]


def _look(run: Run, number: int) -> Look:
    """Colour, marker and words of an arm; for an unknown arm, the next style of the lines."""
    free = [colour for colour in LINES if colour not in (LOOKS[name].colour for name in ("single", "pair", "ideal"))]
    return LOOKS.get(run.arm) or Look(free[number % len(free)], MARKERS[number % len(MARKERS)], run.arm.replace("_", " "))
