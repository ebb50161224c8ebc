r"""The states of many of numpy's seed sequences at once: the same words, a tenth of the time.

A replicate's generator is seeded by ``SeedSequence(entropy, spawn_key=(*key, replicate, *tail))``. To make these one by one costs as
much as a small data set; here the mixing (O'Neill's ``seed_seq_fe``, which numpy promises to keep) is done for a whole block in arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random.bit_generator import ISpawnableSeedSequence
from numpy.typing import NDArray

Key = tuple[int, ...]
Word = Any
"""A 32-bit word, as an int or as an array of one per replicate."""

INIT_A, MULT_A, INIT_B, MULT_B = 0x43B0D7E5, 0x931E8875, 0x8B51F9DD, 0x58F38DED
MIX_LEFT, MIX_RIGHT, SHIFT, POOL = 0xCA01F9DD, 0x4973F715, 16, 4
MASK = 0xFFFFFFFF


class Seed(ISpawnableSeedSequence):
    """A seed sequence whose first words are known; the rest is asked of numpy's own.

    Shapes: `words` (4,).
    """

    __slots__ = ("_full", "entropy", "key", "number", "tail", "words")

    def __init__(self, words: NDArray[np.uint64], entropy: int, key: Key, number: int, tail: Key) -> None:
        self.words, self.entropy, self.key, self.number, self.tail = words, entropy, key, number, tail
        self._full: np.random.SeedSequence | None = None

    @property
    def spawn_key(self) -> Key:
        """As of `numpy.random.SeedSequence`."""
        return (*self.key, self.number, *self.tail)

    @property
    def full(self) -> np.random.SeedSequence:
        """Numpy's own sequence."""
        if self._full is None:
            self._full = np.random.SeedSequence(self.entropy, spawn_key=self.spawn_key)
        return self._full

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> NDArray[Any]:
        """Give words to seed a generator with.

        Returns (n_words,): The words.
        """
        return self.words if n_words == 4 and dtype is np.uint64 else self.full.generate_state(n_words, dtype)

    def spawn(self, n_children: int) -> list[np.random.SeedSequence]:  # type: ignore[override]
        """Spawn children.

        Returns new ones at each call.
        """
        return self.full.spawn(n_children)


def generator_of(seed: np.random.SeedSequence | Seed) -> np.random.Generator:
    """Open the stream of a seed sequence."""
    return np.random.Generator(np.random.PCG64(seed))  # type: ignore[arg-type]


def seeds(entropy: int, key: Key, count: int, tail: Key = ()) -> list[Seed]:
    """Make the seed sequences of the first replicates of a block.

    Returns the i-th is ``SeedSequence(entropy, spawn_key=(*key, i, *tail))``.

    Examples
    --------
    >>> numpys = np.random.SeedSequence(5, spawn_key=(1, 2, 7)).generate_state(4, np.uint64)
    >>> bool((seeds(5, (1, 2), 8)[7].generate_state(4, np.uint64) == numpys).all())
    True
    """
    words = _words(entropy)
    words += [0] * (POOL - len(words))  # as numpy pads where there is a spawn key
    key, tail = tuple(map(int, key)), tuple(map(int, tail))
    each = np.arange(count, dtype=np.uint32)
    states = _state(_pool([*words, *key, each, *tail]), count)
    return [Seed(state, entropy, key, number, tail) for number, state in enumerate(states)]


def _words(number: int) -> list[int]:
    found = [number & MASK]
    while number := number >> 32:
        found.append(number & MASK)
    return found


def _pool(words: list[Word]) -> list[Word]:
    """Mix all words into four."""
    hashed = _Hash(INIT_A, MULT_A)
    pool = [hashed(word) for word in words[:POOL]]
    for source in range(POOL):
        for target in range(POOL):
            if source != target:
                pool[target] = _mix(pool[target], hashed(pool[source]))
    for word in words[POOL:]:
        pool = [_mix(mixed, hashed(word)) for mixed in pool]
    return pool


def _state(pool: list[Word], count: int) -> NDArray[np.uint64]:
    hashed = _Hash(INIT_B, MULT_B)
    words = np.empty((count, 2 * POOL), dtype="<u4")
    for number in range(2 * POOL):
        words[:, number] = hashed(pool[number % POOL])
    return words.view("<u8").astype(np.uint64, copy=False)


class _Hash:
    """numpy's ``hashmix``, whose constant moves on with every call."""

    def __init__(self, constant: int, multiplier: int) -> None:
        self.constant, self.multiplier = constant, multiplier

    def __call__(self, word: Word) -> Word:
        word = _xor(word, self.constant)
        self.constant = self.constant * self.multiplier & MASK
        word = _times(word, self.constant)
        return word ^ (word >> SHIFT)


def _mix(left: Word, right: Word) -> Word:
    mixed = _minus(_times(left, MIX_LEFT), _times(right, MIX_RIGHT))
    return mixed ^ (mixed >> SHIFT)


def _xor(word: Word, constant: int) -> Word:
    return word ^ constant if isinstance(word, int) else word ^ np.uint32(constant)


def _times(word: Word, constant: int) -> Word:
    return word * constant & MASK if isinstance(word, int) else word * np.uint32(constant)


def _minus(left: Word, right: Word) -> Word:
    if isinstance(left, int) and isinstance(right, int):
        return left - right & MASK
    return np.asarray(left, np.uint32) - np.asarray(right, np.uint32)
