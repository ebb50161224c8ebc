"""What one family of vision-language models needs that others do not."""

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
    """Call a processor on several prompts with their images."""
    return dict(processor(text=texts, images=images, return_tensors="pt", **options))


def one_tensor_each(batch: Batch) -> list[torch.Tensor]:
    """Cut a batch's pixels into its images, where the first axis counts images.

    Returns one per image, in the order of the prompts.
    """
    return list(batch["pixel_values"])


def over_channels(batch: Batch, image: int, values: torch.Tensor) -> torch.Tensor:
    """Lay the values of one image's pixels out as the picture lies, where pixels are (..., channels, height, width).

    Returns (height, width): Added up over channels.
    """
    return values.reshape(-1, *values.shape[-2:]).sum(dim=0)


def nothing_more(model: Any, batch: Batch, cut: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the further inputs of a prompt that is read in two parts, where the attention mask says all."""
    return {}, {}


def plain_positions(model: Any, batch: Batch) -> str:
    """Say what is wrong with a batch's positions, where the attention mask alone decides them.

    Returns '' when nothing is wrong.
    """
    return "" if "attention_mask" in batch else "no attention_mask"


def only_their_own(model: Any, on: bool) -> int:
    """Leave the vision tower as it is, where transformers has no loops in it."""
    return 0


@dataclass(frozen=True)
class ModelFamily:
    """The quirks of a model family."""

    model_type: str  # as in the model's ``config.json``
    # regular expression (full match on module names) of the language model's linear layers, the default place for LoRA adapters
    lora_language: str
    lora_vision: str  # the same for the vision tower
    # what stands between the generation prompt and the first letter of an answer: a space where the template ends in ``Assistant:``
    answer_prefix: str = ""
    # inputs without which the model goes wrong in silence; the doctor checks that the processor makes them
    required_inputs: tuple[str, ...] = ()
    processor_options: dict[str, Any] = field(default_factory=dict)  # keyword arguments of every processor call
    # attributes set on the image processor at loading, so that an image has the same number of tokens alone and in a pair
    image_processor_settings: dict[str, Any] = field(default_factory=dict)
    # how prompts and images become a batch; see `process`
    process: Callable[[Any, list[str], list[list[Any]], dict[str, Any]], Batch] = process
    pixels: Callable[[Batch], list[torch.Tensor]] = one_tensor_each  # how a batch's pixels are cut into images; see `one_tensor_each`
    # how values of an image's pixels lie in the picture; see `over_channels`
    layout: Callable[[Batch, int, torch.Tensor], torch.Tensor] = over_channels
    # what a prompt read in two parts needs beside its tokens; see `nothing_more`. None: reading it in two parts is not known to be valid,
    # and the prefix cache refuses
    prefix: Callable[[Any, Batch, int], tuple[dict[str, Any], dict[str, Any]]] | None = nothing_more
    # what is wrong with the positions of a batch of several images; see `plain_positions`
    positions: Callable[[Any, Batch], str] = plain_positions
    # sends the vision tower a faster way than transformers' own, or back; see `only_their_own`
    fast_vision: Callable[[Any, bool], int] = only_their_own

    @contextmanager
    def own_vision(self, model: Any) -> Iterator[int]:
        """Let the vision tower go transformers' own way for a while.

        Returns how many of its layers would go a faster way otherwise.
        """
        changed = self.fast_vision(model, False)
        try:
            yield changed
        finally:
            if changed:
                self.fast_vision(model, True)
