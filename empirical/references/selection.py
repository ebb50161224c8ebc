"""The one way to get references: whatever the strategy, the same rules on who may be given to whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from empirical.cohorts import Cohort
from empirical.references.assignment import Assignment
from empirical.references.candidates import ReferenceRequest, blind_queries, diseased_pool, earlier_images, healthy_pool
from empirical.references.config import ReferenceConfig
from empirical.references.embeddings.cache import embedder
from empirical.references.embeddings.towers import released_after
from empirical.references.strategies.cross_center import choose_cross_center
from empirical.references.strategies.demographic import choose_demographic
from empirical.references.strategies.embedding import choose_embedding
from empirical.references.strategies.prior import choose_prior
from empirical.references.strategies.random_ import choose_random

if TYPE_CHECKING:
    from empirical.vlm.config import ModelConfig

STRATEGIES: dict[str, Callable[[ReferenceRequest], Assignment]] = {
    "random": choose_random,
    "demographic": choose_demographic,
    "embedding": choose_embedding,
    "cross_center": choose_cross_center,
}


def choose_references(
    cohort: Cohort,
    split: str,
    config: ReferenceConfig,
    seed: int,
    *,
    model: ModelConfig | None = None,
    diseased: bool = False,
    quiet: bool = True,
) -> Assignment:
    """Choose references for every query of a split.

    Parameters
    ----------
    cohort : Cohort
        The cohort.
    split : str
        ``'train'``, ``'val'`` or ``'test'``.
    config : ReferenceConfig
        Strategy and its settings.
    seed : int
        Seed of the choice.
    model : ModelConfig, optional
        The model that is trained or evaluated: strategy ``embedding`` uses it when its config names none.
    diseased : bool, default False
        Choose diseased references instead, for the control arm of that name.
    quiet : bool, default True
        No progress bar while images are embedded.

    Returns
    -------
    Assignment
        References for each query: healthy, of another patient (under ``prior`` of the same), never a validation or test item (under
        ``prior`` an earlier one of the patient's own). The selector is shown neither the queries' labels nor their masks.

    Raises
    ------
    InputError
        When the split is empty, nobody may serve it, or a query cannot be matched.
    """
    queries, pool = blind_queries(cohort, split), diseased_pool(cohort) if diseased else healthy_pool(cohort, split)
    vectors = embedder(cohort, config.model or model, quiet) if config.strategy == "embedding" else None
    request = ReferenceRequest(queries, pool, config, seed, vectors)
    with released_after():
        if config.strategy == "prior":
            return _in_order(choose_prior(request, earlier_images(cohort, split)), request)
        return _in_order(STRATEGIES[config.strategy](request), request)


def _in_order(assignment: Assignment, request: ReferenceRequest) -> Assignment:
    """Put the rows into the cohort's order of queries, whatever order they were served in."""
    place = {item: position for position, item in enumerate(request.queries["item_id"])}
    table, unmatched = (
        part.sort_values("item_id", key=lambda items: items.map(place), kind="stable", ignore_index=True)
        for part in (assignment.table, assignment.unmatched)
    )
    return Assignment(table, unmatched, assignment.strategy)
