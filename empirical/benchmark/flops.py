r"""Count of the FLOP of a finetuning step, for the model FLOP utilisation.

A multiplication with a matrix of :math:`P` weights costs :math:`2P` per token forward, :math:`2P` more backward where a gradient goes
through it, and :math:`2P` more where the matrix itself is trained. Attention over :math:`n` tokens costs :math:`4 n^2 d` per layer
forward (half of it where it is causal) and twice that backward. A frozen vision tower is counted forward only, and not
at all where its features are stored; the output layer at answer positions only; recomputation is not counted (gradient
checkpointing). Norms, softmax and element-wise work are left out, as is usual.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from empirical.benchmark.shapes import Shape

PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12}
"""Dense bfloat16 FLOP per second, from NVIDIA's data sheets (the SXM versions, without sparsity)."""


@dataclass(frozen=True)
class StepCost:
    """FLOP of a finetuning step with adapters on the language model."""

    vision: float
    language: float
    adapters: float
    head: float

    @property
    def total(self) -> float:
        """The sum of all parts."""
        return self.vision + self.language + self.adapters + self.head


def language_weights(shape: Shape) -> int:
    """Weights of the language model's linear layers, without embeddings and output layer; every token is multiplied by them."""
    head = shape.width // shape.heads
    attention = 2 * shape.width * shape.width + 2 * shape.width * shape.kv_heads * head
    return shape.layers * (attention + 3 * shape.width * shape.feed_forward)


def vision_weights(shape: Shape) -> int:
    """Weights of the vision tower's linear layers and merger per patch; the merger handles four patches at a time."""
    block = 4 * shape.vision_width**2 + 3 * shape.vision_width * shape.vision_feed_forward
    merger = (4 * shape.vision_width) ** 2 + 4 * shape.vision_width * shape.width
    patch = 2 * 3 * shape.patch**2 * shape.vision_width
    return shape.vision_layers * block + patch + merger // 4


def vision_forward(shape: Shape) -> float:
    """FLOP of one image's forward pass through the vision tower."""
    patches = (shape.image // shape.patch) ** 2
    window = min(patches, (shape.window // shape.patch) ** 2)
    seen = len(shape.whole) * patches + (shape.vision_layers - len(shape.whole)) * window
    return 2.0 * vision_weights(shape) * patches + 4.0 * patches * seen * shape.vision_width


def finetuning_step(shape: Shape, rows: int, tokens: int, images: int, answer: int, rank: int, stored: bool) -> StepCost:
    """FLOP of a step of LoRA on the language model's seven projections."""
    attention = shape.layers * 4.0 * tokens**2 * shape.width / 2
    language = 2 * 2.0 * language_weights(shape) * tokens + 3 * attention  # forward and back; attention's two products each go back twice
    head = shape.width // shape.heads
    ends = [(shape.width, shape.width)] * 2 + [(shape.width, shape.kv_heads * head)] * 2 + [(shape.width, shape.feed_forward)] * 3
    adapters = 6.0 * rank * sum(a + b for a, b in ends) * shape.layers * tokens
    output = 2 * 2.0 * shape.width * shape.vocabulary * (answer + 1)
    vision = 0.0 if stored else images * vision_forward(shape)
    return StepCost(rows * vision, rows * language, rows * adapters, rows * output)


def peak_of(device: str) -> float | None:
    """Peak of a device in bfloat16, FLOP per second; None where it is not in our table."""
    return next((peak for name, peak in PEAKS.items() if name in device), None)
