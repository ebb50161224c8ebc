"""The input specification of a model, and the check that evaluation makes inputs in the same way as training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from empirical.prompts.templates import PromptConfig, prompt_text
from see_in_pairs.errors import InputError
from see_in_pairs.files import content_hash

if TYPE_CHECKING:
    from empirical.vlm.config import VisionLanguageModel

PIXEL_BUDGET = (
    "size",
    "max_image_size",
    "min_pixels",
    "max_pixels",
    "crop_size",
    "pad_size",
    "patch_size",
    "merge_size",
    "image_grid_pinpoints",
)


def input_spec(vlm: VisionLanguageModel, prompts: PromptConfig | None = None) -> dict[str, Any]:
    """Describe how a model's inputs are made.

    Returns ``chat_template`` (a hash), ``pixel_budget`` (sizes), ``resize`` (a hash of all other image processing), ``dtype``, with prompts
    ``image_order``, and ``hash`` over all of these.
    """
    settings = vlm.processor.image_processor.to_dict()
    budget = {name: settings[name] for name in PIXEL_BUDGET if settings.get(name) is not None}
    other = {name: value for name, value in settings.items() if name not in PIXEL_BUDGET and name != "processor_class"}
    parts: dict[str, Any] = {
        "chat_template": content_hash(vlm.processor.chat_template),
        "pixel_budget": budget,
        "resize": content_hash([other, type(vlm.processor.image_processor).__name__, vlm.family.processor_options]),
        "dtype": str(vlm.model.dtype).removeprefix("torch."),
    }
    if prompts is not None:
        parts["image_order"] = image_order(prompts)
    return parts | {"hash": content_hash(parts)}


def image_order(prompts: PromptConfig) -> str:
    """Return ``'reference first'`` or ``'query first'``, the order of images in a paired prompt."""
    text = prompt_text(prompts.pair)
    return "query first" if -1 < text.find("{query}") < text.find("{reference}") else "reference first"


def check_input_spec(trained: Mapping[str, Any], now: Mapping[str, Any], name: str, allow: Iterable[str] = ()) -> None:
    """Raise `InputError` if a model's inputs are made differently than in training."""
    for part in trained:
        if part in ("hash", *allow) or part not in now or content_hash(trained[part]) == content_hash(now[part]):
            continue
        raise InputError(
            f"model '{name}': trained with {part} {trained[part]}, now {now[part]}; "
            f"make them equal, or allow it with model.allow_mismatch: [{part}]"
        )
