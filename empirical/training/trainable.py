"""Make a loaded model trainable: all of it, or adapters on it; frozen parts build no autograd graph."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

from empirical.training.config import LoraConfig, Method
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from empirical.vlm.config import VisionLanguageModel


def make_trainable(vlm: VisionLanguageModel, method: Method, lora: LoraConfig) -> PreTrainedModel:
    """Make a loaded model trainable, all of it or adapters on it, for the Trainer."""
    model = vlm.model
    model.train()
    if method == "full":
        return model.float()  # the optimiser needs float32 weights; mixed precision computes in bfloat16 on a GPU
    import peft

    from empirical.vlm.lora_precision import compute_in_base_dtype
    from empirical.vlm.weights import ignore_peft_deprecation

    pattern = vlm.family.lora_language + (f"|{vlm.family.lora_vision}" if lora.vision else "")
    if not any(re.fullmatch(pattern, name) for name, _ in model.named_modules()):
        raise InputError(f"lora: no layer of '{vlm.config.name}' matches the pattern of family '{vlm.family.model_type}'; use method: full")
    if vision_is_frozen(method, lora):
        _without_graph(vlm)
    settings = peft.LoraConfig(r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=pattern, bias="none")
    with ignore_peft_deprecation():
        wrapped = compute_in_base_dtype(peft.get_peft_model(model, settings, revision=vlm.config.revision))
    # embeddings are not trained; to find that out by itself, peft would look up the base on the Hub at every checkpoint
    wrapped.save_pretrained = functools.partial(wrapped.save_pretrained, save_embedding_layers=False)  # type: ignore[method-assign]
    return wrapped


def refuse_adapter(model: str) -> None:
    """Refuse to start from an adapter: no library can load one adapter stacked on another."""
    from empirical.vlm.model_id import adapter_base

    found = adapter_base(model)
    if found is not None:
        raise InputError(
            f"model '{model}' is an adapter on '{found[0]}', and training cannot continue from an adapter; start from '{found[0]}', "
            "or from a model finetuned with method: full"
        )


def vision_is_frozen(method: Method, lora: LoraConfig) -> bool:
    """Whether a run keeps the vision tower and its projector frozen."""
    return method == "lora" and not lora.vision


def _without_graph(vlm: VisionLanguageModel) -> None:
    """Run a frozen tower without autograd: hooks of gradient checkpointing would make it track gradients that reach no weight."""
    import torch

    from empirical.vlm.feature_cache.tower import core_of

    core = core_of(vlm.model)
    core.get_image_features = torch.no_grad()(core.get_image_features)
