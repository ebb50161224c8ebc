"""The small training run that tests of finetuning start from."""

from __future__ import annotations

from empirical.cohorts import Cohort
from empirical.training.config import FinetuneConfig

PAIR = {"arm": "pair", "references": {"strategy": "demographic", "columns": ["family"], "caliper": {}}}
"""A relative of each query: the phantom has one for every family."""


def finetune_config(cohort: Cohort | None, **changes: object) -> FinetuneConfig:
    """Six steps of four rows on pairs, saved every two; everything may be changed."""
    base: dict[str, object] = {"cohort": str(cohort.folder) if cohort else "", "arm": PAIR, "steps": 6, "batch_size": 4}
    return FinetuneConfig.model_validate(base | {"learning_rate": 1e-3, "save_every": 2, "threads": 1, "doctor": False} | changes)
