"""The model that the doctor checks, with synthetic images and the tolerance for its scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any

import numpy as np

from empirical.prompts.example import Example
from empirical.prompts.templates import Part, PromptConfig, prompt_text, render
from empirical.vlm.config import VisionLanguageModel
from empirical.vlm.doctor.arithmetic import float32_arithmetic
from empirical.vlm.feature_cache.tower import base_of
from empirical.vlm.inference.encoder import Encoder, image_token

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from empirical.vlm.inference.encoder import Batch

Outcome = tuple[bool, str]
"""Whether a check passed, and its numbers."""

WORDS = {"modality": "chest X-ray", "finding": "a nodule", "answers": "yes or no", "control": "healthy"}
SIZES = {"square": (224, 224), "other": (224, 224), "wide": (240, 160), "tall": (160, 240), "large": (448, 448)}
ARMS = (("square",), ("square", "square"), ("square", "other"), ("square", "large"), ("square", "tall", "wide"))


def sample_images() -> dict[str, Image]:
    """Draw different RGB images, one of each of `SIZES`; their content does not matter."""
    from PIL import Image

    rng = np.random.default_rng(0)
    coarse = {name: Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)) for name in SIZES}
    return {name: image.resize(SIZES[name]) for name, image in coarse.items()}


class ModelUnderTest:
    """A model, its encoder and the prompts it will see."""

    def __init__(self, vlm: VisionLanguageModel, prompts: PromptConfig) -> None:
        self.vlm, self.prompts = vlm, prompts
        self._float32_tolerance: float | None = None  # true while it computes in float32 arithmetic
        self.encoder = Encoder(vlm.processor, vlm.family, sample_images().__getitem__)

    def example(self, query: str, *references: str) -> Example:
        """Show test images as an arm would, with the prompt that a run would use."""
        template = prompt_text(self.prompts.pair if references else self.prompts.single)
        parts: tuple[Part, ...] = render(template, WORDS, len(references))
        remaining = iter(references)
        images = tuple(query if part.kind == "query" else next(remaining) for part in parts if part.kind != "text")
        return Example(query, parts, images, self.prompts.positive, references)

    def encode(self, *examples: Example, side: str = "left") -> Batch:
        """Encode examples, on the model's device."""
        from empirical.vlm.inference.scoring import to_device

        return to_device(self.encoder.prompts(examples, side), self.vlm.model)

    def scores(self, *examples: Example, **options: Any) -> np.ndarray:
        """Return the log-probabilities of the answers, (examples, answers), in the plain way."""
        from empirical.vlm.inference.scoring import answer_log_probabilities

        return answer_log_probabilities(self.vlm.model, self.encoder, examples, self.prompts.answers, **options)

    def image_tokens(self, ids: torch.Tensor) -> int:
        """Count the image tokens among token ids."""
        return int((ids == image_token(self.vlm.model)).sum())

    @property
    def half_precision(self) -> bool:
        """Whether the weights are kept in bfloat16 or float16."""
        import torch

        return self.vlm.model.dtype in (torch.bfloat16, torch.float16)

    @property
    def computes_in_float32(self) -> bool:
        """Whether `in_float32` is active."""
        return self._float32_tolerance is not None

    @contextmanager
    def in_float32(self) -> Iterator[None]:
        """Compute in float32 inside the block, with unchanged weights; flash attention, which cannot, is replaced by torch's own."""
        # measure the tolerance first: inside the block nothing is rounded to the half format
        before, self._float32_tolerance = self._float32_tolerance, self._tolerance_in_float32()
        try:
            with self._float32():
                yield
        finally:
            self._float32_tolerance = before

    @contextmanager
    def _float32(self) -> Iterator[None]:
        model = base_of(self.vlm.model)
        chosen = model.config._attn_implementation
        replaced = str(chosen).startswith("flash")
        try:
            if replaced:
                model.set_attn_implementation("sdpa")
            with float32_arithmetic():
                yield
        finally:
            if replaced:
                model.set_attn_implementation(chosen)

    @cached_property
    def rounding_error(self) -> float:
        """Largest error, in nats, that the half format makes in a log-probability on the plain path.

        Measured against float32 arithmetic on the same weights, over the whole vocabulary behind three different prompts. Large logits and
        layers that amplify make it large. Padding, masks and positions, right or wrong, are the same in both and do not.
        """
        import torch

        from empirical.vlm.inference.scoring import next_token_log_probabilities

        rows = [self.example("square"), self.example("other", "wide"), self.example("tall", "square", "large")]
        with torch.inference_mode():
            rounded = next_token_log_probabilities(self.vlm.model, self.encoder, rows)
            with self._float32():
                exact = next_token_log_probabilities(self.vlm.model, self.encoder, rows)
        return float((rounded - exact).abs().max())

    @property
    def tolerance(self) -> float:
        r"""Largest allowed difference, in nats, of two ways to the log-probability of a token.

        Two ways :math:`a, b` to a value :math:`t` are at most :math:`|a-t|+|b-t|` apart. In a half format :math:`|a-t|` is measured on
        the plain path (`rounding_error`, :math:`E`, the largest of thousands), and another way that is no worse stays within :math:`2E`.
        No constant would work: a bfloat16 logit of 30 already has steps of 0.125.

        In float32 arithmetic on weights in a half format, rounding errors shrink as the spacing of numbers does,
        :math:`\varepsilon_{32}/\varepsilon_{16}` (to first order they are proportional to it). But sums of products are rounded there at
        every term, in half formats (whose products are added up in float32) once: for ten thousand terms, whose errors go either way, a
        hundred times as much. So :math:`200\,E\,\varepsilon_{32}/\varepsilon_{16}`, and never less than what a model kept in float32
        is allowed: a thousand roundings, :math:`10^3\,\varepsilon_{32}` (1.2e-4).
        """
        if self._float32_tolerance is not None:
            return self._float32_tolerance
        return 2 * self.rounding_error if self.half_precision else self._tolerance_in_float32()

    def _tolerance_in_float32(self) -> float:
        import torch

        single = torch.finfo(torch.float32).eps
        condition = self.rounding_error / torch.finfo(self.vlm.model.dtype).eps if self.half_precision else 0.0
        return max(1e3 * single, 200 * condition * single)

    def compare(self, one: np.ndarray | Sequence[float], other: np.ndarray | Sequence[float], tokens: int = 1) -> Outcome:
        """Compare two ways to the same log-probabilities, each a sum over the given number of tokens."""
        difference, allowed = float(np.abs(np.asarray(one) - np.asarray(other)).max()), tokens * self.tolerance
        return difference <= allowed, f"largest difference {difference:.1e}, allowed {allowed:.1e}"


def in_both_precisions(check: Callable[[ModelUnderTest], Outcome]) -> Callable[[ModelUnderTest], Outcome]:
    """Run a comparison of two ways to a score; for a model in a half format twice: in float32 arithmetic, and in its own format.

    A wrong mask, position or feature moves a score by much more than float32 rounding, so the first run tells it from rounding, however
    large that is in the half format. The second checks that the half format's own kernels are no worse than on the plain path.
    """

    @wraps(check)
    def checked(subject: ModelUnderTest) -> Outcome:
        if not subject.half_precision:
            return check(subject)
        with subject.in_float32():
            exact, detail = check(subject)
        rounded, more = check(subject)
        return exact and rounded, f"in float32 arithmetic {detail}; in {str(subject.vlm.model.dtype).removeprefix('torch.')} {more}"

    return checked
