"""What an arm is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from empirical.arms.config import ArmConfig
    from empirical.cohorts import Cohort
    from empirical.references import Assignment
    from empirical.vlm.loading import ModelConfig

Wording = Literal["single", "pair", "reversed", "unlabelled", "text"]
"""Which text of a `PromptConfig` an arm uses."""


@dataclass(frozen=True)
class Task:
    """For whom references are to be found.

    Parameters
    ----------
    cohort : Cohort
        Items.
    split : str
        ``'train'``, ``'val'`` or ``'test'``.
    arm : ArmConfig
        The arm's settings.
    seed : int
        Of every choice.
    model : ModelConfig or None
        The model that is trained or evaluated.
    """

    cohort: Cohort
    split: str
    arm: ArmConfig
    seed: int
    model: ModelConfig | None = None


@dataclass(frozen=True)
class Arm:
    """One condition.

    Parameters
    ----------
    name : str
        As in the records.
    shows : str
        What the model is shown.
    isolates : str
        Which explanation of a gain (T11) the arm tests, and how.
    wording : str
        Which prompt it uses.
    find : callable or None
        From a task to an assignment of references; None where no other item is shown.
    takes_references : bool
        Whether a config of references belongs to the arm.
    images : callable
        From the query's item id, its references and the task to the images in the references' places.
    permits : tuple of str
        Findings of the audit of references that are the very point of the arm.
    """

    name: str
    shows: str
    isolates: str
    wording: Wording = "pair"
    find: Callable[[Task], Assignment] | None = None
    takes_references: bool = False
    images: Callable[[str, tuple[str, ...], Task], tuple[str, ...]] = field(default=lambda query, references, task: references)
    permits: tuple[str, ...] = ()


def by_strategy(task: Task) -> Assignment:
    """Find healthy references by the strategy of the arm's config.

    Parameters
    ----------
    task : Task
        For whom.

    Returns
    -------
    Assignment
        The references.
    """
    from empirical.references import choose_references

    assert task.arm.references is not None, "ArmConfig sees to it"
    return choose_references(task.cohort, task.split, task.arm.references, task.seed, model=task.model)
