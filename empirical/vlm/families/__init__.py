"""The quirks of each model family, one file each; nothing outside this folder asks which family a model is of.

Facts here were checked by running tiny models of each family (see the tests), not read off a model card.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from empirical.vlm.families.base import ModelFamily
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

MODULES = {
    "idefics3": "idefics",
    "smolvlm": "idefics",
    "qwen2_vl": "qwen",
    "qwen2_5_vl": "qwen",
    "qwen3_vl": "qwen",
    "internvl": "internvl",
    "llava_onevision": "llava_onevision",
    "gemma3": "gemma",
}


def family_of(config: PreTrainedConfig) -> ModelFamily:
    """Look up the family of a model."""
    module = MODULES.get(config.model_type)
    if module is None:
        raise InputError(f"model type '{config.model_type}' is not supported; known: {', '.join(MODULES)}")
    return import_module(f"empirical.vlm.families.{module}").FAMILIES[config.model_type]
