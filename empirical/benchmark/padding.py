"""How much of a training batch is padding: an upper bound of what packing several rows into one sequence could save."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from empirical.arms.images import image_source
from empirical.cohorts import Cohort
from empirical.prompts.example import Example
from empirical.training.config import FinetuneConfig
from empirical.training.data_order import DataOrder, planned_examples
from empirical.vlm.inference.encoder import Encoder
from empirical.vlm.loading import load_vlm
from see_in_pairs.console import progress


def count_padding(config: FinetuneConfig, most: int, *, quiet: bool = False) -> dict[str, Any]:
    """Count the padding of the first `most` rows of a run, in training order and sorted by length.

    Returns ``rows, batch_size, fewest_tokens, most_tokens, padding, padding_by_length``; both shares are counted, not estimated.
    """
    cohort = Cohort.load(Path(config.cohort))
    examples = planned_examples(cohort, DataOrder.of(config), config.arm, config.prompts, config.model).examples
    vlm = load_vlm(config.model)
    lengths = _lengths(Encoder(vlm.processor, vlm.family, image_source(cohort)), examples[:most], quiet)
    return {
        "rows": len(lengths),
        "batch_size": config.batch_size,
        "fewest_tokens": min(lengths),
        "most_tokens": max(lengths),
        "padding": padding_share(lengths, config.batch_size),
        "padding_by_length": padding_share(sorted(lengths), config.batch_size),
    }


def padding_share(lengths: Sequence[int], batch_size: int) -> float:
    """Share of padding among all positions, when each batch is as long as its longest row.

    Examples
    --------
    >>> padding_share([2, 4, 4, 2], 2), padding_share([2, 2, 4, 4], 2)
    (0.25, 0.0)
    """
    batches = [lengths[start : start + batch_size] for start in range(0, len(lengths), batch_size)]
    return 1 - sum(lengths) / sum(len(batch) * max(batch) for batch in batches)


def _lengths(encoder: Encoder, examples: Sequence[Example], quiet: bool) -> list[int]:
    """Encode each distinct row once, alone, answer included."""
    distinct = {(example.images, example.answer): example for example in examples}
    known = {}
    for key, example in progress(list(distinct.items()), len(distinct), "rows", quiet):
        batch, _ = encoder.with_answers([example], [example.answer], end=True)
        known[key] = int(np.asarray(batch["attention_mask"].sum()))
    return [known[example.images, example.answer] for example in examples]
