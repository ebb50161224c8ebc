"""Finetuning steps: rows per second, memory, model FLOP utilisation, and the share of time spent waiting for data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from empirical.benchmark.clock import now
from empirical.benchmark.flops import finetuning_step
from empirical.benchmark.items import Items
from empirical.benchmark.shapes import Shape
from empirical.training.config import FinetuneConfig
from empirical.training.prepare import prepare
from empirical.vlm.encoding import IGNORE, Encoder
from empirical.vlm.loading import VisionLanguageModel
from empirical.vlm.scoring import to_device, token_log_probabilities
from empirical.vlm.store import FeatureStore, StoredEncoder

WARM = 2


@dataclass(frozen=True)
class Variant:
    """A way to run the same steps.

    Parameters
    ----------
    name : str
        For the table.
    stored : bool
        Look image features up.
    checkpointing : bool
        Gradient checkpointing.
    """

    name: str
    stored: bool
    checkpointing: bool


VARIANTS = (
    Variant("images every step", stored=False, checkpointing=False),
    Variant("stored features", stored=True, checkpointing=False),
    Variant("stored features, checkpointing", stored=True, checkpointing=True),
)


def compare_steps(
    vlm: VisionLanguageModel, shape: Shape, items: Items, batch_size: int, steps: int, peak: float | None
) -> list[dict[str, Any]]:
    """Time finetuning steps with adapters on the language model, in every variant.

    Parameters
    ----------
    vlm : VisionLanguageModel
        The model; it gets adapters and keeps them.
    shape : Shape
        For the count of FLOP.
    items : Items
        What is shown.
    batch_size, steps : int
        Rows per step, and timed steps.
    peak : float or None
        The device's FLOP per second; without it utilisation is not told.

    Returns
    -------
    list of dict
        One row per variant.
    """
    import torch

    config = FinetuneConfig.model_validate({"cohort": "", "arm": {"arm": "single"}, "method": "lora"})
    model = prepare(vlm, config)
    optimiser = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=1e-4)
    rows = []
    for variant in VARIANTS:
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        if variant.checkpointing:
            _checkpointing(vlm.model, on=True)
        waited, worked, tokens, answer = _steps(vlm, model, optimiser, items, batch_size, steps, variant.stored)
        cost = finetuning_step(shape, batch_size, tokens, 2, answer, config.lora.rank, variant.stored)
        rows.append(_row(variant, waited, worked, batch_size, cost.total, peak))
    _checkpointing(vlm.model, on=False)
    return rows


def _checkpointing(model: Any, *, on: bool) -> None:
    """Turn gradient checkpointing on or off, by the name that the installed transformers knows it by (renamed within version 5)."""
    kind = "activation" if hasattr(model, "activation_checkpointing_enable") else "gradient"
    if on:
        model.train()
        getattr(model, f"{kind}_checkpointing_enable")({"use_reentrant": False})
    else:
        getattr(model, f"{kind}_checkpointing_disable")()


def _steps(
    vlm: VisionLanguageModel, model: Any, optimiser: Any, items: Items, batch_size: int, steps: int, stored: bool
) -> tuple[np.ndarray, np.ndarray, int, int]:
    """Give seconds waited for data and worked in each step, tokens in a row, and tokens in an answer."""
    plain = Encoder(vlm.processor, vlm.family, items.picture)
    store = FeatureStore(vlm, batch_size=1) if stored else None
    encoder = StoredEncoder(plain, store) if store else plain
    if store:  # the first epoch pays for the features; a run has many
        store.add({name for example in items.examples() for name in example.images}, plain)
    waited, worked = [], []
    with store.serving() if store else nullcontext():
        batches = _batches(items, batch_size)
        for _ in range(WARM + steps):
            began = now()
            rows = next(batches)
            batch, labels = encoder.with_answers(rows, [row.answer for row in rows], end=True)
            batch, labels = to_device(batch, vlm.model), labels.to(vlm.model.device)
            ready = now()
            (-token_log_probabilities(model, batch, labels).sum() / (labels != IGNORE).sum()).backward()
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            waited.append(ready - began)
            worked.append(now() - ready)
    return np.array(waited[WARM:]), np.array(worked[WARM:]), batch["input_ids"].shape[1], labels.shape[1]


def _batches(items: Items, batch_size: int) -> Iterator[list[Any]]:
    examples = items.examples()
    place = 0
    while True:
        yield [examples[(place + row) % len(examples)] for row in range(batch_size)]
        place += batch_size


def _row(variant: Variant, waited: np.ndarray, worked: np.ndarray, batch_size: int, cost: float, peak: float | None) -> dict[str, Any]:
    import torch

    seconds = waited + worked
    median, low, high = float(np.median(seconds)), float(seconds.min()), float(seconds.max())
    return {
        "part": "finetuning",
        "path": variant.name,
        "per_second": batch_size / median,
        "seconds": median,
        "seconds_low": low,
        "seconds_high": high,
        "peak_gib": torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else None,
        "flop_per_step": cost,
        "utilisation": None if peak is None else cost / median / peak,
        "utilisation_low": None if peak is None else cost / high / peak,
        "utilisation_high": None if peak is None else cost / low / peak,
        "data_wait": float(waited.sum() / seconds.sum()),
    }
