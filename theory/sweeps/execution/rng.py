"""Random streams that depend only on cell, block and replicate, not on the rest of the design or the worker.

A stream is ``numpy.random.SeedSequence(entropy, spawn_key=key)`` with the key

=====================================  ====================================================================
key                                    stream of
=====================================  ====================================================================
``(*cell, block)``                     a block, for vectorised pieces
``(*cell, block, replicate)``          a replicate: the child that the block's sequence would spawn
``(..., *method)``                     a method's own stream within either
=====================================  ====================================================================

where ``cell`` are the 64 bits of the cell's hash and ``method`` 64 bits of the hash of the method's name, as two 32-bit words each.

`seeds` computes numpy's words for all replicates of a block at once. One numpy object each would cost too much: 1.4 ms of processor time
for 100 replicates, against 0.25 ms here, while the engine may add 0.6 ms to a block of 20 ms (tests/benchmarks/test_sweeps.py, where
numpy's objects add 1.7 times as much in all). The words equal numpy's to the last bit; a test compares them for arbitrary keys.
"""

from __future__ import annotations

import functools
import hashlib
from typing import Any

import numpy as np
from numpy.random.bit_generator import ISpawnableSeedSequence
from numpy.typing import NDArray

Key = tuple[int, ...]
Words = NDArray[np.uint32]

# of numpy/random/bit_generator.pyx, O'Neill's seed_seq_fe, whose results numpy promises to keep
INIT_A, MULT_A, INIT_B, MULT_B = 0x43B0D7E5, 0x931E8875, 0x8B51F9DD, 0x58F38DED
MIX_LEFT, MIX_RIGHT, SHIFT, POOL = np.uint32(0xCA01F9DD), np.uint32(0x4973F715), np.uint32(16), 4
MASK = 0xFFFFFFFF


def words(digits: str) -> Key:
    """Split 16 hexadecimal digits into two 32-bit words: always two, so that keys of different things never coincide.

    Examples
    --------
    >>> words("0000000100000002")
    (1, 2)
    """
    return int(digits[:8], 16), int(digits[8:16], 16)


def block_key(cell: str, block: int, replicate: int | None = None) -> Key:
    """Spawn key of a block's stream, or of one replicate's in it."""
    return (*words(cell), block) if replicate is None else (*words(cell), block, replicate)


def method_words(label: str) -> Key:
    """The part that a method's own stream adds to the key of the block or the replicate."""
    return words(hashlib.sha256(label.encode()).hexdigest())


def stream(entropy: int, key: Key) -> np.random.Generator:
    """Open a stream at its start.

    Examples
    --------
    >>> child = np.random.SeedSequence(7, spawn_key=block_key("00000001000000ff", 3)).spawn(6)[5]
    >>> stream(7, block_key("00000001000000ff", 3, 5)).random() == np.random.default_rng(child).random()
    True
    """
    return generator_of(np.random.SeedSequence(entropy, spawn_key=key))


class BlockSeed(ISpawnableSeedSequence):
    """A seed sequence with known first four words, which are enough for a generator; the rest comes from numpy's own."""

    def __init__(self, state: NDArray[np.uint64], entropy: int, spawn_key: Key) -> None:
        self.state, self.entropy, self.spawn_key = state, entropy, spawn_key

    @functools.cached_property
    def full(self) -> np.random.SeedSequence:
        """Numpy's own sequence."""
        return np.random.SeedSequence(self.entropy, spawn_key=self.spawn_key)

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> NDArray[Any]:
        """Words to seed a generator with, shape (n_words,)."""
        return self.state if n_words == 4 and dtype is np.uint64 else self.full.generate_state(n_words, dtype)

    def spawn(self, n_children: int) -> list[np.random.SeedSequence]:  # type: ignore[override]
        """Spawn children, new ones at each call."""
        return self.full.spawn(n_children)


def generator_of(seed: np.random.SeedSequence | BlockSeed) -> np.random.Generator:
    """Open the stream of a seed sequence."""
    return np.random.Generator(np.random.PCG64(seed))  # type: ignore[arg-type]


def seeds(entropy: int, key: Key, count: int, tail: Key = ()) -> list[BlockSeed]:
    """Seed sequences of the first replicates of a block: the i-th is ``SeedSequence(entropy, spawn_key=(*key, i, *tail))``.

    Examples
    --------
    >>> numpys = np.random.SeedSequence(5, spawn_key=(1, 2, 7)).generate_state(4, np.uint64)
    >>> bool((seeds(5, (1, 2), 8)[7].generate_state(4, np.uint64) == numpys).all())
    True
    """
    seed = [entropy >> shift & MASK for shift in range(0, max(entropy.bit_length(), 1), 32)]
    seed += [0] * (POOL - len(seed))  # as numpy pads where there is a spawn key
    mixed = np.empty((len(seed) + len(key) + 1 + len(tail), count), np.uint32)
    mixed[:] = np.array([*seed, *key, 0, *tail], np.uint32)[:, None]
    mixed[len(seed) + len(key)] = np.arange(count)
    return [BlockSeed(state, entropy, (*key, number, *tail)) for number, state in enumerate(_states(mixed))]


def _states(entropy: Words) -> NDArray[np.uint64]:
    """Seed words from entropy words, one column per replicate: shape (words, replicates) to (replicates, 4)."""
    constants = _constants(INIT_A, MULT_A, POOL * len(entropy))
    pool = _hash(entropy[:POOL], constants[: POOL + 1])
    for source in range(POOL):
        # this word is mixed into every other word of the pool, each time with another constant
        others, start = [target for target in range(POOL) if target != source], POOL + source * (POOL - 1)
        pool[others] = _mix(pool[others], _hash(pool[source], constants[start : start + POOL]))
    for number, word in enumerate(entropy[POOL:], start=POOL):
        pool = _mix(pool, _hash(word, constants[number * POOL : (number + 1) * POOL + 1]))
    state = _hash(np.concatenate([pool, pool]), _constants(INIT_B, MULT_B, 2 * POOL))
    return np.ascontiguousarray(state.T, dtype="<u4").view("<u8").astype(np.uint64, copy=False)


@functools.lru_cache(maxsize=16)
def _constants(first: int, multiplier: int, calls: int) -> Words:
    """The constant of numpy's ``hashmix``, which moves on with every call: shape (calls + 1, 1)."""
    found = [first]
    for _ in range(calls):
        found.append(found[-1] * multiplier & MASK)
    return np.array(found, np.uint32)[:, None]


def _hash(value: Words, constants: Words) -> Words:
    """Numpy's ``hashmix``, once per row; a single row is hashed under each constant."""
    hashed = (value ^ constants[:-1]) * constants[1:]
    return hashed ^ (hashed >> SHIFT)


def _mix(left: Words, right: Words) -> Words:
    """Numpy's ``mix``."""
    mixed = left * MIX_LEFT - right * MIX_RIGHT
    return mixed ^ (mixed >> SHIFT)
