"""The one way to get references: whatever the strategy, the same rules on who may be given to whom."""

from __future__ import annotations

from empirical.cohorts import Cohort
from empirical.references.assignment import Assignment
from empirical.references.config import ReferenceConfig
from empirical.references.demographic import choose_demographic
from empirical.references.pool import blind_queries, healthy_pool
from empirical.references.random import choose_random

STRATEGIES = {"random": choose_random, "demographic": choose_demographic}


def choose_references(cohort: Cohort, split: str, config: ReferenceConfig, seed: int) -> Assignment:
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

    Returns
    -------
    Assignment
        References for each query: healthy, of another patient, never a validation or test item. The selector is shown neither the
        queries' labels nor their masks.

    Raises
    ------
    InputError
        When the split is empty, nobody may serve it, or a query cannot be matched.
    """
    return STRATEGIES[config.strategy](blind_queries(cohort, split), healthy_pool(cohort, split), config, seed)
