"""Random pictures of given sizes, and prompts that show them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PIL import Image

from empirical.prompts.example import Example
from empirical.prompts.templates import Part, PromptConfig, prompt_text, render

WORDS = {"modality": "chest X-ray", "finding": "a nodule", "answers": "yes or no", "control": "healthy"}
FLOAT32 = 1e3 * np.finfo(np.float32).eps
"""A thousand roundings: how far two ways to a log-probability may differ in float32."""


def random_pictures(sizes: Mapping[str, tuple[int, int]]) -> dict[str, Image.Image]:
    """Pictures of independent pixels; sizes are (width, height)."""
    rng = np.random.default_rng(0)
    return {name: Image.fromarray(rng.integers(0, 255, (*reversed(size), 3), dtype=np.uint8)) for name, size in sizes.items()}


def example(query: str, *references: str, prompts: PromptConfig | None = None, more: str = "") -> Example:
    """A query with its references, in the wording of `prompts`; `more` is said at the end."""
    prompts = prompts or PromptConfig()
    parts = render(prompt_text(prompts.pair if references else prompts.single), WORDS, len(references))
    remaining = iter(references)
    images = tuple(query if part.kind == "query" else next(remaining) for part in parts if part.kind != "text")
    return Example(query, (*parts, *([Part("text", more)] if more else [])), images, "yes", references)
