"""The pocket VLM: a small model of a real transformers architecture, as it is made from a seed.

It has the parts a Hub checkpoint has (config, safetensors weights, tokenizer, processor, chat template) in one folder and is loaded
from there by the code that loads any checkpoint. ``idefics3`` and ``internvl`` spell out the two architectures it comes in. The
folder ``weights`` is the bundled model (``--model pocket``): an Idefics3 that `empirical.pretraining` has taught to compare.
"""

from empirical.vlm.pocket.build import build_pocket, random_pocket_path
from empirical.vlm.pocket.config import PocketConfig
from empirical.vlm.pocket.text import training_text

__all__ = ["PocketConfig", "build_pocket", "random_pocket_path", "training_text"]
