"""Control ``diseased``: a diseased reference that the prompt calls healthy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from empirical.arms.base import Arm, Task

if TYPE_CHECKING:
    from empirical.references import Assignment


def find_diseased(task: Task) -> Assignment:
    """Find diseased references by the strategy of the arm's config, from the training split.

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
    return choose_references(task.cohort, task.split, task.arm.references, task.seed, model=task.model, diseased=True)


ARM = Arm(
    name="diseased",
    shows="a diseased reference of another patient, said to be healthy, and the query",
    isolates="(v) known-healthy label, falsified: a model that compares is misled, one that ignores the reference is not (T6)",
    find=find_diseased,
    takes_references=True,
    permits=("reference_not_healthy",),
)
