"""The model under examination, with made-up pictures to show it."""

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

WORDS = {"modality": "chest X-ray", "finding": "a nodule", "answers": "yes or no", "control": "healthy"}
SIZES = {"square": (224, 224), "other": (224, 224), "wide": (240, 160), "tall": (160, 240), "large": (448, 448)}
ARMS = (("square",), ("square", "square"), ("square", "other"), ("square", "large"), ("square", "tall", "wide"))


def pictures() -> dict[str, Image]:
    """Make unlike pictures of unlike shapes; what they show does not matter, that they differ does.

    Returns RGB; the names say their shapes.
    """
    from PIL import Image

    rng = np.random.default_rng(0)
    coarse = {name: Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)) for name in SIZES}
    return {name: picture.resize(SIZES[name]) for name, picture in coarse.items()}


class ModelUnderTest:
    """A model, its encoder and the prompts it will see."""

    def __init__(self, vlm: VisionLanguageModel, prompts: PromptConfig) -> None:
        self.vlm, self.prompts = vlm, prompts
        self._allowed: float | None = None  # in float32 arithmetic
        self.encoder = Encoder(vlm.processor, vlm.family, pictures().__getitem__)

    def example(self, query: str, *references: str) -> Example:
        """Show a query as an arm would.

        Returns with the prompt that a run would use.
        """
        template = prompt_text(self.prompts.pair if references else self.prompts.single)
        parts: tuple[Part, ...] = render(template, WORDS, len(references))
        rest = iter(references)
        images = tuple(query if part.kind == "query" else next(rest) for part in parts if part.kind != "text")
        return Example(query, parts, images, self.prompts.positive, references)

    def encode(self, *examples: Example, side: str = "left") -> Batch:
        """Encode examples, on the model's device."""
        from empirical.vlm.inference.scoring import to_device

        return to_device(self.encoder.prompts(examples, side), self.vlm.model)

    def scores(self, *examples: Example, **options: Any) -> np.ndarray:
        """Score the closed set.

        Returns (examples, answers): Log-probabilities.
        """
        from empirical.vlm.inference.scoring import answer_log_probabilities

        return answer_log_probabilities(self.vlm.model, self.encoder, examples, self.prompts.answers, **options)

    def image_tokens(self, ids: torch.Tensor) -> int:
        """Count image tokens.

        Returns how many of them stand for a piece of an image.
        """
        return int((ids == image_token(self.vlm.model)).sum())

    @property
    def half(self) -> bool:
        """Whether the weights are kept in a half format (bfloat16 or float16)."""
        import torch

        return self.vlm.model.dtype in (torch.bfloat16, torch.float16)

    @property
    def exact(self) -> bool:
        """Whether it computes in float32 arithmetic right now, see `in_float32`."""
        return self._allowed is not None

    @contextmanager
    def in_float32(self) -> Iterator[None]:
        """Compute in float32 for a while, with the weights as they are; see `float32_arithmetic`.

        Returns while it does; attention that knows half formats only is replaced by torch's own.
        """
        before, self._allowed = self._allowed, self._allowed_exactly()  # measured first: in there nothing is rounded to the half format
        try:
            with self._float32():
                yield
        finally:
            self._allowed = before

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
    def own_error(self) -> float:
        """What rounding does to this model: the plain path's largest error of a log-probability, in nats.

        In its half format, against float32 arithmetic on the same weights, over the whole vocabulary behind three unlike prompts. Large
        logits and layers that amplify make it large; padding, masks and positions, right or wrong, are the same in both and do not.
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
        r"""How far two ways to the same log-probability of a token may lie apart, in nats.

        Notes
        -----
        Two ways :math:`a, b` to a value :math:`t` are at most :math:`|a-t|+|b-t|` apart. In a half format :math:`|a-t|` is measured on
        the plain path (`own_error`, :math:`E`, the largest of thousands), and another way that is no worse stays within :math:`2E`: no
        constant would do, for a bfloat16 logit of 30 comes in steps of 0.125 already.

        In float32 arithmetic on weights in a half format, rounding errors shrink as the spacing of numbers does,
        :math:`\varepsilon_{32}/\varepsilon_{16}` (to first order they are proportional to it). But sums of products are rounded there at
        every term, in half formats (whose products are added up in float32) once: for ten thousand terms, whose errors go either way, a
        hundred times as much. So :math:`200\,E\,\varepsilon_{32}/\varepsilon_{16}`, and never less than what a model kept in float32
        is allowed: a thousand roundings, :math:`10^3\,\varepsilon_{32}` (1.2e-4).
        """
        return self._allowed if self._allowed is not None else 2 * self.own_error if self.half else self._allowed_exactly()

    def _allowed_exactly(self) -> float:
        import torch

        single = torch.finfo(torch.float32).eps
        condition = self.own_error / torch.finfo(self.vlm.model.dtype).eps if self.half else 0.0
        return max(1e3 * single, 200 * condition * single)

    def compare(self, one: np.ndarray | Sequence[float], other: np.ndarray | Sequence[float], tokens: int = 1) -> tuple[bool, str]:
        """Compare two ways to the same log-probabilities."""
        gap, allowed = float(np.abs(np.asarray(one) - np.asarray(other)).max()), tokens * self.tolerance
        return gap <= allowed, f"largest difference {gap:.1e}, allowed {allowed:.1e}"


def in_both_formats(check: Callable[[ModelUnderTest], tuple[bool, str]]) -> Callable[[ModelUnderTest], tuple[bool, str]]:
    """Run a comparison of two ways to a score on a model in a half format twice: in float32 arithmetic, and as the model computes.

    The first tells a wrong mask, position or feature, which moves a score by much more than float32 rounds, from rounding, however large
    that is in the half format; the second sees that the half format's own kernels do no worse than they do on the plain path.

    Returns the same; it passes where both do. On a model kept in float32, both are one.
    """

    @wraps(check)
    def checked(subject: ModelUnderTest) -> tuple[bool, str]:
        if not subject.half:
            return check(subject)
        with subject.in_float32():
            exact, detail = check(subject)
        rounded, more = check(subject)
        return exact and rounded, f"in float32 arithmetic {detail}; in {str(subject.vlm.model.dtype).removeprefix('torch.')} {more}"

    return checked
