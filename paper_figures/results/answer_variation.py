"""How much scores and answers vary with the wording, the references drawn and the training, and how many of each are enough."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special, stats

from empirical.analysis.patients import share_interval
from empirical.evaluation.records import read_records
from paper_figures.statistics import random_factors_contrast
from see_in_pairs.errors import InputError, did_you_mean, first_few
from see_in_pairs.roc import auroc

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FACTORS = {"wording": "wording", "references": "seed", "training": "train_seed"}
"""Each factor, and the column of the records that tells its levels apart: every seed of an evaluation draws other references."""

INFLATION = 1.1
"""A factor has levels enough where it adds at most a tenth to the standard error that comes from the patients."""

RESAMPLES = 400
COLUMNS = [
    "of", "factor", "levels", "measure", "sd", "sd_low", "sd_high", "enough", "enough_high", "logit_shift_sd", "logit_shift_low",
    "logit_shift_high", "logit_item_sd", "logit_item_low", "logit_item_high", "changed", "changed_low", "changed_high",
]  # fmt: skip


@dataclass(frozen=True)
class _Scores:
    """One arm: items along the first axis, then wordings, references, trainings."""

    name: str
    right: Floats  # whether the most probable answer is the true one
    answer: NDArray[np.intp]  # number of the most probable answer
    logit: Floats  # log-odds of the positive answer, of the true one where a question is not binary
    score: Floats  # probability of the positive answer; NaN where the questions are not binary
    positive: NDArray[np.bool_]  # (items,)
    patients: NDArray[np.str_]  # (items,)
    items: NDArray[np.str_]
    levels: tuple[tuple[Any, ...], ...]

    @property
    def measure(self) -> str:
        """AUROC where all questions are binary and both classes occur, else accuracy."""
        two = self.positive.any() and not self.positive.all()
        return "auroc" if two and np.isfinite(self.score).all() else "accuracy"


def answer_variation(
    sources: Sequence[Path | str], arm: str, against: str | None = None, *, question: str | None = None, seed: int = 0
) -> pd.DataFrame:
    """Estimate how much an arm's scores vary with wordings, references and trainings, and how many levels are enough.

    Parameters
    ----------
    sources : sequence of Path or str
        Records of one model (or several trainings of it) on the same items: every combination of wording, seed and training must occur.
    arm : str
        The arm; its name in the column ``arm``, or a ``run_id``.
    against : str, optional
        Another arm: the variation of the difference, arm minus this one, is estimated too.
    question : str, optional
        Only rows of this ``question_id``.
    seed : int, default 0
        Of the resamples of patients.

    Returns
    -------
    pandas.DataFrame
        A row for each arm (``of``) and factor with several levels. ``sd`` is the standard deviation of the arm's AUROC (binary questions)
        or accuracy between levels, with a chi-squared 95 % interval; ``enough`` how many levels add at most a tenth to the standard error
        that comes from the patients, and ``enough_high`` the same by the upper end of ``sd``. ``logit_shift_sd`` and ``logit_item_sd`` are
        standard deviations of the log-odds of the positive answer (of the true one, where a question is not binary): by how much a level
        shifts all items alike, and each item by itself (intervals over patients). ``changed`` is the share of answers that differ between
        two levels, with its interval.

    Raises
    ------
    InputError
        When the arm does not occur, a combination is missing, or no factor has several levels.
    """
    import pandas as pd

    table = pd.concat([_rows(Path(source)) for source in sources], ignore_index=True)
    if question is not None:
        known = sorted(set(table["question_id"]))
        if question not in known:
            raise InputError(f"--question {question}: no such question (there are {first_few(known, 6)}){did_you_mean(question, known)}")
        table = table[table["question_id"] == question]
    arms = [_scores(table, name) for name in filter(None, (arm, against))]
    if len(arms) > 1 and not (np.array_equal(arms[0].items, arms[1].items) and arms[0].levels == arms[1].levels):
        raise InputError(f"'{arm}' and '{against}': have other items, wordings, seeds or trainings; evaluate both together")
    rows = [_of_arm(one, factor, seed) | _between(one.name, [one], factor) for one in arms for factor in _varying(one)]
    if len(arms) > 1:
        rows += [_between(f"{arm} minus {against}", arms, factor) for factor in _varying(arms[0])]
    if not rows:
        raise InputError("nothing varies: one wording, one seed and one training; evaluate with wordings: [...], or with other seeds")
    return pd.DataFrame(rows).reindex(columns=COLUMNS)


def _rows(source: Path) -> pd.DataFrame:
    records = read_records(source)
    return records.table.assign(
        positive=records.is_positive().to_numpy(), item=records.table["item_id"] + " " + records.table["question_id"]
    )


def _scores(table: pd.DataFrame, name: str) -> _Scores:
    """Arrange the rows of an arm as a full array."""
    rows = table[table["run_id"] == name] if (table["run_id"] == name).any() else table[table["arm"] == name]
    if rows.empty:
        known = sorted({*table["arm"], *table["run_id"]})
        raise InputError(f"no arm or run '{name}' (there are {first_few(known, 8)}){did_you_mean(name, known)}")
    if rows["run_id"].nunique() > 1:
        raise InputError(f"arm '{name}': several runs ({first_few(sorted(set(rows['run_id'])))}); name one of them")
    rows = rows.assign(train_seed=rows["train_seed"].astype("Int64").fillna(-1).astype(int))
    levels = [sorted(rows[column].unique()) for column in FACTORS.values()]
    items = np.array(sorted(rows["item"].unique()))
    shape = (len(items), *map(len, levels))
    keys = ["item", *FACTORS.values()]
    if rows.duplicated(keys).any():
        raise InputError(f"'{name}': rows of an item occur twice with one wording, seed and training; give each record once")
    if len(rows) != math.prod(shape):
        sizes = ", ".join(f"{number} {factor}s" for number, factor in zip(shape[1:], ("wording", "seed", "training"), strict=True))
        what = f"{len(rows)} rows for {shape[0]} items and {sizes}"
        raise InputError(f"'{name}': {what}, which are not all combined; {math.prod(shape)} are needed")
    rows = rows.sort_values(keys)
    logp = [dict(row) for row in rows["logp"]]
    values = [np.array(list(row.values())) for row in logp]
    if not all(np.isfinite(row).all() for row in values):
        raise InputError(f"'{name}': some items have no finite score; score them first, none is dropped")
    answers = _true_answers(rows)
    truth = [row[answer] for row, answer in zip(logp, answers, strict=True)]
    others = [special.logsumexp([value for key, value in row.items() if key != answer]) for row, answer in zip(logp, answers, strict=True)]
    turned = np.where((rows["scale"] == "binary") & ~rows["positive"], -1.0, 1.0)  # to the odds of the positive answer
    chosen = [max(row, key=row.__getitem__) for row in logp]
    codes = {word: number for number, word in enumerate(dict.fromkeys(chosen))}
    first = rows.drop_duplicates("item")
    return _Scores(
        name, (np.array(chosen) == np.array(answers)).astype(np.float64).reshape(shape),
        np.array([codes[word] for word in chosen]).reshape(shape), (turned * (np.array(truth) - np.array(others))).reshape(shape),
        rows["p_positive"].to_numpy(np.float64).reshape(shape), first["positive"].to_numpy(bool), first["patient_id"].to_numpy(str), items,
        tuple(map(tuple, levels)),
    )  # fmt: skip


def _true_answers(rows: pd.DataFrame) -> list[str]:
    """The true answers; records of earlier versions name them by the class only, with the positive answer first."""
    if (rows["answer"] != "").all():
        return list(rows["answer"])
    return [list(row)[0 if positive else 1] for row, positive in zip(rows["logp"], rows["positive"], strict=True)]


def _varying(one: _Scores) -> list[str]:
    return [factor for factor, levels in zip(FACTORS, one.levels, strict=True) if len(levels) > 1]


def _between(of: str, arms: Sequence[_Scores], factor: str) -> dict[str, Any]:
    """Standard deviation of the measure (of one arm, or of their difference) between levels, and how many levels are enough."""
    first, measure = arms[0], arms[0].measure
    places = list(np.ndindex(*first.right.shape[1:]))
    by_cell = np.empty((len(arms), *first.right.shape[1:]))
    for number, one in enumerate(arms):
        for place in places:
            cell = (slice(None), *place)
            by_cell[number][place] = auroc(one.score[cell], one.positive) if measure == "auroc" else one.right[cell].mean()
    theta = by_cell[0] - by_cell[1] if len(arms) > 1 else by_cell[0]
    axis = list(FACTORS).index(factor)
    means = theta.mean(axis=tuple(other for other in range(3) if other != axis))
    sd, free = float(means.std(ddof=1)), len(means) - 1
    low, high = (sd * math.sqrt(free / stats.chi2.ppf(tail, free)) for tail in (0.975, 0.025))
    se = _patients_se(arms, measure)
    return {
        "of": of, "factor": factor, "levels": len(means), "measure": measure, "sd": sd, "sd_low": low, "sd_high": high,
        "enough": _enough(sd, se), "enough_high": _enough(high, se),
    }  # fmt: skip


def _enough(sd: float, se: float) -> float:
    """Number of levels with which the factor adds at most a tenth to the patients' standard error."""
    return max(1.0, math.ceil(sd**2 / ((INFLATION**2 - 1) * se**2))) if se > 0 else math.nan


def _patients_se(arms: Sequence[_Scores], measure: str) -> float:
    """Standard error of the measure with these wordings, references and trainings, for new patients."""
    cubes = []
    for one in arms:
        values = one.score if measure == "auroc" else one.right
        cubes.append(np.moveaxis(values.reshape(len(values), -1), 0, -1)[:, None, :])  # every combination is one model
    labels = arms[0].positive if measure == "auroc" else None
    weights = (1.0,) if len(arms) == 1 else (1.0, -1.0)
    models = ["same"] * len(arms)
    return random_factors_contrast(cubes, labels, arms[0].patients, measure=measure, weights=weights, models=models, fixed=("seeds",)).se


def _of_arm(one: _Scores, factor: str, seed: int) -> dict[str, Any]:
    """Components of the logit, and the share of answers that change."""
    axis = 1 + list(FACTORS).index(factor)
    _, patient = np.unique(one.patients, return_inverse=True)
    number = int(patient.max()) + 1
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(axis,)))
    drawn = rng.multinomial(number, np.full(number, 1 / number), size=RESAMPLES)
    varying = [1 + list(FACTORS).index(name) for name in _varying(one)]
    found = logit_components(one.logit, axis, varying, np.ones(len(one.logit)))
    resampled = np.array([logit_components(one.logit, axis, varying, weights[patient].astype(float)) for weights in drawn])
    low, high = np.nanquantile(resampled, [0.025, 0.975], axis=0)
    changed = changed_share(one.answer, axis)
    ends = share_interval(changed, one.patients)
    return {
        "logit_shift_sd": found[0], "logit_shift_low": low[0], "logit_shift_high": high[0], "logit_item_sd": found[1],
        "logit_item_low": low[1], "logit_item_high": high[1], "changed": float(changed.mean()), "changed_low": ends[0],
        "changed_high": ends[1],
    }  # fmt: skip


def changed_share(answer: NDArray[np.intp], axis: int) -> Floats:
    """For each item, the share of pairs of levels along an axis with different answers, averaged over the other factors, (items,)."""
    moved = np.moveaxis(answer, axis, -1).reshape(len(answer), -1, answer.shape[axis])
    levels = moved.shape[-1]
    differ = (moved[..., :, None] != moved[..., None, :]).sum(axis=(-1, -2)) / (levels * (levels - 1))
    return np.asarray(differ.mean(axis=1), dtype=np.float64)


def logit_components(logit: Floats, axis: int, varying: Sequence[int], weights: Floats) -> tuple[float, float]:
    r"""Estimate standard deviations between levels of a factor: of the shift of all items, and of the change of each item.

    `logit` is (items, wordings, references, trainings), `axis` the factor's, `varying` the axes of all factors with several levels, and
    `weights` says how often each item counts. By the method of moments, negative variances as 0: with the mean of item i at level l over
    the other factors :math:`m_{il} = \mu + a_i + b_l + c_{il}`, the level means vary by :math:`\sigma_b^2 + \sigma_c^2/n`. What remains
    beside all item-by-factor effects is subtracted from :math:`\sigma_c^2` where other factors vary too, else it is part of it.
    """
    total, levels = weights.sum(), logit.shape[axis]
    others = tuple(other for other in range(1, logit.ndim) if other != axis)
    means = logit.mean(axis=others)
    level = weights @ means / total
    rest = means - means.mean(axis=1, keepdims=True) - (level - level.mean())
    by_item = float(weights @ (rest**2).sum(axis=1)) / ((total - 1) * (levels - 1))
    shift = float(level.var(ddof=1)) - by_item / total
    repeats = math.prod(logit.shape[other] for other in others)
    if repeats > 1:
        left = logit - logit.mean(axis=tuple(range(1, logit.ndim)), keepdims=True)
        freedom = logit[0].size - 1
        for other in varying:
            apart = tuple(one for one in range(1, logit.ndim) if one != other)
            left = left - (logit.mean(axis=apart, keepdims=True) - logit.mean(axis=tuple(range(1, logit.ndim)), keepdims=True))
            freedom -= logit.shape[other] - 1
        if freedom > 0:
            by_item -= float(weights @ (left**2).reshape(len(left), -1).sum(axis=1)) / (total * freedom) / repeats
    return math.sqrt(max(shift, 0.0)), math.sqrt(max(by_item, 0.0))
