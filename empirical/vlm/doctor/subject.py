"""The model under examination, with made-up pictures to show it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from empirical.arms import Example
from empirical.prompts import Part, PromptConfig, prompt_text, render
from empirical.vlm.encoding import Encoder, image_token
from empirical.vlm.loading import VisionLanguageModel

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from empirical.vlm.encoding import Batch

WORDS = {"modality": "chest X-ray", "finding": "a nodule", "answers": "yes or no", "control": "healthy"}
SIZES = {"square": (224, 224), "other": (224, 224), "wide": (240, 160), "tall": (160, 240), "large": (448, 448)}
ARMS = (("square",), ("square", "square"), ("square", "other"), ("square", "large"), ("square", "tall", "wide"))


def pictures() -> dict[str, Image]:
    """Make unlike pictures of unlike shapes; what they show does not matter, that they differ does.

    Returns
    -------
    dict of str to PIL.Image.Image
        RGB; the names say their shapes.
    """
    from PIL import Image

    rng = np.random.default_rng(0)
    coarse = {name: Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)) for name in SIZES}
    return {name: picture.resize(SIZES[name]) for name, picture in coarse.items()}


class Subject:
    """A model, its encoder and the prompts it will see.

    Parameters
    ----------
    vlm : VisionLanguageModel
        The loaded model.
    prompts : PromptConfig
        Wording and answers.
    """

    def __init__(self, vlm: VisionLanguageModel, prompts: PromptConfig) -> None:
        self.vlm, self.prompts = vlm, prompts
        self.encoder = Encoder(vlm.processor, vlm.family, pictures().__getitem__)

    def example(self, query: str, *references: str) -> Example:
        """Show a query as an arm would.

        Parameters
        ----------
        query : str
            Name of a picture.
        *references : str
            Names of pictures; none for the single image.

        Returns
        -------
        Example
            With the prompt that a run would use.
        """
        template = prompt_text(self.prompts.pair if references else self.prompts.single)
        parts: tuple[Part, ...] = render(template, WORDS, len(references))
        rest = iter(references)
        images = tuple(query if part.kind == "query" else next(rest) for part in parts if part.kind != "text")
        return Example(query, parts, images, self.prompts.positive, references)

    def encode(self, *examples: Example, side: str = "left") -> Batch:
        """Encode examples, on the model's device.

        Parameters
        ----------
        *examples : Example
            The rows.
        side : str, default 'left'
            Of the padding.

        Returns
        -------
        dict of str to torch.Tensor
            What the model takes.
        """
        from empirical.vlm.scoring import to_device

        return to_device(self.encoder.prompts(examples, side), self.vlm.model)

    def scores(self, *examples: Example, **options: Any) -> np.ndarray:
        """Score the closed set.

        Parameters
        ----------
        *examples : Example
            One batch.
        **options : object
            Passed to `answer_log_probabilities`.

        Returns
        -------
        ndarray of shape (examples, answers)
            Log-probabilities.
        """
        from empirical.vlm.scoring import answer_log_probabilities

        return answer_log_probabilities(self.vlm.model, self.encoder, examples, self.prompts.answers, **options)

    def image_tokens(self, ids: torch.Tensor) -> int:
        """Count image tokens.

        Parameters
        ----------
        ids : torch.Tensor
            Token ids.

        Returns
        -------
        int
            How many of them stand for a piece of an image.
        """
        return int((ids == image_token(self.vlm.model)).sum())

    @property
    def tolerance(self) -> float:
        """How far two ways to the same log-probability may lie apart, in nats.

        A thousand roundings in float32 (1e-4); 32 in the half formats, whose every layer rounds the residual stream anew (bfloat16:
        0.25). A wrong position or mask moves a random model's scores by 0.4 and more.
        """
        import torch

        format_ = self.vlm.model.dtype
        return (1e3 if format_ == torch.float32 else 32) * torch.finfo(format_).eps

    def compare(self, one: np.ndarray | Sequence[float], other: np.ndarray | Sequence[float]) -> tuple[bool, str]:
        """Compare two ways to the same log-probabilities.

        Parameters
        ----------
        one, other : array_like
            Of the same shape.

        Returns
        -------
        passed : bool
            Whether they agree within the `tolerance`.
        detail : str
            The largest difference.
        """
        gap = float(np.abs(np.asarray(one) - np.asarray(other)).max())
        return gap <= self.tolerance, f"largest difference {gap:.1e}, allowed {self.tolerance:.1e}"
