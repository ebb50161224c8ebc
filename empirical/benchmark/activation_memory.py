"""Memory that a training step keeps for its backward pass, in closed form; a test compares it with what autograd saves."""

from __future__ import annotations

from empirical.benchmark.shapes import Shape

GIB = 2**30


def saved_by_layer(shape: Shape, rank: int = 16) -> int:
    """Bytes that a language layer with adapters keeps for each token, in bfloat16 with one byte an element for dropout masks, as on CUDA.

    Notes
    -----
    :math:`30d + 4k + 9f + 4h + 14r + 8`: of each of the seven adapters' inputs the dropped-out copy and its mask (3 bytes for
    :math:`6d + f`) and the narrow product (:math:`2r`); queries and what attention makes of them (:math:`4d`), keys and values
    (:math:`4k`), the softmax's logarithmic sums (:math:`4h`); gate, its activation and the other half (:math:`6f`); of two norms the
    input in float32 (:math:`8d`) and the inverse lengths (8).

    Examples
    --------
    >>> from empirical.benchmark.shapes import SHAPES
    >>> saved_by_layer(SHAPES["7b"])
    280408
    """
    head = shape.width // shape.heads
    return 30 * shape.width + 4 * shape.kv_heads * head + 9 * shape.feed_forward + 4 * shape.heads + 14 * rank + 8


def saved_by_step(shape: Shape, tokens: int, checkpointing: bool, rank: int = 16) -> float:
    """GiB that a step with this many tokens keeps for the language layers.

    Examples
    --------
    >>> from empirical.benchmark.shapes import SHAPES
    >>> [round(saved_by_step(SHAPES["7b"], 16 * 560, checkpointing), 1) for checkpointing in (False, True)]
    [65.5, 4.0]
    """
    layer = saved_by_layer(shape, rank)
    kept = shape.layers * 2 * shape.width + layer if checkpointing else shape.layers * layer
    return tokens * kept / GIB
