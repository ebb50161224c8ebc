"""`ModelFamily`: what is specific to a family of vision-language models, and the defaults of its hooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    Batch = dict[str, torch.Tensor]

LANGUAGE_PROJECTIONS = "(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"


def process(processor: Any, texts: list[str], images: list[list[Any]], options: dict[str, Any]) -> Batch:
    """Call a processor on several prompts with their images, or on prompts without any."""
    shown = images if any(images) else None
    return dict(processor(text=texts, images=shown, return_tensors="pt", **options))


def split_images(batch: Batch) -> list[torch.Tensor]:
    """Split ``pixel_values`` of shape (images, ...) into images, in the order of the prompts."""
    return list(batch["pixel_values"])


def sum_over_channels(batch: Batch, image: int, values: torch.Tensor) -> torch.Tensor:
    """Sum the values of one image's pixels, of shape (..., channels, height, width), to (height, width)."""
    return values.reshape(-1, *values.shape[-2:]).sum(dim=0)


def no_extra_inputs(model: Any, batch: Batch, cut: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return no further inputs for the two parts of a prompt: the attention mask is enough."""
    return {}, {}


def check_attention_mask(model: Any, batch: Batch) -> str:
    """Return what is wrong with a batch's positions if the attention mask alone decides them; '' if nothing is."""
    return "" if "attention_mask" in batch else "no attention_mask"


def no_fast_vision(model: Any, on: bool) -> int:
    """Keep the vision tower unchanged: transformers computes it without loops."""
    return 0


@dataclass(frozen=True)
class ModelFamily:
    """What is specific to a model family; the defaults suit a family without peculiarities."""

    model_type: str  # as in the model's ``config.json``
    # regular expressions (full match on module names) of the linear layers of the language model, the default place of LoRA adapters, and
    # of the vision tower
    lora_language: str
    lora_vision: str
    vision_tower: str = "visual|vision_tower|vision_model"  # regular expression of the vision tower's name among the modules
    # text between the generation prompt and the first letter of an answer: a space where the template ends in ``Assistant:``
    answer_prefix: str = ""
    # inputs without which the model silently computes something else; the doctor checks that the processor makes them
    required_inputs: tuple[str, ...] = ()
    processor_options: dict[str, Any] = field(default_factory=dict)  # keyword arguments of every processor call
    # attributes set on the image processor at loading, so that an image has the same number of tokens alone and in a pair
    image_processor_settings: dict[str, Any] = field(default_factory=dict)
    # make a batch of prompts and images; see `process`
    process: Callable[[Any, list[str], list[list[Any]], dict[str, Any]], Batch] = process
    image_pixels: Callable[[Batch], list[torch.Tensor]] = split_images  # split a batch's pixels into images; see `split_images`
    # arrange values of one image's pixels as in the picture; see `sum_over_channels`
    pixel_map: Callable[[Batch, int, torch.Tensor], torch.Tensor] = sum_over_channels
    # further inputs of both parts of a prompt that is split at a token; see `no_extra_inputs`. None: splitting is not known to be valid,
    # and the prefix cache is refused
    split_inputs: Callable[[Any, Batch, int], tuple[dict[str, Any], dict[str, Any]]] | None = no_extra_inputs
    # say what is wrong with the positions of a batch of several images; see `check_attention_mask`
    check_positions: Callable[[Any, Batch], str] = check_attention_mask
    # switch the vision tower to a faster implementation or back, and return how many layers changed; see `no_fast_vision`
    fast_vision: Callable[[Any, bool], int] = no_fast_vision

    @contextmanager
    def own_vision(self, model: Any) -> Iterator[int]:
        """Use transformers' own vision tower inside the block; yields how many layers were switched back to it."""
        changed = self.fast_vision(model, False)
        try:
            yield changed
        finally:
            if changed:
                self.fast_vision(model, True)
