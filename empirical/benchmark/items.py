"""Examples of a benchmark: queries beside a few references that they share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from empirical.prompts.example import Example
from empirical.prompts.templates import PromptConfig, prompt_text, render

if TYPE_CHECKING:
    from PIL.Image import Image

WORDS = {"modality": "chest X-ray", "finding": "a nodule", "answers": "yes or no", "control": "healthy"}


@dataclass(frozen=True)
class Items:
    """Queries with shared references, and their pictures: noise, since speed does not depend on the content."""

    queries: int
    references: int
    side: int  # of the square pictures, in pixels
    seed: int = 0
    prompts: PromptConfig = field(default_factory=PromptConfig)

    def examples(self) -> list[Example]:
        """Examples of each query beside a reference, the references taken in turn."""
        parts = render(prompt_text(self.prompts.pair), WORDS, 1)
        answers = self.prompts.answers
        pairs = [(f"query-{number}", f"reference-{number % self.references}", answers[number % 2]) for number in range(self.queries)]
        return [Example(query, parts, (reference, query), answer, (reference,)) for query, reference, answer in pairs]

    def picture(self, name: str) -> Image:
        """Paint a picture; the same call gives the same picture."""
        from PIL import Image

        kind, _, number = name.partition("-")
        rng = np.random.default_rng([self.seed, kind == "query", int(number)])
        coarse = Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8))
        return coarse.resize((self.side, self.side))
