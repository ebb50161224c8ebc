"""The plan of a run: which item stands at which place of which step. A table made beforehand, so that a run can be resumed and read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from empirical.arms.build import build_with_draws, checked_queries
from empirical.prompts.example import Example
from empirical.training.config import CurriculumConfig, FinetuneConfig
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from empirical.cohorts import Cohort
    from empirical.references import Assignment


def training_plan(cohort: Cohort, config: FinetuneConfig, world_size: int = 1, left_out: frozenset[str] = frozenset()) -> list[str]:
    """Lay down the order in which items are shown.

    Returns item ids, ``steps * batch_size * gradient_accumulation * world_size`` of them.
    """
    rng = np.random.default_rng(np.random.SeedSequence(config.seed, spawn_key=(1,)))
    queries = checked_queries(cohort, "train")
    queries = queries[~queries["item_id"].isin(left_out)]
    easy, items = split_by_difficulty(queries, config.curriculum)
    items = _first_patients(items, config, rng)
    total = config.steps * config.batch_size * config.gradient_accumulation * world_size
    plan = list(easy)[:total]
    while len(plan) < total:
        plan += list(rng.permutation(items["item_id"].to_numpy(dtype=object)))
    return plan[:total]


def planned_examples(cohort: Cohort, config: FinetuneConfig, world_size: int = 1) -> tuple[Assignment | None, list[Example]]:
    """Build what is shown, in the order in which it is shown.

    Returns `assignment` The references that were chosen; None for an arm without; `examples` One per place of the plan.
    """
    draws = config.references_per_query
    assignment, built = build_with_draws(cohort, config.arm, config.prompts, seed=config.seed, draws=draws, model=config.model)
    plan = training_plan(cohort, config, world_size=world_size, left_out=frozenset() if assignment is None else assignment.left_out)
    return assignment, [built[draw][item_id] for item_id, draw in zip(plan, draws_of(plan, draws), strict=True)]


def draws_of(plan: Sequence[str], draws: int) -> list[int]:
    """Tell which of its references each item of a plan is shown beside.

    Returns how often the item was shown before, modulo `draws`.

    Examples
    --------
    >>> draws_of(["a", "b", "b", "a", "a"], draws=2)
    [0, 0, 1, 1, 0]
    """
    shown: Counter[str] = Counter()
    numbers = []
    for item in plan:
        numbers.append(shown[item] % draws)
        shown[item] += 1
    return numbers


def split_by_difficulty(queries: pd.DataFrame, curriculum: CurriculumConfig | None) -> tuple[list[str], pd.DataFrame]:
    """Set the easy items apart, the easiest first.

    Returns `easy` Item ids above the target, from the largest value down.
    """
    if curriculum is None:
        return [], queries
    if curriculum.column not in queries.columns:
        raise InputError(f"curriculum: the cohort has no column '{curriculum.column}'")
    value = queries[curriculum.column].astype(float)
    easy = queries[value > curriculum.target].sort_values(curriculum.column, ascending=False, kind="stable")
    rest = queries[~(value > curriculum.target)]
    if rest.empty:
        raise InputError(
            f"curriculum: every item has {curriculum.column} above {curriculum.target}; nothing is left to train on afterwards"
        )
    return list(easy["item_id"]), rest


def _first_patients(items: pd.DataFrame, config: FinetuneConfig, rng: np.random.Generator) -> pd.DataFrame:
    """Keep the items of the first `n_train` patients, taken in turn from each class so that small samples are balanced alike."""
    if config.n_train is None:
        return items
    patients = items.drop_duplicates("patient_id").sort_values("patient_id", kind="stable")
    if len(patients) < config.n_train:
        raise InputError(f"n_train: {config.n_train} asked for, the cohort has {len(patients)} training patients")
    patients = patients.iloc[rng.permutation(len(patients))]
    turn = patients.groupby("label").cumcount()
    chosen = patients.iloc[np.argsort(turn.to_numpy(), kind="stable")]["patient_id"].iloc[: config.n_train]
    return items[items["patient_id"].isin(set(chosen))]
