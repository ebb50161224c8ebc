"""The example: arms build it; models are trained and scored on it."""

from __future__ import annotations

from dataclasses import dataclass

from empirical.prompts.templates import Part


@dataclass(frozen=True)
class Example:
    """One item as one arm shows it."""

    item_id: str
    parts: tuple[Part, ...]  # the prompt, split at its images
    # names of the images, in the order of the prompt: item ids, or names that `empirical.arms.images.image_source` understands
    images: tuple[str, ...]
    answer: str  # the true answer; the model sees it in training only
    reference_ids: tuple[str, ...]
    reference_patient_ids: tuple[str, ...] = ()
    question_id: str = ""  # where a cohort asks several questions
    answers: tuple[str, ...] = ()  # the closed set, in the order in which the prompt lists it

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from the other examples of its arm: item and question."""
        return self.item_id, self.question_id
