"""The settings of a model, and the loaded model with everything needed to use it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from empirical.vlm.families.base import ModelFamily
from see_in_pairs.configs import StrictConfig

if TYPE_CHECKING:
    from transformers import PreTrainedModel, ProcessorMixin


InputSpecPart = Literal["chat_template", "pixel_budget", "resize", "dtype", "image_order", "base_weights"]
"""Parts of the inputs that must be equal in training and evaluation (`empirical.vlm.input_spec`)."""


class ModelConfig(StrictConfig):
    """Which model, and how it is loaded.

    Parameters
    ----------
    name : str
        ``pocket`` (the bundled model), ``pocket-random``, a folder, or a Hub id; a folder written by ``finetune`` brings its base model
        with it.
    revision : str, optional
        The commit of a Hub repository. By default the one in the local cache, else the newest on the Hub. The commit is recorded either
        way, and a run folder made with another commit is refused.
    dtype : str
        Number format of the weights: ``float32``, ``bfloat16``, ``float16``, or ``auto`` (bfloat16 on a GPU, float32 on a CPU).
    device : str
        ``cpu``, ``cuda``, or ``auto`` (the GPU if there is one).
    attention : str, optional
        Attention implementation of transformers: ``sdpa``, ``eager`` or ``flash_attention_2``. By default the model's own choice.
    fast_vision : bool
        Compute the vision tower with fewer, larger kernels if the family supports it (Qwen). The doctor compares the features.
    trust_remote_code : bool
        Run Python code that comes with the repository. Turn it on only if you have read that code.
    image_processor : dict
        Settings of the image processor to change, by its own names. ``size`` is the budget of pixels, and so of tokens, per image.
        ``flatten`` is ours: subtract each image's own blur (its width as a share of the image's side), and scale the rest to one
        contrast. A finetuned model comes with the settings of its training.
    allow_mismatch : tuple of str
        Parts of the inputs that may differ from the training of a finetuned model: ``chat_template``, ``pixel_budget``, ``resize``,
        ``dtype``, ``image_order``, ``base_weights``. Any other difference is an error.
    """

    name: str = "pocket"
    revision: str | None = None
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    attention: str | None = None
    fast_vision: bool = True
    trust_remote_code: bool = False
    image_processor: dict[str, Any] = Field(default_factory=dict)
    allow_mismatch: tuple[InputSpecPart, ...] = ()


@dataclass(frozen=True, repr=False)
class VisionLanguageModel:
    """A loaded model with everything needed to use it.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        The model on its device, in evaluation mode; a ``PeftModel`` where it has an adapter.
    processor : transformers.ProcessorMixin
        Tokenizer, image processor and chat template.
    family : ModelFamily
        What is specific to its family: LoRA layers, required inputs, processor options.
    config : ModelConfig
        The settings it was loaded with, the revision of a Hub id replaced by its commit.
    training : dict
        The content of the ``training.json`` that ``finetune`` wrote; empty for a model from elsewhere.
    """

    model: PreTrainedModel
    processor: ProcessorMixin
    family: ModelFamily
    config: ModelConfig
    training: dict[str, Any]

    def __repr__(self) -> str:
        weights = list(self.model.parameters())
        where = f"{str(weights[0].dtype).removeprefix('torch.')} on {weights[0].device}" if weights else "no weights"
        return f"VisionLanguageModel '{self.config.name}': {sum(one.numel() for one in weights):,} weights, {where}"
