"""Parity of training and evaluation: the same template, image order, pixel budget, resizing and number format, or an error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from empirical.prompts.templates import PromptConfig, prompt_text
from see_in_pairs.errors import InputError
from see_in_pairs.files import content_hash

if TYPE_CHECKING:
    from empirical.vlm.config import VisionLanguageModel

BUDGET = ("size", "max_image_size", "min_pixels", "max_pixels", "crop_size", "pad_size", "patch_size", "merge_size", "image_grid_pinpoints")


def parity(vlm: VisionLanguageModel, prompts: PromptConfig | None = None) -> dict[str, Any]:
    """Say what a model's inputs are made of.

    Returns ``chat_template`` (a hash), ``pixel_budget`` (sizes), ``resize`` (a hash of everything else that is done to pixels, and by which
    class), ``dtype``; with prompts ``image_order``; and ``hash``, of all of these.
    """
    settings = vlm.processor.image_processor.to_dict()
    budget = {name: settings[name] for name in BUDGET if settings.get(name) is not None}
    rest = {name: value for name, value in settings.items() if name not in BUDGET and name != "processor_class"}
    parts: dict[str, Any] = {
        "chat_template": content_hash(vlm.processor.chat_template),
        "pixel_budget": budget,
        "resize": content_hash([rest, type(vlm.processor.image_processor).__name__, vlm.family.processor_options]),
        "dtype": str(vlm.model.dtype).removeprefix("torch."),
    }
    if prompts is not None:
        parts["image_order"] = image_order(prompts)
    return parts | {"hash": content_hash(parts)}


def image_order(prompts: PromptConfig) -> str:
    """Name the order of images in a paired prompt.

    Returns ``'reference first'`` or ``'query first'``.
    """
    text = prompt_text(prompts.pair)
    return "query first" if -1 < text.find("{query}") < text.find("{reference}") else "reference first"


def enforce_parity(trained: Mapping[str, Any], now: Mapping[str, Any], name: str, allow: Iterable[str] = ()) -> None:
    """Refuse a model whose inputs are made otherwise than they were in training."""
    for part in trained:
        if part in ("hash", *allow) or part not in now or content_hash(trained[part]) == content_hash(now[part]):
            continue
        raise InputError(
            f"model '{name}': trained with {part} {trained[part]}, now {now[part]}; "
            f"make them equal, or allow it with model.allow_mismatch: [{part}]"
        )
