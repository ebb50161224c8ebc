"""The runs that speak to the claims, found by what they are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from paper_figures.results.patient_bootstrap import PatientBootstrap

if TYPE_CHECKING:
    from paper_figures.results.runs import Run, RunResults, RunScores

RANDOM_WEIGHTS = ("pocket-random",)
"""Models that know nothing before finetuning."""
LEARNED_TO_COMPARE = ("pocket",)
"""Models that can compare pictures before finetuning, and have seen nothing of medicine: the bundled one."""


@dataclass(frozen=True)
class Evidence:
    """One folder of runs, and which of them is the main pair."""

    results: RunResults
    rho: float | None  # correlation of the references of the main pair (phantom); None: references matched on demographics (real)
    seed: int = 0  # seed of the resamples

    @cached_property
    def single(self) -> Run | None:
        """Finetuned and evaluated on the single image."""
        return self.results.find(arm="single", own_arm=True)

    @cached_property
    def pair(self) -> Run | None:
        """Finetuned and evaluated on pairs, references of the main strategy."""
        return self.results.find(arm="pair", own_arm=True, **self._matched)

    @cached_property
    def random(self) -> Run | None:
        """Finetuned and evaluated on pairs, random references."""
        return self.results.find(arm="pair", own_arm=True, strategy="random")

    @cached_property
    def embedding(self) -> Run | None:
        """Finetuned and evaluated on pairs, references retrieved by the likeness of images."""
        return self.results.find(arm="pair", own_arm=True, strategy="embedding")

    @cached_property
    def cross_center(self) -> Run | None:
        """Finetuned and evaluated on pairs, references by site."""
        return self.results.find(arm="pair", own_arm=True, strategy="cross_center")

    @cached_property
    def duplicate(self) -> Run | None:
        """Finetuned and evaluated on the query shown twice."""
        return self.results.find(arm="duplicate", own_arm=True)

    @cached_property
    def off_single(self) -> Run | None:
        """Off the shelf, single image."""
        return self.results.find(arm="single", off_the_shelf=True)

    @cached_property
    def off_pair(self) -> Run | None:
        """Off the shelf, pairs."""
        return self.results.find(arm="pair", off_the_shelf=True, **self._matched)

    @cached_property
    def shown_duplicate(self) -> Run | None:
        """Finetuned on pairs, shown the query twice."""
        return self.results.find(arm="duplicate", train_arm="pair")

    @cached_property
    def shown_random(self) -> Run | None:
        """Finetuned on pairs of the main strategy, shown random references."""
        return self.results.find(arm="pair", train_arm="pair", own_arm=False, strategy="random")

    @property
    def _matched(self) -> dict[str, object]:
        return {"strategy": "demographic"} if self.rho is None else {"strategy": "demographic", "evaluated_rho": self.rho}

    def run(self, name: str) -> Run | None:
        """Find a run by what it is.

        Returns None when there is no such run.
        """
        if hasattr(type(self), name):
            return getattr(self, name)
        if name.startswith("shown_"):
            return self.results.find(arm=name.removeprefix("shown_"), train_arm="pair")
        return self.results.find(arm=name, own_arm=True)

    def missing(self, *names: str) -> str:
        """Say which runs are not there.

        Returns the reason; ``''`` when all are there.
        """
        lost = [name.replace("_", " ") for name in names if self.run(name) is None]
        return f"no run of: {', '.join(lost)}" if lost else ""

    def bootstrap(self, scores: RunScores) -> PatientBootstrap:
        """Resample the patients of some scores.

        Returns the resamples, the same for every run on the same items.
        """
        return PatientBootstrap(scores, seed=self.seed)


def off_the_shelf_is_random(run: Run) -> bool:
    """Tell whether the model off the shelf has random weights."""
    return run.model in RANDOM_WEIGHTS


def off_the_shelf_knows_no_medicine(run: Run) -> bool:
    """Tell whether the model off the shelf can compare, but has learned nothing of medicine."""
    return run.model in LEARNED_TO_COMPARE
