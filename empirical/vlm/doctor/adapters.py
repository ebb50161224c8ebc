"""Adapters: their layers, their gradients, and whether a saved adapter gives the same scores after loading."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np

from empirical.vlm.doctor.model_under_test import ModelUnderTest, Outcome
from empirical.vlm.feature_cache.tower import base_of
from empirical.vlm.lora_precision import compute_in_base_dtype, randomize_adapter
from empirical.vlm.weights import ignore_peft_deprecation, is_noop_adapter

STD = 0.2  # of random adapters: their product is as large as usual weights, so that a lost tensor is noticed


def lora_layers(subject: ModelUnderTest) -> Outcome:
    """The family's patterns put adapters on the language model only, and on the vision tower only."""
    names = [name.replace(".base_layer", "") for name, _ in base_of(subject.vlm.model).named_modules()]
    language = {name for name in names if re.fullmatch(subject.vlm.family.lora_language, name)}
    vision = {name for name in names if re.fullmatch(subject.vlm.family.lora_vision, name)}
    in_tower = {name for name in names if _in_vision_tower(subject, name)}
    astray = (language & in_tower) | (vision - in_tower)
    passed = bool(language and vision) and not astray
    return passed, f"{len(language)} language and {len(vision)} vision layers, {len(astray)} of them misplaced"


def gradients(subject: ModelUnderTest) -> Outcome:
    """One backward pass reaches every trainable weight, and no frozen one."""
    from empirical.vlm.inference.encoder import IGNORE
    from empirical.vlm.inference.scoring import to_device, token_log_probabilities

    example = subject.example("square", "other")
    batch, labels = subject.encoder.with_answers([example], [subject.prompts.positive], end=True)
    with _random_adapter(subject) as model:
        labels = labels.to(model.device)
        (-token_log_probabilities(model, to_device(batch, model), labels).sum() / (labels != IGNORE).sum()).backward()
        trainable = {name: weight.grad for name, weight in model.named_parameters() if weight.requires_grad}
        without = [name for name, gradient in trainable.items() if gradient is None or not bool((gradient != 0).any())]
        leaked = [name for name, weight in model.named_parameters() if not weight.requires_grad and weight.grad is not None]
        model.zero_grad(set_to_none=True)
    without = [name for name in without if not _behind_last_used_layer(subject, name, trainable)]
    detail = f"{len(trainable) - len(without)} of {len(trainable)} trainable tensors got a gradient, {len(leaked)} frozen ones did"
    return bool(trainable) and not without and not leaked, detail + (f"; none: {without[0]}" if without else "")


def _behind_last_used_layer(subject: ModelUnderTest, name: str, trainable: dict[str, Any]) -> bool:
    """Whether a weight is in a vision layer after the last one used: some families take features before the end of the tower."""

    def vision_layer(name: str) -> int:
        number = re.search(r"layers?\.(\d+)\.", name)
        return int(number[1]) if number and _in_vision_tower(subject, name) else -1

    reached = max((vision_layer(other) for other, gradient in trainable.items() if gradient is not None), default=-1)
    return vision_layer(name) > reached >= 0


def _in_vision_tower(subject: ModelUnderTest, name: str) -> bool:
    return re.search(rf"\.({subject.vlm.family.vision_tower})\.", f".{name}") is not None


def saved_adapter(subject: ModelUnderTest) -> Outcome:
    """An adapter that is saved and loaded again gives the same scores, which are not those of the model without it."""
    rows = [subject.example("square"), subject.example("other", "wide")]
    with subject.in_float32() if subject.half_precision else nullcontext(), tempfile.TemporaryDirectory() as folder:
        base = _scores_without_adapters(subject, rows)
        with _random_adapter(subject) as model:
            trained = _scores(subject, model, rows)
            model.save_pretrained(folder, selected_adapters=["doctor"])
            model.load_adapter(f"{folder}/doctor", adapter_name="again", is_trainable=False)
            model.set_adapter("again")
            loaded = _scores(subject, model, rows)
            model.set_adapter("doctor")
            model.delete_adapter("again")
        difference, effect = float(np.abs(trained - loaded).max()), float(np.abs(trained - base).max())
        passed = difference == 0 and effect > subject.tolerance
        return passed, f"differs by {difference:.1e} after loading, moves scores by {effect:.1e}"


def loaded_adapter(subject: ModelUnderTest) -> Outcome:
    """The adapter that the model was loaded with has an effect; loading checked that no tensor is missing."""
    from peft import PeftModel, get_peft_model_state_dict

    model = subject.vlm.model
    if not isinstance(model, PeftModel):
        return True, "none: the model has no adapter"
    rows = [subject.example("square"), subject.example("other", "wide")]
    tensors = get_peft_model_state_dict(model, save_embedding_layers=False)
    effect = float(np.abs(subject.scores(*rows) - _scores_without_adapters(subject, rows)).max())
    return effect > 0 and not is_noop_adapter(tensors), f"{len(tensors)} tensors, moves scores by {effect:.1e}"


def _scores_without_adapters(subject: ModelUnderTest, rows: list) -> np.ndarray:
    model = subject.vlm.model
    if hasattr(model, "disable_adapter"):
        with model.disable_adapter():
            return subject.scores(*rows)
    return subject.scores(*rows)


def _scores(subject: ModelUnderTest, model: Any, rows: list) -> np.ndarray:
    from empirical.vlm.inference.scoring import answer_log_probabilities

    return answer_log_probabilities(model, subject.encoder, rows, subject.prompts.answers)


@contextmanager
def _random_adapter(subject: ModelUnderTest) -> Iterator[Any]:
    """Put a random adapter on language and vision layers inside the block; afterwards the model is unchanged."""
    import peft

    model, family = subject.vlm.model, subject.vlm.family
    flags = {name: weight.requires_grad for name, weight in model.named_parameters()}
    settings = peft.LoraConfig(r=2, lora_alpha=4, target_modules=f"{family.lora_language}|{family.lora_vision}", bias="none")
    own = not isinstance(model, peft.PeftModel)
    before = None if own else model.active_adapter
    with ignore_peft_deprecation():
        wrapped = peft.get_peft_model(model, settings, adapter_name="doctor") if own else model
    if not own:
        wrapped.add_adapter("doctor", settings)
        wrapped.set_adapter("doctor")
    compute_in_base_dtype(wrapped)  # as training and loading do
    randomize_adapter(wrapped, "doctor", STD)
    try:
        yield wrapped
    finally:
        _restore(wrapped, model, before, flags)


def _restore(wrapped: Any, model: Any, before: str | None, flags: dict[str, bool]) -> None:
    if before is None:
        wrapped.unload()
        vars(model).pop("peft_config", None)
    else:
        wrapped.set_adapter(before)
        wrapped.delete_adapter("doctor")
        _unwrap(wrapped)
    for name, weight in model.named_parameters():
        weight.requires_grad_(flags[name])


def _unwrap(wrapped: Any) -> None:
    """Unwrap the layers that had only our adapter: peft leaves empty wrappers, which give weights other names."""
    for name, module in list(wrapped.named_modules()):
        if hasattr(module, "base_layer") and not any(getattr(module, kind, None) for kind in ("lora_A", "lora_embedding_A")):
            wrapped.set_submodule(name, module.base_layer)
