"""The entry point for references: the same rules hold for every strategy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from empirical.cohorts import Cohort
from empirical.references.assignment import Assignment
from empirical.references.candidates import ReferenceRequest, blind, blind_queries, diseased_pool, healthy_pool, own_healthy_images
from empirical.references.config import STRATEGIES, ReferenceConfig
from empirical.references.embeddings.cache import embedder
from empirical.references.embeddings.towers import released_after

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from empirical.vlm.config import ModelConfig


def choose_references(
    cohort: Cohort,
    split: str,
    config: ReferenceConfig,
    seed: int,
    *,
    model: ModelConfig | None = None,
    diseased: bool = False,
    quiet: bool = True,
    embed: Callable[[Sequence[str]], NDArray[np.float32]] | None = None,
) -> Assignment:
    """Choose references for every query of a split.

    Parameters
    ----------
    cohort : Cohort
        Where the queries and the possible references are.
    split : str
        ``'train'``, ``'val'`` or ``'test'``.
    config : ReferenceConfig
        Strategy and its settings.
    seed : int
        Decides all draws. The references of a query do not depend on which other queries there are, unless `config` limits reuse.
    model : ModelConfig, optional
        The model that is trained or evaluated: strategy ``embedding`` uses it when its config names none.
    diseased : bool, default False
        Choose diseased references instead, for the control arm of that name.
    quiet : bool, default True
        No progress bar while images are embedded.
    embed : callable, optional
        From item ids to vectors of shape (items, dimensions), if embeddings already exist; strategy ``embedding`` then loads no model.

    Returns
    -------
    Assignment
        References for each query: healthy, of another patient (with ``prior`` of the same), never a validation or test item (with
        ``prior`` an earlier item of the same patient). With ``given`` they are those of the set, of the same patient and not always
        healthy. The selector sees neither the queries' labels nor their masks.

    Raises
    ------
    InputError
        When the split is empty, has no allowed reference, or a query cannot be matched.
    """
    request = ReferenceRequest(
        queries=blind_queries(cohort, split),
        pool=_pool(cohort, split, config, diseased),
        config=config,
        seed=seed,
        embed=embed or embedder(cohort, config.model or model, quiet),
        own_images=partial(own_healthy_images, cohort, split),
    )
    with released_after():
        return _in_order(selector(config.strategy)(request), request)


def _pool(cohort: Cohort, split: str, config: ReferenceConfig, diseased: bool) -> pd.DataFrame:
    if config.strategy == "given":
        return blind(cohort.table)  # the set has chosen; a given reference need not be healthy
    return diseased_pool(cohort) if diseased else healthy_pool(cohort, split, config.within_family)


def selector(strategy: str) -> Callable[[ReferenceRequest], Assignment]:
    """Import the function that chooses references by a strategy."""
    choose: Callable[[ReferenceRequest], Assignment] = import_module(
        f"empirical.references.strategies.{STRATEGIES[strategy].module}"
    ).choose
    return choose


def _in_order(assignment: Assignment, request: ReferenceRequest) -> Assignment:
    """Sort the rows by the cohort's order of queries, whatever the order of matching was."""
    place = {item: position for position, item in enumerate(request.queries["item_id"])}
    table, unmatched = (
        part.sort_values("item_id", key=lambda items: items.map(place), kind="stable", ignore_index=True)
        for part in (assignment.table, assignment.unmatched)
    )
    return Assignment(table, unmatched, assignment.strategy)
