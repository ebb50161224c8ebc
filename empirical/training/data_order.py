"""The plan of a run: the list of items shown in each step. It is made beforehand, so that a run can be resumed and its order read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np

from empirical.arms import ArmConfig, assign_references
from empirical.arms.build import build_with_draws, checked_queries
from empirical.arms.images import augmented_name
from empirical.prompts.example import Example
from empirical.prompts.templates import PromptConfig
from empirical.training.config import AugmentationConfig, CurriculumConfig, FinetuneConfig
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
    share: float | None = None  # of these patients, who validate instead

    @classmethod
    def of(cls, config: FinetuneConfig, processes: int = 1) -> Self:
        """Take it from the settings of a run."""
        rows = config.steps * config.batch_size * config.gradient_accumulation * processes
        share = None if config.early_stopping is None else config.early_stopping.share
        return cls(config.seed, rows, config.n_train, config.curriculum, config.references_per_query, share)


@dataclass(frozen=True)
class TrainingData:
    """What a run shows: one example for each place of the plan, in its order, and those that validate."""

    assignment: Assignment | None  # None for an arm without references
    examples: list[Example]
    validation: list[Example]  # of a share of the training patients; empty without
    patients: int  # all that are used, for training or validation
    extra_healthy: int = 0  # references that are shown as further cases


def training_plan(cohort: Cohort, order: DataOrder, left_out: frozenset[str] = frozenset()) -> list[tuple[str, str]]:
    """List items and questions in the order in which they are shown, ``order.rows`` of them."""
    # From a separate generator, before the first step: a resumed run gets the same list, even if other code has drawn random numbers, and
    # the Trainer skips the batches that were seen (see `AnswerTrainer._get_train_sampler`).
    rng = np.random.default_rng(np.random.SeedSequence(order.seed, spawn_key=(1,)))
    easy, items, _ = _parts(cohort, order, left_out, rng)
    plan, rows = _asked(cohort, easy)[: order.rows], _asked(cohort, list(items["item_id"]))
    while len(plan) < order.rows:
        plan += [rows[place] for place in rng.permutation(len(rows))]
    return plan[: order.rows]


def validation_items(cohort: Cohort, order: DataOrder, left_out: frozenset[str] = frozenset()) -> list[tuple[str, str]]:
    """List items and questions of the training patients that validate, which the plan does not show; none without a share for them."""
    rng = np.random.default_rng(np.random.SeedSequence(order.seed, spawn_key=(1,)))
    return _asked(cohort, list(_parts(cohort, order, left_out, rng)[2]["item_id"]))


def _asked(cohort: Cohort, items: list[str]) -> list[tuple[str, str]]:
    """Keys of the examples of items (`Example.key`): one for each question, or for the one that a cohort without questions asks."""
    if cohort.questions is None:
        return [(item, "") for item in items]
    questions = cohort.questions.groupby("item_id", sort=False)["question_id"].apply(list)
    return [(item, question) for item in items for question in questions[item]]


def _parts(
    cohort: Cohort, order: DataOrder, left_out: frozenset[str], rng: np.random.Generator
) -> tuple[list[str], pd.DataFrame, pd.DataFrame]:
    """Split the training queries into the ids of easy ones, those of the first `n_train` patients, and those that validate."""
    queries = checked_queries(cohort, "train")
    queries = queries[~queries["item_id"].isin(left_out)]
    easy, items = split_by_difficulty(queries, order.curriculum)
    items = _first_patients(items, order.n_train, rng)
    validate = items["patient_id"].isin(_validating(items, order))
    hidden = set(queries.loc[queries["patient_id"].isin(set(items.loc[validate, "patient_id"])), "item_id"])
    return [item for item in easy if item not in hidden], items[~validate], items[validate]


def _validating(items: pd.DataFrame, order: DataOrder) -> set[str]:
    """Draw the patients that validate: the share of each class, at least one."""
    if order.share is None:
        return set()
    rng = np.random.default_rng(np.random.SeedSequence(order.seed, spawn_key=(4,)))
    patients = items.drop_duplicates("patient_id").sort_values("patient_id", kind="stable")
    chosen: set[str] = set()
    for label, group in patients.groupby("label"):
        if len(group) < 2:
            raise InputError(f"early_stopping.share: only one training patient of class '{label}', who cannot train and validate; use more")
        chosen |= set(rng.permutation(group["patient_id"].to_numpy(dtype=object))[: max(1, round(order.share * len(group)))])
    return chosen


def planned_examples(cohort: Cohort, order: DataOrder, arm: ArmConfig, prompts: PromptConfig, model: ModelConfig) -> TrainingData:
    """Choose references, and build one example for each place of the plan, in its order."""
    draws = order.references_per_query
    assignment, built = build_with_draws(cohort, arm, prompts, seed=order.seed, draws=draws, model=model)
    if arm.extra_healthy is not None:
        beside = ArmConfig(arm="pair" if arm.extra_healthy.m == 1 else "multi", references=arm.extra_healthy)
        assignment = assign_references(cohort, "train", beside, seed=order.seed, model=model)
    left_out = frozenset[str]() if assignment is None else assignment.left_out
    plan, validating = (items(cohort, order, left_out) for items in (training_plan, validation_items))
    examples = [built[draw][key] for key, draw in zip(plan, draws_of(plan, draws), strict=True)]
    queries = cohort.queries("train")
    patients = queries.loc[queries["item_id"].isin({item for item, _ in (*plan, *validating)}), "patient_id"].nunique()
    extra: list[str] = []
    if arm.extra_healthy is not None and assignment is not None:
        references = assignment.references()
        extra = list(dict.fromkeys(reference for item_id in dict.fromkeys(item for item, _ in plan) for reference in references[item_id]))
        if cohort.questions is not None:
            raise InputError(f"extra_healthy: {cohort.folder} asks several questions, which a healthy case does not answer; leave it out")
        healthy = set(queries.loc[queries["label"] == cohort.info.healthy, "item_id"])
        easy, _ = split_by_difficulty(queries, order.curriculum)
        examples = _with_extra_healthy(examples, healthy - set(easy), extra, order.seed)
    return TrainingData(assignment, examples, [built[0][key] for key in validating], int(patients), len(extra))


def _with_extra_healthy(examples: list[Example], healthy: set[str], extra: list[str], seed: int) -> list[Example]:
    """Let further healthy cases take turns with the healthy queries at their places, so that no class is shown more often than before."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(5,)))
    places = [place for place, example in enumerate(examples) if example.item_id in healthy]
    cases = [*dict.fromkeys(examples[place].item_id for place in places), *extra]
    turns: list[str] = []
    while len(turns) < len(places):
        turns += list(rng.permutation(np.array(cases, dtype=object)))
    shown = list(examples)
    for place, item_id in zip(places, turns, strict=False):
        shown[place] = replace(examples[place], item_id=item_id, images=(item_id,))
    return shown


def augmented_rows(examples: Sequence[Example], augmentation: AugmentationConfig, seed: int) -> list[Example]:
    """Name for each row of the plan its own version of every image: one shift for all of them, and noise.

    Each row has its own random stream, by its place in the plan (step and row), so that a resumed run shows the same pictures.
    """
    rows = []
    for place, example in enumerate(examples):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(3, place)))
        down, right = rng.integers(-augmentation.shift, augmentation.shift, size=2, endpoint=True).tolist()
        noise = int(rng.integers(2**32))
        names = (augmented_name(image, noise, augmentation.noise_sd, (down, right)) for image in example.images)
        rows.append(replace(example, images=tuple(names)))
    return rows


def draws_of(plan: Sequence[Hashable], draws: int) -> list[int]:
    """Number the reference that each item of a plan is shown with: how often the item was shown before, modulo `draws`.

    Examples
    --------
    >>> draws_of(["a", "b", "b", "a", "a"], draws=2)
    [0, 0, 1, 1, 0]
    """
    times_shown: Counter[Hashable] = Counter()
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
