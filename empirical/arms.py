"""Arms: what one item looks like to the model under each condition. Every arm is built from the same queries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import model_validator

from empirical.audit import audit_references, stop_on_errors
from empirical.prompts import Part, PromptConfig, prompt_text, render
from empirical.references import Assignment, ReferenceConfig, choose_references
from see_in_pairs.configs import StrictConfig
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from empirical.cohorts import Cohort

ArmName = Literal["single", "pair", "multi", "duplicate"]


class ArmConfig(StrictConfig):
    """One arm of an experiment.

    Parameters
    ----------
    arm : str
        ``single`` (the query alone), ``pair`` (one reference), ``multi`` (several), or the control ``duplicate`` (the query again in
        the place of the reference: as many tokens, no information; a gain that remains is not comparison).
    references : ReferenceConfig, optional
        How references are chosen; for ``pair`` and ``multi`` only.
    run_id : str, optional
        A name for the rows in the records; by default made of arm, strategy and seed.
    """

    arm: ArmName
    references: ReferenceConfig | None = None
    run_id: str | None = None

    @model_validator(mode="after")
    def _fits(self) -> ArmConfig:
        compared = self.arm in ("pair", "multi")
        if compared != (self.references is not None):
            raise ValueError(f"arm '{self.arm}' {'needs' if compared else 'takes no'} references")
        if self.references is not None and (self.references.m == 1) != (self.arm == "pair"):
            raise ValueError("arm 'pair' shows one reference (m: 1), arm 'multi' several")
        return self

    @property
    def strategy(self) -> str:
        """The name of the reference strategy as it stands in the records."""
        if self.references is not None:
            return self.references.strategy
        return "duplicate" if self.arm == "duplicate" else ""


@dataclass(frozen=True)
class Example:
    """One item as one arm shows it.

    Parameters
    ----------
    item_id : str
        The query.
    parts : tuple of Part
        The prompt, cut at the places of its images.
    images : tuple of str
        Item ids of the images, in the order of their places.
    answer : str
        The true answer; the model sees it in training only.
    reference_ids : tuple of str
        The references' item ids.
    """

    item_id: str
    parts: tuple[Part, ...]
    images: tuple[str, ...]
    answer: str
    reference_ids: tuple[str, ...]


def assign_references(cohort: Cohort, split: str, arm: ArmConfig, *, seed: int) -> Assignment | None:
    """Choose the references of an arm, and hold the choice to the rules that no strategy may break.

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

    Returns
    -------
    Assignment or None
        References for every query of the split, and the queries that could not be matched as asked; None where the arm takes none.

    Raises
    ------
    InputError
        When a query cannot be matched, and nothing may be given up for it.
    CheckFailed
        When a reference is of the query's patient, not healthy, or from where evaluated items come.
    """
    if arm.references is None:
        return None
    assignment = choose_references(cohort, split, arm.references, seed)
    stop_on_errors(audit_references(cohort, split, assignment))  # whatever the strategy, present or future
    return assignment


def build_examples(
    cohort: Cohort, split: str, arm: ArmConfig, prompts: PromptConfig, *, seed: int, assignment: Assignment | None = None
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

    Returns
    -------
    list of Example
        In the cohort's order of items.

    Raises
    ------
    InputError
        When a split is empty, or a query cannot be matched.
    """
    queries = queries_of(cohort, split)
    chosen = _by_query(assignment or assign_references(cohort, split, arm, seed=seed), arm, queries)
    template = prompt_text(prompts.single if arm.arm == "single" else prompts.pair)
    words = {"modality": cohort.info.modality, "finding": cohort.info.finding, "answers": f"{prompts.positive} or {prompts.negative}"}
    positive = queries["label"].isin(cohort.info.positive)
    examples = []
    for item_id, is_positive in zip(queries["item_id"], positive, strict=True):
        references = chosen[item_id]
        parts = render(template, words, len(references))
        shown = iter(references)
        images = tuple(item_id if part.kind == "query" else next(shown) for part in parts if part.kind != "text")
        examples.append(Example(item_id, parts, images, prompts.positive if is_positive else prompts.negative, references))
    return examples


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


def _by_query(assignment: Assignment | None, arm: ArmConfig, queries: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    if assignment is not None:
        table = assignment.table.sort_values(["item_id", "rank"], kind="stable")
        return {str(item): tuple(group) for item, group in table.groupby("item_id")["reference_id"]}
    return {item: (item,) if arm.arm == "duplicate" else () for item in queries["item_id"]}
