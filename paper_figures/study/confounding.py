"""How much of a study's areas age, sex and site explain, and what references predict alone: ``adjusted.csv``, ``leak.csv``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_figures.comparison.adjusted_block import USUAL, adjusted_block
from paper_figures.comparison.arm_rows import CrossedArms
from paper_figures.statistics.roc.leak import estimate_leak
from paper_figures.study.tables import CurvePoint
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    from empirical.arms import ArmConfig
    from empirical.cohorts import Cohort

ADJUSTED = (
    "cohort", "a", "b", "n_train", "measure", "auroc_a", "a_low", "a_high", "auroc_b", "b_low", "b_high", "difference", "low", "high", "p",
    "positives", "negatives", "reason",
)  # fmt: skip
LEAK = (
    "cohort", "arm", "n_train", "leak", "low", "high", "auroc_single", "single_low", "single_high", "auroc_reference", "reference_low",
    "reference_high", "patients", "seeds", "reason",
)  # fmt: skip
LEVEL = 0.95


def adjusted_rows(points: Iterable[CurvePoint], comparisons: Iterable[tuple[str, str]], cohorts: dict[str, Cohort]) -> list[dict[str, Any]]:
    """Areas over all pairs, within site and adjusted for age, sex and site, of the arms that are compared on a cohort that has these."""
    known = {(point.cohort, point.arm, point.n_train): point for point in points}
    rows: list[dict[str, Any]] = []
    for name, cohort in cohorts.items():
        table = cohort.table.set_index("item_id")
        for a, b in comparisons:
            for size in sorted({n for where, arm, n in known if (where, arm) == (name, a)}):
                pair = known[name, a, size], known.get((name, b, size))
                if pair[1] is None:
                    continue
                scored = table.loc[pair[0].items["item_id"]]  # of any split
                columns = [column for column in USUAL if scored[column].nunique() > 1]
                if not columns:
                    continue
                where = {"cohort": name, "a": a, "b": b, "n_train": size}
                try:
                    found = adjusted_block(_crossed(pair[0], pair[1]), table[columns], (a, b), LEVEL).rows()
                except InputError as error:  # no seed in common, other items, one class
                    rows.append(where | {"measure": "", "reason": str(error)})
                    continue
                rows += [row | {"auroc_a": row["a"], "auroc_b": row["b"]} | where for row in found]  # `where` names the arms a and b
    return rows


def leak_rows(points: Iterable[CurvePoint], arms: dict[str, ArmConfig]) -> list[dict[str, Any]]:
    """The share of the query's signal that references carry (T13), for each arm ``reference_only`` beside an arm ``single``."""
    listed = list(points)
    rows = []
    for alone in (point for point in listed if arms[point.arm].arm == "reference_only"):
        for single in (point for point in listed if arms[point.arm].arm == "single" and not arms[point.arm].extra_healthy):
            if (single.cohort, single.n_train) != (alone.cohort, alone.n_train):
                continue
            row: dict[str, Any] = {"cohort": alone.cohort, "arm": alone.arm, "n_train": alone.n_train}
            try:
                both = _crossed(single, alone)
                scores = [cube[:, 0] for cube in both.scores]
                found = estimate_leak(scores[0], scores[1], single.items["positive"], both.clusters)
            except InputError as error:
                rows.append(row | {"reason": str(error)})
                continue
            row |= {"leak": found.estimate, "low": found.interval[0], "high": found.interval[1], "reason": found.reason}
            row |= {"patients": found.clusters, "seeds": max(found.trainings)}
            for name, area, interval in (
                ("single", found.auc_single, found.auc_single_interval),
                ("reference", found.auc_reference, found.auc_reference_interval),
            ):
                row |= {f"auroc_{name}": area, f"{name}_low": interval[0], f"{name}_high": interval[1]}
            rows.append(row)
    return rows


def arms_without_their_check(arms: dict[str, ArmConfig]) -> list[str]:
    """Arms whose references may predict the class by the way they are chosen, without an arm ``reference_only`` that shows them alone."""
    checked = [arm.references for arm in arms.values() if arm.arm == "reference_only"]
    chosen = {name: arm.references for name, arm in arms.items() if arm.arm in ("pair", "multi") and arm.references is not None}
    return [name for name, own in chosen.items() if own.strategy != "random" and own not in checked]


def _crossed(a: CurvePoint, b: CurvePoint) -> CrossedArms:
    """Two points with the trainings of the seeds that both have."""
    if not a.items.equals(b.items):
        raise InputError(f"{a.arm} and {b.arm} were scored on other items")
    seeds = a.seeds_with(b)
    if not seeds:
        raise InputError("no seed in common")
    names = np.array([str(seed) for seed in seeds])
    items = a.items["item_id"].to_numpy(dtype=str)
    patients = a.items["patient_id"].to_numpy(dtype=str)
    scores = (a.scores(seeds)[:, None, :], b.scores(seeds)[:, None, :])
    return CrossedArms(scores, items, a.items["positive"].to_numpy(dtype=bool), patients, None, (names, names), np.array([""]))
