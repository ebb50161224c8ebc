"""The pocket VLM: a small model of a real transformers architecture, built from a seed.

It has the files of a Hub checkpoint (config, safetensors weights, tokenizer, processor, chat template) in one folder, and is loaded by the
code that loads any checkpoint. ``config`` holds its shape, ``build`` writes it, ``idefics3`` and ``internvl`` define its two architectures,
``text`` its tokenizer and chat template. The folder ``weights`` is the bundled model (``--model pocket``): an Idefics3 that
`empirical.pretraining` has trained to compare images.
"""

from empirical.vlm.pocket.build import build_pocket, random_pocket_path
from empirical.vlm.pocket.config import PocketConfig
from empirical.vlm.pocket.text import training_text

__all__ = ["PocketConfig", "build_pocket", "random_pocket_path", "training_text"]


def __dir__() -> list[str]:
    return sorted(__all__)
