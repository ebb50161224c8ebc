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
    """Call a processor on several prompts with their images.

    Parameters
    ----------
    processor : transformers.ProcessorMixin
        The model's processor.
    texts : list of str
        One rendered prompt per row.
    images : list of list of PIL.Image.Image
        The images of each row, nested: some families check their number per row.
    options : dict
        Further keyword arguments of the call.

    Returns
    -------
    dict of str to torch.Tensor
        What the model takes.
    """
    return dict(processor(text=texts, images=images, return_tensors="pt", **options))


def one_tensor_each(batch: Batch) -> list[torch.Tensor]:
    """Cut a batch's pixels into its images, where the first axis counts images.

    Parameters
    ----------
    batch : dict of str to torch.Tensor
        As a processor makes it.

    Returns
    -------
    list of torch.Tensor
        One per image, in the order of the prompts.
    """
    return list(batch["pixel_values"])


def over_channels(batch: Batch, image: int, values: torch.Tensor) -> torch.Tensor:
    """Lay the values of one image's pixels out as the picture lies, where pixels are (..., channels, height, width).

    Parameters
    ----------
    batch : dict of str to torch.Tensor
        As a processor makes it.
    image : int
        Which of its images, in the order of the prompts.
    values : torch.Tensor
        One value for each of that image's pixels and channels, as `one_tensor_each` cuts them.

    Returns
    -------
    torch.Tensor of shape (height, width)
        Added up over channels.
    """
    return values.reshape(-1, *values.shape[-2:]).sum(dim=0)


def nothing_more(model: Any, batch: Batch, cut: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the further inputs of a prompt that is read in two parts, where the attention mask says all.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        The model, without adapters around it.
    batch : dict of str to torch.Tensor
        Whole prompts.
    cut : int
        Where the second part begins.

    Returns
    -------
    tuple of two dicts
        Both empty.
    """
    return {}, {}


def plain_positions(model: Any, batch: Batch) -> str:
    """Say what is wrong with a batch's positions, where the attention mask alone decides them.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        The model, without adapters around it.
    batch : dict of str to torch.Tensor
        Whole prompts.

    Returns
    -------
    str
        '' when nothing is wrong.
    """
    return "" if "attention_mask" in batch else "no attention_mask"


def only_their_own(model: Any, on: bool) -> int:
    """Leave the vision tower as it is, where transformers has no loops in it.

    Parameters
    ----------
    model : transformers.PreTrainedModel or peft.PeftModel
        The model.
    on : bool
        Whether it should go a faster way.

    Returns
    -------
    int
        0: layers that changed.
    """
    return 0


@dataclass(frozen=True)
class ModelFamily:
    """The quirks of a model family.

    Parameters
    ----------
    model_type : str
        As in the model's ``config.json``.
    lora_language : str
        Regular expression (full match on module names) of the language model's linear layers, the default place for LoRA adapters.
    lora_vision : str
        The same for the vision tower.
    answer_prefix : str
        What stands between the generation prompt and the first letter of an answer: a space where the template ends in ``Assistant:``.
    required_inputs : tuple of str
        Inputs without which the model goes wrong in silence; the doctor checks that the processor makes them.
    processor_options : dict
        Keyword arguments of every processor call.
    image_processor_settings : dict
        Attributes set on the image processor at loading, so that an image has the same number of tokens alone and in a pair.
    process : callable
        How prompts and images become a batch; see `process`.
    pixels : callable
        How a batch's pixels are cut into images; see `one_tensor_each`.
    layout : callable
        How values of an image's pixels lie in the picture; see `over_channels`.
    prefix : callable or None
        What a prompt read in two parts needs beside its tokens; see `nothing_more`. None: reading it in two parts is not known to be
        valid, and the prefix cache refuses.
    positions : callable
        What is wrong with the positions of a batch of several images; see `plain_positions`.
    fast_vision : callable
        Sends the vision tower a faster way than transformers' own, or back; see `only_their_own`.
    """

    model_type: str
    lora_language: str
    lora_vision: str
    answer_prefix: str = ""
    required_inputs: tuple[str, ...] = ()
    processor_options: dict[str, Any] = field(default_factory=dict)
    image_processor_settings: dict[str, Any] = field(default_factory=dict)
    process: Callable[[Any, list[str], list[list[Any]], dict[str, Any]], Batch] = process
    pixels: Callable[[Batch], list[torch.Tensor]] = one_tensor_each
    layout: Callable[[Batch, int, torch.Tensor], torch.Tensor] = over_channels
    prefix: Callable[[Any, Batch, int], tuple[dict[str, Any], dict[str, Any]]] | None = nothing_more
    positions: Callable[[Any, Batch], str] = plain_positions
    fast_vision: Callable[[Any, bool], int] = only_their_own

    @contextmanager
    def own_vision(self, model: Any) -> Iterator[int]:
        """Let the vision tower go transformers' own way for a while.

        Parameters
        ----------
        model : transformers.PreTrainedModel or peft.PeftModel
            The model.

        Yields
        ------
        int
            How many of its layers would go a faster way otherwise.
        """
        changed = self.fast_vision(model, False)
        try:
            yield changed
        finally:
            if changed:
                self.fast_vision(model, True)
