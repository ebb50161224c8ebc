"""What is specific to each model family, one file each; no other code asks for a model's family.

``base`` holds `ModelFamily`, whose fields are the hooks. `MODULES` is the registry: the ``model_type`` of a ``config.json`` and the file
here that describes it, which is imported on first use. The facts were checked by running tiny models of each family, not copied from a
model card. ``docs/development/add-a-model-family.md`` has the steps to add one.
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
    """Look up the family of a model by its ``model_type``."""
    module = MODULES.get(config.model_type)
    if module is None:
        raise InputError(f"model type '{config.model_type}' is not supported; known: {', '.join(MODULES)}")
    return import_module(f"empirical.vlm.families.{module}").FAMILIES[config.model_type]
