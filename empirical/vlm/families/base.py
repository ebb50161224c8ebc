"""What one family of vision-language models needs that others do not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

LANGUAGE_PROJECTIONS = "(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"


@dataclass(frozen=True)
class Family:
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
    """

    model_type: str
    lora_language: str
    lora_vision: str
    answer_prefix: str = ""
    required_inputs: tuple[str, ...] = ()
    processor_options: dict[str, Any] = field(default_factory=dict)
    image_processor_settings: dict[str, Any] = field(default_factory=dict)
