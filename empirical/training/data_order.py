"""The plan of a run: the list of items shown in each step. It is made beforehand, so that a run can be resumed and its order read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from empirical.arms import ArmConfig
from empirical.arms.build import build_with_draws, checked_queries
from empirical.prompts.example import Example
from empirical.prompts.templates import PromptConfig
from empirical.training.config import CurriculumConfig, FinetuneConfig
from empirical.vlm.config import ModelConfig
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from empirical.cohorts import Cohort
    from empirical.references import Assignment


@dataclass(frozen=True)
class DataOrder:
    """What decides which training item is shown when."""

    seed: int
    rows: int  # shown in the whole run, by all processes together
    n_train: int | None = None  # patients; None for all
    curriculum: CurriculumConfig | None = None
    references_per_query: int = 1

    @classmethod
    def of(cls, config: FinetuneConfig, processes: int = 1) -> Self:
        """Take it from the settings of a run."""
        rows = config.steps * config.batch_size * config.gradient_accumulation * processes
        return cls(config.seed, rows, config.n_train, config.curriculum, config.references_per_query)


def training_plan(cohort: Cohort, order: DataOrder, left_out: frozenset[str] = frozenset()) -> list[str]:
    """List the item ids in the order in which they are shown, ``order.rows`` of them."""
    # From a separate generator, before the first step: a resumed run gets the same list, even if other code has drawn random numbers, and
    # the Trainer skips the batches that were seen (see `AnswerTrainer._get_train_sampler`).
    rng = np.random.default_rng(np.random.SeedSequence(order.seed, spawn_key=(1,)))
    queries = checked_queries(cohort, "train")
    queries = queries[~queries["item_id"].isin(left_out)]
    easy, items = split_by_difficulty(queries, order.curriculum)
    items = _first_patients(items, order.n_train, rng)
    plan = list(easy)[: order.rows]
    while len(plan) < order.rows:
        plan += list(rng.permutation(items["item_id"].to_numpy(dtype=object)))
    return plan[: order.rows]


def planned_examples(
    cohort: Cohort, order: DataOrder, arm: ArmConfig, prompts: PromptConfig, model: ModelConfig
) -> tuple[Assignment | None, list[Example]]:
    """Choose references, and build one example for each place of the plan, in its order; no assignment for an arm without references."""
    draws = order.references_per_query
    assignment, built = build_with_draws(cohort, arm, prompts, seed=order.seed, draws=draws, model=model)
    plan = training_plan(cohort, order, left_out=frozenset() if assignment is None else assignment.left_out)
    return assignment, [built[draw][item_id] for item_id, draw in zip(plan, draws_of(plan, draws), strict=True)]


def draws_of(plan: Sequence[str], draws: int) -> list[int]:
    """Number the reference that each item of a plan is shown with: how often the item was shown before, modulo `draws`.

    Examples
    --------
    >>> draws_of(["a", "b", "b", "a", "a"], draws=2)
    [0, 0, 1, 1, 0]
    """
    times_shown: Counter[str] = Counter()
    numbers = []
    for item in plan:
        numbers.append(times_shown[item] % draws)
        times_shown[item] += 1
    return numbers


def split_by_difficulty(queries: pd.DataFrame, curriculum: CurriculumConfig | None) -> tuple[list[str], pd.DataFrame]:
    """Split queries into the ids of easy ones (above the curriculum's target, easiest first) and the rows of the others."""
    if curriculum is None:
        return [], queries
    if curriculum.column not in queries.columns:
        raise InputError(f"curriculum: the cohort has no column '{curriculum.column}'")
    value = queries[curriculum.column].astype(float)
    easy = queries[value > curriculum.target].sort_values(curriculum.column, ascending=False, kind="stable")
    rest = queries[~(value > curriculum.target)]
    if rest.empty:
        raise InputError(f"curriculum: every item has {curriculum.column} above {curriculum.target}; nothing else is left to train on")
    return list(easy["item_id"]), rest


def _first_patients(items: pd.DataFrame, n_train: int | None, rng: np.random.Generator) -> pd.DataFrame:
    """Keep the items of the first `n_train` patients, taken in turn from each class so that small samples are balanced alike."""
    if n_train is None:
        return items
    patients = items.drop_duplicates("patient_id").sort_values("patient_id", kind="stable")
    if len(patients) < n_train:
        raise InputError(f"n_train: {n_train} asked for, the cohort has {len(patients)} training patients")
    patients = patients.iloc[rng.permutation(len(patients))]  # shuffle all, so that the first 100 are among the first 200
    turn = patients.groupby("label").cumcount()
    chosen = patients.iloc[np.argsort(turn.to_numpy(), kind="stable")]["patient_id"].iloc[:n_train]
    return items[items["patient_id"].isin(set(chosen))]
