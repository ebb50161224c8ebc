"""How much precision each path loses in the model's own number format, against float32.

Paths of the evaluation are compared by their scores; the baseline is the plain path. Adapters are compared by scores and by the gradients
of a step; the baseline is peft's own adapters, run as their users run them: scores without autocast, gradients under bfloat16 autocast
where the model is kept in bfloat16.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any

from empirical.benchmark.evaluation import PATHS, scores
from empirical.benchmark.items import Items
from empirical.vlm.config import VisionLanguageModel
from empirical.vlm.inference.batch_scorer import PLAIN
from empirical.vlm.inference.encoder import IGNORE, Encoder
from empirical.vlm.inference.scoring import to_device, token_log_probabilities
from empirical.vlm.lora_precision import compute_in_base_dtype, randomize_adapter

TRUTH = "float32"
"""The row that the paths of the evaluation are compared with."""

ADAPTER_SCORES = {"adapters, float32": PLAIN, "adapters, peft": PLAIN, "adapters": PLAIN, "adapters, everything": PATHS["everything"]}
"""Rows of scores with adapters, each with the switches of its path."""

GRADIENTS = ("gradients, float32", "gradients, peft", "gradients")
"""Rows of gradients of a step."""

EQUALITY_PATHS = (TRUTH, *PATHS, *ADAPTER_SCORES, *GRADIENTS)
"""All rows, in the order in which they are measured."""

CHECKS = (
    dict.fromkeys(PATHS, (TRUTH, "plain batches"))
    | dict.fromkeys([path for path in ADAPTER_SCORES if not path.endswith(TRUTH)], ("adapters, float32", "adapters, peft"))
    | dict.fromkeys([path for path in GRADIENTS if not path.endswith(TRUTH)], ("gradients, float32", "gradients, peft"))
)
"""For each path: the row that it is compared with, and the row whose error sets the bound for its own."""

RANK, DEVIATION = 16, 0.05
"""Rank of the random adapters, and standard deviation of their weights: their effect must exceed rounding errors."""

GRADIENT_BATCH_SIZE = 2
"""Rows of the step whose gradients are compared: in float32 it keeps twice what `empirical.benchmark.activation_memory` counts."""

SAMPLE = 64
"""Numbers of each gradient that are compared, evenly spread."""


def equality_row(vlm: VisionLanguageModel, items: Items, path: str, batch_size: int) -> dict[str, Any]:
    """Score a few items on one path in the model's own number format, or on the plain path in float32."""
    if path in (*ADAPTER_SCORES, *GRADIENTS):
        return adapted_row(vlm, items, path, batch_size)
    if path == TRUTH:
        with in_float32(vlm):
            values = scores(vlm, items, batch_size, PLAIN)
    else:
        values = scores(vlm, items, batch_size, PATHS[path])
    dtype = TRUTH if path == TRUTH else str(vlm.model.dtype).removeprefix("torch.")
    return {"items": items.queries, "dtype": dtype, "scores": values.tolist()}


def adapted_row(vlm: VisionLanguageModel, items: Items, path: str, batch_size: int, seed: int = 0) -> dict[str, Any]:
    """Score a few items with random adapters, or compute the adapters' gradients.

    Returns ``items``, ``dtype``, ``scores``: log-probabilities in nats, or a sample of the gradients in units of its root mean square.
    """
    single, plain = path.endswith("float32"), path.endswith("peft")
    dtype = "float32" if single else str(vlm.model.dtype).removeprefix("torch.")
    with with_adapters(vlm, seed, ours=not plain) as adapted, in_float32(adapted) if single else nullcontext():
        if path in ADAPTER_SCORES:
            values = scores(adapted, items, batch_size, ADAPTER_SCORES[path]).tolist()
        else:
            values = _gradients(adapted, items, autocast=plain and dtype == "bfloat16")
    return {"items": items.queries if path in ADAPTER_SCORES else GRADIENT_BATCH_SIZE, "dtype": dtype, "scores": values}


@contextmanager
def in_float32(vlm: VisionLanguageModel) -> Iterator[None]:
    """Convert a model to float32 inside the block."""
    dtype = vlm.model.dtype
    # Rotary frequencies are float32 in every model: converting them back would round them, so the old buffers are restored.
    buffers = [(module, name, buffer) for module in vlm.model.modules() for name, buffer in module._buffers.items()]
    vlm.model.float()
    try:
        yield
    finally:
        vlm.model.to(dtype)
        for module, name, buffer in buffers:
            module._buffers[name] = buffer


@contextmanager
def with_adapters(vlm: VisionLanguageModel, seed: int, ours: bool) -> Iterator[VisionLanguageModel]:
    """Put random adapters on a model's language layers inside the block; use only the yielded model there."""
    import peft

    from empirical.vlm.weights import ignore_peft_deprecation

    flags = {name: weight.requires_grad for name, weight in vlm.model.named_parameters()}
    settings = peft.LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=vlm.family.lora_language, bias="none")
    with ignore_peft_deprecation():
        wrapped = peft.get_peft_model(vlm.model, settings)
    randomize_adapter(wrapped, "default", DEVIATION, seed)
    try:
        yield replace(vlm, model=(compute_in_base_dtype(wrapped) if ours else wrapped).eval())
    finally:
        wrapped.unload()
        vars(vlm.model).pop("peft_config", None)
        for name, weight in vlm.model.named_parameters():
            weight.requires_grad_(flags[name])


def _gradients(vlm: VisionLanguageModel, items: Items, autocast: bool) -> list[list[float]]:
    """Sample the gradients of one step's loss, tensor by tensor."""
    import torch

    model, examples = vlm.model, items.examples()[:GRADIENT_BATCH_SIZE]
    encoder = Encoder(vlm.processor, vlm.family, items.picture)
    batch, labels = encoder.with_answers(examples, [example.answer for example in examples], end=True)
    labels = labels.to(model.device)
    rounding: AbstractContextManager[Any] = torch.autocast(model.device.type, torch.bfloat16) if autocast else nullcontext()
    with rounding:
        loss = -token_log_probabilities(model, to_device(batch, model), labels).sum() / (labels != IGNORE).sum()
    loss.backward()
    samples = [_sample(weight.grad) for name, weight in model.named_parameters() if "lora_" in name and weight.grad is not None]
    model.zero_grad(set_to_none=True)
    sample = torch.stack(samples)
    return (sample / sample.square().mean().sqrt()).tolist()


def _sample(gradient: Any) -> Any:
    flat = gradient.detach().float().flatten()
    return flat[:: max(1, len(flat) // SAMPLE)][:SAMPLE].cpu()
