"""Random streams that belong to a cell, a block and a replicate, whatever else the design holds and whoever runs it.

A stream is ``SeedSequence(entropy, spawn_key)`` with the key

=====================================  ====================================================================
key                                    stream of
=====================================  ====================================================================
``(*cell, block)``                     a block, for vectorised pieces
``(*cell, block, replicate)``          a replicate: the child that the block's sequence would spawn
``(..., *method)``                     a method's own stream within either
=====================================  ====================================================================

where ``cell`` are the 64 bits of the cell's hash and ``method`` 64 bits of the hash of the method's name, as two 32-bit words each.
"""

from __future__ import annotations

import hashlib

import numpy as np

from theory.sweeps.execution.seed_words import Key


def words(digits: str) -> Key:
    """Split 16 hexadecimal digits into two 32-bit words.

    Returns two words; always two, so that keys of different things never coincide.

    Examples
    --------
    >>> words("0000000100000002")
    (1, 2)
    """
    return int(digits[:8], 16), int(digits[8:16], 16)


def block_key(cell: str, block: int, replicate: int | None = None) -> Key:
    """Give the key of a block's stream, or of one replicate's in it."""
    return (*words(cell), block) if replicate is None else (*words(cell), block, replicate)


def method_words(label: str) -> Key:
    """Give what a method's own stream adds to the key of the block or the replicate."""
    return words(hashlib.sha256(label.encode()).hexdigest())


def stream(entropy: int, key: Key) -> np.random.Generator:
    """Open a stream.

    Returns A fresh generator at the start of the stream.

    Examples
    --------
    >>> child = np.random.SeedSequence(7, spawn_key=block_key("00000001000000ff", 3)).spawn(6)[5]
    >>> stream(7, block_key("00000001000000ff", 3, 5)).random() == np.random.default_rng(child).random()
    True
    """
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy, spawn_key=key)))
