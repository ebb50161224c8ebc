"""A folder of runs as evidence: its runs, found by their role for the claims."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    from paper_figures.results.runs import Run, RunResults, RunScores

RANDOM_WEIGHTS = ("pocket-random",)
"""Models with random weights before finetuning."""
LEARNED_TO_COMPARE = ("pocket",)
"""Models that can compare pictures before finetuning, but have seen no medical images: the bundled one."""


@dataclass(frozen=True)
class Evidence:
    """One folder of runs, and which of them is the main pair."""

    results: RunResults
    rho: float | None  # correlation of the references of the main pair (phantom); None: references matched on demographics (real)

    @property
    def source(self) -> str:
        """Source of evidence, as the verdicts name it."""
        return "real" if self.rho is None else "phantom"

    def run(self, role: str) -> Run | None:
        """Find the run of a role; None if there is none.

        Roles are ``pair`` (the main pair: matched references), ``random``, ``embedding`` and ``cross_center`` (pairs with references of
        that strategy, of models finetuned on it if there are any, else of those finetuned on pairs), ``off_pair``, ``off_single`` and
        ``off_duplicate`` (off the shelf), and the name of any other arm: each finetuned and evaluated as itself. ``shown_ARM`` is the
        model finetuned on pairs, evaluated on another arm, or with random references.
        """
        matched: dict[str, Any] = {"arm": "pair", "strategy": "demographic"} | ({} if self.rho is None else {"evaluated_rho": self.rho})
        found = self.results.find
        if role == "pair":
            return found(**matched, own_arm=True)
        if role in ("random", "embedding", "cross_center"):
            return found(arm="pair", strategy=role, own_arm=True) or found(arm="pair", strategy=role, train_arm="pair")
        if role == "off_pair":
            return found(**matched, off_the_shelf=True)
        if role in ("off_single", "off_duplicate"):
            return found(arm=role.removeprefix("off_"), off_the_shelf=True)
        if role == "shown_random":
            return found(arm="pair", strategy="random", train_arm="pair", own_arm=False)
        if role.startswith("shown_"):
            return found(arm=role.removeprefix("shown_"), train_arm="pair")
        return found(arm=role, own_arm=True)

    def missing(self, *roles: str) -> str:
        """Name the roles without a run, as a reason; ``''`` if every role has one."""
        lost = [role.replace("_", " ") for role in roles if self.run(role) is None]
        return f"no run of: {', '.join(lost)}" if lost else ""

    def scores(self, *roles: str) -> list[RunScores]:
        """Read the scores of the runs of some roles, on identical items."""
        runs = [self.run(role) for role in roles]
        if missing := self.missing(*roles):
            raise InputError(f"{self.results.folder}: {missing}")
        return self.results.aligned([run for run in runs if run is not None])


def off_the_shelf_is_random(run: Run) -> bool:
    """Whether the model off the shelf has random weights."""
    return run.model in RANDOM_WEIGHTS


def off_the_shelf_knows_no_medicine(run: Run) -> bool:
    """Whether the model off the shelf can compare, but has learned nothing about medicine."""
    return run.model in LEARNED_TO_COMPARE
