"""One item as one arm shows it."""

from __future__ import annotations

from dataclasses import dataclass

from empirical.prompts.templates import Part


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
        Names of the images, in the order of their places: item ids, or names that `empirical.arms.images.picture_source` understands.
    answer : str
        The true answer; the model sees it in training only.
    reference_ids : tuple of str
        The references' item ids.
    reference_patient_ids : tuple of str
        The references' patients.
    """

    item_id: str
    parts: tuple[Part, ...]
    images: tuple[str, ...]
    answer: str
    reference_ids: tuple[str, ...]
    reference_patient_ids: tuple[str, ...] = ()
