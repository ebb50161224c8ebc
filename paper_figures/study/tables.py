"""Areas of every curve point and comparisons between them; intervals hold for new patients and, with several seeds, new trainings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from paper_figures.comparison.factors_block import inadmissible
from paper_figures.statistics import holm, random_factors_contrast
from paper_figures.statistics.clustered.two_way import MOST_MEMBERSHIPS
from see_in_pairs.errors import InputError
from see_in_pairs.roc import auroc

if TYPE_CHECKING:
    import pandas as pd

    from empirical.evaluation.records import Records

Floats = NDArray[np.float64]

ONE_REFERENCE = "one reference for all patients: the interval holds for this reference, not for another"
ONE_MODEL = "one model: the interval holds for this model, not for another training"
GAIN, AFTER, CURVE, FEWER = "gain", "gain after minus before finetuning", "mean gain over the learning curve", "on fewer patients"


@dataclass(frozen=True)
class CurvePoint:
    """One arm of one cohort at one number of training patients, with every seed."""

    cohort: str
    arm: str
    n_train: int  # training patients; 0 off the shelf
    by_seed: dict[int, Records]

    @cached_property
    def items(self) -> pd.DataFrame:
        """Columns ``item_id, patient_id, positive``, sorted by item; the same for every seed."""
        first = next(iter(self.by_seed.values()))
        table = first.table[["item_id", "patient_id"]].assign(positive=first.is_positive())
        return table.sort_values("item_id", ignore_index=True)

    def scores(self, seeds: Iterable[int]) -> Floats:
        """Scores of some trainings, of shape (seeds, items), in the order of `items`."""
        return np.stack([self._scores_of(seed) for seed in seeds])

    @property
    def _one_for_all_seeds(self) -> bool:
        """Whether this is the model off the shelf, scored once: it is the same model for every training seed."""
        return self.n_train == 0 and len(self.by_seed) == 1

    def _scores_of(self, seed: int) -> Floats:
        records = next(iter(self.by_seed.values())) if self._one_for_all_seeds else self.by_seed[seed]
        table = records.table.sort_values("item_id")
        if table["item_id"].tolist() != self.items["item_id"].tolist():
            raise InputError(f"{self.cohort}, {self.arm}: seed {seed} was scored on other items; delete its cell and run the study again")
        return table["p_positive"].to_numpy(dtype=float)

    def seeds_with(self, *others: CurvePoint) -> list[int]:
        """List the seeds that this point shares with others."""
        trained = [set(point.by_seed) for point in (self, *others) if not point._one_for_all_seeds]
        return sorted(set.intersection(*trained)) if trained else [next(iter(self.by_seed))]


def area_rows(points: Iterable[CurvePoint]) -> list[dict[str, Any]]:
    """Estimate the area of every point, in rows of the columns of ``study.csv``; p is of the null hypothesis of chance."""
    names = ("cohort", "arm", "n_train")
    return [{name: getattr(point, name) for name in names} | _contrast([point], [1.0]) for point in points]


def _contrast(points: list[CurvePoint], weights: list[float]) -> dict[str, Any]:
    """Estimate a weighted sum of the areas of points, over the seeds that all of them have."""
    first, seeds = points[0], points[0].seeds_with(*points[1:])
    if any(not point.items.equals(first.items) for point in points):
        raise InputError(f"{first.cohort}: {', '.join(point.arm for point in points)} were scored on other items; they cannot be compared")
    size = {"seeds": len(seeds), "items": len(first.items), "patients": int(first.items["patient_id"].nunique())}
    name = "auroc" if len(points) == 1 else "difference"
    try:
        if not seeds:
            raise InputError("no seed in common")
        found = _estimate(points, weights, seeds)
    except InputError as error:
        found = dict.fromkeys(("value", "low", "high", "p", "training_sd"), np.nan) | {"by_seed": "", "note": str(error)}
        found |= {"se": np.nan, "df": np.nan, "admissible": False, "reason": str(error)}
    return size | {name: found.pop("value")} | found | {"references": _effective_references(points)}


def _estimate(points: list[CurvePoint], weights: list[float], seeds: list[int]) -> dict[str, Any]:
    items = points[0].items
    positive, patients = items["positive"].to_numpy(), items["patient_id"].to_numpy()
    # the model off the shelf is one model, not one of several trainings
    scores = [point.scores(seeds[:1] if point._one_for_all_seeds else seeds) for point in points]
    found = random_factors_contrast(scores, positive, patients, shared_references(points), weights=weights)
    several = len(seeds) > 1
    why = inadmissible(found, positive, patients.astype(str))  # the rule of 'compare'; it looks at the design, not at the result
    notes = [found.note if several else ONE_MODEL, ONE_REFERENCE if _effective_references(points) == 1 else ""]
    each = np.zeros(len(seeds))
    for weight, one in zip(weights, scores, strict=True):
        each += weight * np.array([auroc(row, positive) for row in one])
    return {
        "value": found.estimate, "low": found.interval[0], "high": found.interval[1], "p": found.p,
        "training_sd": found.training_sd if several else np.nan, "note": "; ".join(filter(None, notes)),
        "by_seed": " ".join(f"{value:.4f}" for value in each) if several else "",
        "se": found.se, "df": found.df, "admissible": not why, "reason": why,
    }  # fmt: skip


def shared_references(points: Iterable[CurvePoint]) -> list[list[str]] | None:
    """References of each item, in any of the points, if some serve several patients; None if no patients share references."""
    names, owners = _references(points)
    if not any(len(patients) > 1 for patients in owners.values()) or len(owners) == 1 or max(map(len, names.values())) > MOST_MEMBERSHIPS:
        return None
    return [sorted(entry) or [f"no reference: {item}"] for item, entry in sorted(names.items())]


def _references(points: Iterable[CurvePoint]) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """References of each item in any of the points, and the patients that each reference serves."""
    names: dict[str, set[str]] = {}
    owners: dict[str, set[str]] = {}
    for point in points:
        table = next(iter(point.by_seed.values())).table
        for item, patient, entry in zip(table["item_id"], table["patient_id"], table["reference_ids"], strict=True):
            others = {str(name) for name in entry} - {str(item)}  # the item itself (arm `duplicate`) is not a reference
            names.setdefault(item, set()).update(others)
            for name in others:
                owners.setdefault(name, set()).add(patient)
    return names, owners


def _effective_references(points: Iterable[CurvePoint]) -> float:
    """Effective number of references, (sum of uses)^2 / sum of squared uses over the items; NaN if no arm shows a reference."""
    names, _ = _references(points)
    uses = np.array([*Counter(name for item, entry in names.items() for name in entry - {item}).values()], dtype=float)
    return float(uses.sum() ** 2 / (uses**2).sum()) if len(uses) else np.nan


def comparison_rows(
    points: Iterable[CurvePoint], comparisons: Iterable[tuple[str, str]], same_queries: dict[str, str]
) -> list[dict[str, Any]]:
    """Compare arms at every number of patients, before and after finetuning, over the curve, and the first arm on fewer patients.

    The rows have the columns of ``comparisons.csv``; of a mean over the curve, ``n_train`` and ``n_train_b`` are its ends. p-values of a
    kind are a family (Holm). If a cohort does not have the second arm, it is taken from a cohort of the same queries (equal values of
    `same_queries`): an arm without references is the same there.
    """
    known = {(point.cohort, point.arm, point.n_train): point for point in points}
    rows: list[dict[str, Any]] = []
    for a, b in comparisons:
        for cohort in dict.fromkeys(cohort for cohort, arm, _ in known if arm == a):
            alike = [cohort, *(other for other in same_queries if other != cohort and same_queries[other] == same_queries[cohort])]
            curve_a, curve_b = _curve(known, [cohort], a), _curve(known, alike, b)
            rows += [{"a": a, "b": b} | row for row in _compare_curves(curve_a, curve_b)]
    return _with_holm(rows)


def _curve(known: dict[tuple[str, str, int], CurvePoint], cohorts: list[str], arm: str) -> dict[int, CurvePoint]:
    """Points of an arm by number of patients, each from the first of the cohorts that has it."""
    curve: dict[int, CurvePoint] = {}
    for cohort in cohorts:
        for (where, name, size), point in known.items():
            if (where, name) == (cohort, arm):
                curve.setdefault(size, point)
    return curve


def _compare_curves(curve_a: dict[int, CurvePoint], curve_b: dict[int, CurvePoint]) -> list[dict[str, Any]]:
    both = sorted(set(curve_a) & set(curve_b))
    rows = [_row(GAIN, curve_a[n], curve_b[n], [curve_a[n], curve_b[n]], [1, -1]) for n in both]
    if both and both[0] == 0:
        before = [curve_a[0], curve_b[0]]
        rows += [_row(AFTER, curve_a[n], curve_b[n], [curve_a[n], curve_b[n], *before], [1, -1, -1, 1]) for n in both[1:]]
    sizes = [n for n in both if n > 0]
    if len(sizes) > 1:
        whole = [point for n in sizes for point in (curve_a[n], curve_b[n])]
        rows.append(_row(CURVE, curve_a[sizes[0]], curve_b[sizes[-1]], whole, [1 / len(sizes), -1 / len(sizes)] * len(sizes)))
    trained = [(few, many) for few, many in combinations(sorted({*curve_a, *curve_b} - {0}), 2) if few in curve_a and many in curve_b]
    return rows + [_row(FEWER, curve_a[few], curve_b[many], [curve_a[few], curve_b[many]], [1, -1]) for few, many in trained]


def _row(kind: str, a: CurvePoint, b: CurvePoint, points: list[CurvePoint], weights: list[float]) -> dict[str, Any]:
    return {"kind": kind, "cohort": a.cohort, "n_train": a.n_train, "n_train_b": b.n_train} | _contrast(points, weights)


def _with_holm(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for kind in (GAIN, AFTER, CURVE, FEWER):
        family = [row for row in rows if row["kind"] == kind and np.isfinite(row["p"])]
        if family:
            for row, p in zip(family, holm([row["p"] for row in family]).adjusted.tolist(), strict=True):
                row["p_holm"] = p
    return [row | {"p_holm": row.get("p_holm", np.nan)} for row in rows]
