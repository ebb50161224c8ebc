"""From arms to examples: references are found, held to the rules, and put with the query into a prompt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from empirical.arms.catalogue import ARMS, Arm, ArmConfig, ArmContext
from empirical.audit import stop_on_errors
from empirical.prompts.example import Example
from empirical.prompts.templates import PromptConfig, prompt_text, render
from empirical.references import Assignment
from empirical.references.rules import audit_references
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from empirical.cohorts import Cohort

if TYPE_CHECKING:
    from empirical.cohorts import Cohort
    from empirical.vlm.config import ModelConfig


def assign_references(
    cohort: Cohort, split: str, arm: ArmConfig, *, seed: int, model: ModelConfig | None = None, draws: int = 1
) -> Assignment | None:
    """Find the references of an arm, and hold them to the rules that no strategy may break.

    Parameters
    ----------
    cohort : Cohort
        Items.
    split : str
        ``'train'``, ``'val'`` or ``'test'``.
    arm : ArmConfig
        The condition.
    seed : int
        Of the choice.
    model : ModelConfig, optional
        The model that is trained or evaluated, for references by its own embedding.
    draws : int, default 1
        How many times as many references to find, for showing each query beside several of them in turn.

    Returns
    -------
    Assignment or None
        References for the queries of the split, and the queries that could not be matched as asked; None where the arm shows no other item.

    Raises
    ------
    InputError
        When a query cannot be matched, and nothing may be given up for it; or several draws are asked of an arm without a strategy.
    CheckFailed
        When a reference breaks a rule: of the query's patient, not healthy, or from where evaluated items come.
    """
    kind = ARMS[arm.arm]
    if draws > 1:
        arm = _with_more(arm, draws)
    if kind.find is None:
        return None
    assignment = kind.find(ArmContext(cohort, split, arm, seed, model))
    if arm.other_cohort is None:  # items of another cohort are of other patients, and are never evaluated
        order = {} if arm.references is None or arm.references.strategy != "prior" else {"order": arm.references.order}
        stop_on_errors(audit_references(cohort, split, assignment, **order), kind.permits)
    return assignment


def _with_more(arm: ArmConfig, draws: int) -> ArmConfig:
    if arm.references is None:
        raise InputError(f"references_per_query: arm '{arm.arm}' has no references to choose several of; leave it at 1")
    return arm.model_copy(update={"references": arm.references.model_copy(update={"m": arm.references.m * draws})})


def build_examples(
    cohort: Cohort,
    split: str,
    arm: ArmConfig,
    prompts: PromptConfig,
    *,
    seed: int,
    assignment: Assignment | None = None,
    model: ModelConfig | None = None,
) -> list[Example]:
    """Build the examples of one arm, one for each query of a split.

    Parameters
    ----------
    cohort : Cohort
        Items and images.
    split : str
        ``'train'``, ``'val'`` or ``'test'``.
    arm : ArmConfig
        The condition.
    prompts : PromptConfig
        Wording and answers.
    seed : int
        Of the choice of references.
    assignment : Assignment, optional
        References that have been chosen already, by `assign_references`.
    model : ModelConfig, optional
        The model that is trained or evaluated, for references by its own embedding.

    Returns
    -------
    list of Example
        In the cohort's order of items; a query that the strategy left out, on request, is not among them.

    Raises
    ------
    InputError
        When a split is empty, or a query cannot be matched.
    """
    kind, queries = ARMS[arm.arm], queries_of(cohort, split)
    assignment = assignment or assign_references(cohort, split, arm, seed=seed, model=model)
    chosen = {} if assignment is None else assignment.references()
    template = _template(kind, prompts)
    words = words_of(cohort, prompts)
    patients = _patients(cohort, arm)
    task, examples = ArmContext(cohort, split, arm, seed, model), []
    for item_id, is_positive in zip(queries["item_id"], queries["label"].isin(cohort.info.positive), strict=True):
        if assignment is not None and item_id not in chosen:
            continue
        images = kind.images(item_id, chosen.get(item_id, ()), task)
        references = tuple(chosen.get(item_id) or (image for image in images if image == item_id))  # a duplicate is its own reference
        parts, shown = render(template, words, len(images)), iter(images)
        places = tuple(item_id if part.kind == "query" else next(shown) for part in parts if part.kind != "text")
        answer = prompts.positive if is_positive else prompts.negative
        examples.append(Example(item_id, parts, places, answer, references, tuple(patients[reference] for reference in references)))
    return examples


def build_with_draws(
    cohort: Cohort, arm: ArmConfig, prompts: PromptConfig, *, seed: int, draws: int = 1, model: ModelConfig | None = None
) -> tuple[Assignment | None, list[dict[str, Example]]]:
    """Build the training examples of an arm, each query beside several references (or sets of them) in turn.

    Parameters
    ----------
    cohort : Cohort
        Items and images.
    arm : ArmConfig
        The condition.
    prompts : PromptConfig
        Wording and answers.
    seed : int
        Of the choice of references.
    draws : int, default 1
        How many different references (or sets of them) each query has.
    model : ModelConfig, optional
        The model that is trained, for references by its own embedding.

    Returns
    -------
    assignment : Assignment or None
        All references.
    examples : list of dict of str to Example
        For each draw the examples by item.

    Raises
    ------
    InputError
        When a query cannot be matched with so many references.
    """
    assignment = assign_references(cohort, "train", arm, seed=seed, model=model, draws=draws)
    size = 1 if arm.references is None else arm.references.m
    parts = [assignment if assignment is None or draws == 1 else assignment.part(number, size) for number in range(draws)]
    built = [build_examples(cohort, "train", arm, prompts, seed=seed, assignment=part) for part in parts]
    return assignment, [{example.item_id: example for example in examples} for examples in built]


def words_of(cohort: Cohort, prompts: PromptConfig) -> dict[str, str]:
    """Say what a prompt calls things in a cohort.

    Parameters
    ----------
    cohort : Cohort
        Its modality, its finding, and what it calls its references.
    prompts : PromptConfig
        The answers.

    Returns
    -------
    dict of str to str
        A value for each of `empirical.prompts.templates.WORDS`.
    """
    info = cohort.info
    answers = f"{prompts.positive} or {prompts.negative}"
    return {"modality": info.modality, "finding": info.finding, "answers": answers, "control": info.control}


def _template(kind: Arm, prompts: PromptConfig) -> str:
    text = prompt_text(getattr(prompts, kind.wording))
    if kind.wording == "reversed":
        orders = [template.find("{reference}") < template.find("{query}") for template in (text, prompt_text(prompts.pair))]
        if orders[0] == orders[1]:
            raise InputError("arm 'reversed': prompts.reversed shows the images in the order of prompts.pair; name another")
    return text


def _patients(cohort: Cohort, arm: ArmConfig) -> dict[str, str]:
    from empirical.cohorts import Cohort as AnyCohort

    shown = cohort if arm.other_cohort is None else AnyCohort.load(Path(arm.other_cohort))
    return dict(zip(shown.table["item_id"], shown.table["patient_id"], strict=True))


def queries_of(cohort: Cohort, split: str) -> pd.DataFrame:
    """Give the queries of a split, checked: both classes, more than one patient.

    Parameters
    ----------
    cohort : Cohort
        The cohort.
    split : str
        ``'train'``, ``'val'`` or ``'test'``.

    Returns
    -------
    pandas.DataFrame
        One row per query.

    Raises
    ------
    InputError
        When the split has no items, one class only, or one patient only.
    """
    queries = cohort.queries(split)
    if queries.empty:
        raise InputError(f"{cohort.folder}: the split '{split}' has no items; make the cohort with a share for it")
    positive = queries["label"].isin(cohort.info.positive)
    if positive.all() or not positive.any():
        only = queries["label"].iloc[0]
        raise InputError(f"{cohort.folder}: every item of the split '{split}' is '{only}'; both classes are needed")
    if queries["patient_id"].nunique() < 2:
        raise InputError(f"{cohort.folder}: the split '{split}' has one patient only; inference is over patients, so several are needed")
    return queries
