"""What a model is: its settings, and the loaded thing with all that is needed to use it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from empirical.vlm.families.base import ModelFamily
from see_in_pairs.configs import StrictConfig

if TYPE_CHECKING:
    from transformers import PreTrainedModel, ProcessorMixin


PartOfParity = Literal["chat_template", "pixel_budget", "resize", "dtype", "image_order", "base_weights"]
"""What of the inputs must be the same in training and evaluation, see `empirical.vlm.input_spec`."""


class ModelConfig(StrictConfig):
    """Which model, and how it is held in memory.

    Parameters
    ----------
    name : str
        ``pocket`` (the bundled model), ``pocket-random``, a folder, or a Hub id; a folder written by ``finetune`` brings its base model
        with it.
    revision : str, optional
        The commit of a Hub repository. Without it the one in the local cache is taken, else the newest of the Hub; either way the commit
        is recorded, and a result that stands on another one is not taken for this one's.
    dtype : str
        ``auto``: bfloat16 on a GPU, float32 on a CPU.
    device : str
        ``auto``: the GPU where there is one.
    attention : str, optional
        ``sdpa``, ``eager``, ``flash_attention_2``; by default what the model chooses.
    fast_vision : bool
        Let the vision tower compute the same with fewer, larger kernels where its family has a way (Qwen); the doctor checks it.
    trust_remote_code : bool
        Run Python code that comes with the repository. Off unless you have read that code.
    image_processor : dict
        Settings of the image processor to change, by its own names, above all ``size``: the budget of pixels, and so of tokens, per
        image. A finetuned model brings its own along.
    allow_mismatch : tuple of str
        What may differ from how a finetuned model was trained: ``chat_template``, ``pixel_budget``, ``resize``, ``dtype``,
        ``image_order``, ``base_weights``. Otherwise a difference is an error.
    """

    name: str = "pocket"
    revision: str | None = None
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    attention: str | None = None
    fast_vision: bool = True
    trust_remote_code: bool = False
    image_processor: dict[str, Any] = Field(default_factory=dict)
    allow_mismatch: tuple[PartOfParity, ...] = ()


@dataclass(frozen=True)
class VisionLanguageModel:
    """A model with what is needed to use it.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        On its device, in evaluation mode.
    processor : transformers.ProcessorMixin
        Tokenizer, image processor and chat template.
    family : ModelFamily
        The quirks of its family.
    config : ModelConfig
        How it was loaded, a Hub id at its commit.
    training : dict
        What ``finetune`` recorded beside it; empty for a model from elsewhere.
    """

    model: PreTrainedModel
    processor: ProcessorMixin
    family: ModelFamily
    config: ModelConfig
    training: dict[str, Any]
