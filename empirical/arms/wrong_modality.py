"""Control ``wrong_modality``: a healthy image of another kind altogether, from another cohort."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from empirical.arms.base import Arm, Task
from empirical.arms.images import from_elsewhere
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    from empirical.references import Assignment


def find_elsewhere(task: Task) -> Assignment:
    """Draw healthy references from the other cohort.

    Parameters
    ----------
    task : Task
        For whom; its arm names the other cohort.

    Returns
    -------
    Assignment
        A random one for each query, as item ids of the other cohort.

    Raises
    ------
    InputError
        When the other cohort is of the same modality, or has no healthy reference.
    """
    from empirical.cohorts import Cohort
    from empirical.references import Assignment
    from empirical.references.assignment import Choice
    from empirical.references.candidates import blind_queries, healthy_pool, stream_of

    other = Cohort.load(Path(task.arm.other_cohort or ""))
    if other.info.modality == task.cohort.info.modality:
        raise InputError(f"arm 'wrong_modality': {other.folder} is of the same modality ('{other.info.modality}'); name another cohort")
    names = healthy_pool(other, task.split)["item_id"].to_numpy()
    note = f"wrong_modality: {other.info.modality}, random, from {len(names)}"
    items = blind_queries(task.cohort, task.split)["item_id"]
    draws = {item: int(stream_of(task.seed, item).integers(len(names))) for item in items}
    return Assignment.of([Choice(item, [str(names[place])], [note]) for item, place in draws.items()], "wrong_modality")


ARM = Arm(
    name="wrong_modality",
    shows="a healthy image of another modality, said to be a healthy reference, and the query",
    isolates="(iii) prompt and tokens: a real picture that cannot be compared",
    find=find_elsewhere,
    images=lambda query, references, task: tuple(from_elsewhere(task.arm.other_cohort or "", item) for item in references),
)
