"""The kinds of question: each paints one or two pictures and knows the answer. The kinds, pictures and wordings are ours.

===========  ========  =============================================================================================
kind         pictures  the answer
===========  ========  =============================================================================================
defect       1         whether a regular ground bears a mark
count        1         how many marks a faint ground bears
odd          1         where the mark is that is unlike the other three
same         2         whether the second picture is the first one again, up to noise
brighter     2         which is brighter on the whole, grounds being unlike
new          2         whether the second bears a mark that the first does not; the first may bear one that the second lacks
where        2         where that mark is
===========  ========  =============================================================================================

In ``same``, ``new`` and ``where`` both pictures have the same irregular ground (in the last two: one more or less like it) and bear the
same other marks. In ``new`` the second
picture has the same law whatever the answer is (where there are other marks): alone it says nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from empirical.pretraining.backgrounds import IRREGULAR, REGULAR, Ground
from empirical.pretraining.shapes import EDGE, SHAPES, Mark, scattered

CENTRES = {"north": (0.2, 0.5), "south": (0.8, 0.5), "east": (0.5, 0.8), "west": (0.5, 0.2)}
"""Where the four marks of ``odd`` and the quarter of ``where`` lie, as shares of the side (row, column)."""

NUMBERS = ("one", "two", "three", "four")
CONTRAST = 0.08
"""Gray value of one standard deviation of the ground, of a range of 1: the range is 12.5 of them."""

DEEPEST = 2.5
"""Grounds are cut off at so many standard deviations, so that a mark is seen wherever it falls: the gray values do not end before it."""

NOISE = 0.25
"""Standard deviation of the noise that every picture has of its own, in standard deviations of the ground."""


@dataclass(frozen=True)
class Difficulty:
    """How hard the pictures of a question are to read."""

    # how strongly marks stand out, in standard deviations of a ground of full strength. In ``brighter`` the means of the two pictures
    # differ by a quarter of it
    amplitude: float
    ground: float = 1.0  # strength of the ground, 1 for full
    clutter: float = 1.0  # probability that a comparison has to see past other marks
    likeness: float = 1.0  # correlation of the grounds of the two pictures in ``new`` and ``where``; 1: the same ground
    edge: float = EDGE  # width of the edges of marks in ``new`` and ``where``, in pixels


@dataclass(frozen=True)
class Question:
    """Pictures, with a question of a kind and its answer.

    Shapes: `pictures` (size, size).
    """

    kind: str  # A key of `KINDS`
    pictures: tuple[np.ndarray, ...]
    answer: str  # the right one of the kind's answers
    swapped: str = ""  # the right answer when the two pictures change places; empty where there is none, or only one picture


@dataclass(frozen=True)
class Kind:
    """A kind of question."""

    answers: tuple[str, ...]  # the closed set; where there are two, the first is the one to detect
    # from (generator, side in pixels, look, whether parameters are of the held-out band) to the question
    paint: Callable[[np.random.Generator, int, Difficulty, bool], Question]
    duplicate: str = ""  # the right answer when the second picture is the first one again; empty where there is none, or only one picture


def ask(kind: str, rng: np.random.Generator, size: int, look: Difficulty, held_out: bool) -> Question:
    """Paint a question.

    Returns with its answer; every answer of the kind is equally likely.
    """
    return KINDS[kind].paint(rng, size, look, held_out)


def _defect(rng: np.random.Generator, size: int, look: Difficulty, held_out: bool) -> Question:
    ground = _ground(rng, size, look, held_out, REGULAR)
    flawed = rng.random() < 0.5
    marks = scattered(rng, size, 1, look.amplitude) if flawed else []
    return Question("defect", (_picture(rng, ground, marks),), "yes" if flawed else "no")


def _count(rng: np.random.Generator, size: int, look: Difficulty, held_out: bool) -> Question:
    number = int(rng.integers(1, 5))
    ground = _ground(rng, size, look, held_out, IRREGULAR) / 3  # faint, or the ground's own spots would have to be counted
    return Question("count", (_picture(rng, ground, scattered(rng, size, number, look.amplitude, "disk")),), NUMBERS[number - 1])


def _odd(rng: np.random.Generator, size: int, look: Difficulty, held_out: bool) -> Question:
    usual, other = rng.choice(list(SHAPES), 2, replace=False)
    answer = str(rng.choice(list(CENTRES)))
    sign, radius = rng.choice([-1.0, 1.0]), rng.uniform(0.09, 0.12) * size
    marks = []
    for name, (row, column) in CENTRES.items():
        down, right = rng.uniform(-0.03, 0.03, 2) * size
        marks.append(Mark(str(other if name == answer else usual), row * size + down, column * size + right, radius, sign * look.amplitude))
    return Question("odd", (_picture(rng, _ground(rng, size, look, held_out, IRREGULAR) / 3, marks),), answer)


def _same(rng: np.random.Generator, size: int, look: Difficulty, held_out: bool) -> Question:
    ground, marks, extra = _clutter(rng, size, look, held_out)
    differs = rng.random() < 0.5
    pair = [_picture(rng, ground, [*marks, extra] if differs else marks), _picture(rng, ground, marks)]
    one, other = rng.permutation(2)
    answer = "different" if differs else "same"
    return Question("same", (pair[one], pair[other]), answer, swapped=answer)


def _brighter(rng: np.random.Generator, size: int, look: Difficulty, held_out: bool) -> Question:
    level, step = rng.uniform(-0.5, 0.5), look.amplitude / 4
    first = rng.random() < 0.5
    levels = (level + step, level) if first else (level, level + step)
    pictures = tuple(_picture(rng, _ground(rng, size, look, held_out, REGULAR | IRREGULAR) / 2 + value, []) for value in levels)
    answer, other = ("first", "second") if first else ("second", "first")
    return Question("brighter", pictures, answer, swapped=other)


def _new(rng: np.random.Generator, size: int, look: Difficulty, held_out: bool) -> Question:
    ground, marks, extra = _clutter(rng, size, look, held_out, look.edge)
    gained, loses = rng.random() < 0.5, rng.random() < 0.5
    if marks:  # the second picture's marks do not depend on the answer
        before, after = (marks[1:] if gained else marks) + ([extra] if loses else []), marks
    else:
        before, after = ([extra] if loses and not gained else []), ([extra] if gained else [])
    loses = len(before) > len(after) or (bool(marks) and loses)
    answer, back = ("yes" if gained else "no"), ("yes" if loses else "no")
    earlier = _related(rng, ground, look, held_out)
    return Question("new", (_picture(rng, earlier, before), _picture(rng, ground, after)), answer, swapped=back)


def _where(rng: np.random.Generator, size: int, look: Difficulty, held_out: bool) -> Question:
    ground, marks, extra = _clutter(rng, size, look, held_out, look.edge)
    earlier = _related(rng, ground, look, held_out)
    return Question("where", (_picture(rng, earlier, marks), _picture(rng, ground, [*marks, extra])), _quarter(extra, size))


def _quarter(mark: Mark, size: int) -> str:
    """Say in which quarter of the picture, cut along its diagonals, a mark lies."""
    down, right = mark.row - size / 2, mark.column - size / 2
    if abs(down) > abs(right):
        return "south" if down > 0 else "north"
    return "east" if right > 0 else "west"


def _clutter(
    rng: np.random.Generator, size: int, look: Difficulty, held_out: bool, edge: float = EDGE
) -> tuple[np.ndarray, list[Mark], Mark]:
    """Give a ground that does not repeat itself, one to three marks on it that say nothing (or none), and one more of the same kind."""
    ground = _ground(rng, size, look, held_out, IRREGULAR)
    others = int(rng.integers(1, 4)) if rng.random() < look.clutter else 0
    *marks, extra = scattered(rng, size, others + 1, look.amplitude, edge=edge)
    return ground, marks, extra


def _ground(rng: np.random.Generator, size: int, look: Difficulty, held_out: bool, kinds: dict[str, Ground]) -> np.ndarray:
    return look.ground * np.clip(kinds[str(rng.choice(list(kinds)))](rng, size, held_out), -DEEPEST, DEEPEST)


def _related(rng: np.random.Generator, ground: np.ndarray, look: Difficulty, held_out: bool) -> np.ndarray:
    """Paint a ground that is like another: as two patients' anatomy is, not as two pictures of one."""
    if look.likeness == 1:
        return ground
    return look.likeness * ground + np.sqrt(1 - look.likeness**2) * _ground(rng, len(ground), look, held_out, IRREGULAR)


def _picture(rng: np.random.Generator, ground: np.ndarray, marks: list[Mark]) -> np.ndarray:
    """Add marks and noise to a ground, and turn the sum to gray values of 0 to 255."""
    size = len(ground)
    values = ground + sum((mark.paint(size) for mark in marks), np.zeros_like(ground)) + NOISE * rng.standard_normal(ground.shape)
    return np.round(255 * np.clip(0.5 + CONTRAST * values, 0, 1)).astype(np.uint8)


KINDS: dict[str, Kind] = {
    "defect": Kind(("yes", "no"), _defect),
    "count": Kind(NUMBERS, _count),
    "odd": Kind(tuple(CENTRES), _odd),
    "same": Kind(("different", "same"), _same, duplicate="same"),
    "brighter": Kind(("second", "first"), _brighter),
    "new": Kind(("yes", "no"), _new, duplicate="no"),
    "where": Kind(tuple(CENTRES), _where),
}
"""The kinds of question, by name."""
