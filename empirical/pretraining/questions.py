"""The kinds of question: each paints one or two pictures and knows the answer. The kinds, pictures and wordings are ours.

===========  ========  =============================================================================================
kind         pictures  the answer
===========  ========  =============================================================================================
defect       1         whether a regular background has a shape on it
count        1         how many shapes a faint background has on it
odd          1         where the one shape is that differs from the other three
same         2         whether both pictures are the same, up to noise
brighter     2         which is brighter on average; the backgrounds differ
new          2         whether the second has a shape that the first does not; the first may have one that the second does not
where        2         where that shape is
mark         1         whether an irregular background has a shape on it: what ``new`` asks, of the query alone
===========  ========  =============================================================================================

In ``same``, ``new`` and ``where`` both pictures have the same irregular background (in the last two: one more or less like it) and bear the
same other shapes. In ``new`` the second picture has the same distribution for both answers (if there are other shapes): alone it
tells nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from empirical.pretraining.backgrounds import IRREGULAR, REGULAR, Background, Scene
from empirical.pretraining.shapes import EDGE, OUTLINES, PlacedShape, scattered

CENTRES = {"north": (0.2, 0.5), "south": (0.8, 0.5), "east": (0.5, 0.8), "west": (0.5, 0.2)}
"""Where the four shapes of ``odd`` and the quarter of ``where`` lie, as shares of the side (row, column)."""

NUMBERS = ("one", "two", "three", "four")
CONTRAST = 0.08
"""Gray value of one standard deviation of the background, of a range of 1: the range is 12.5 of them."""

DEEPEST = 2.5
"""Standard deviations at which backgrounds are cut off, so that a shape is seen wherever it falls: gray values do not end before it."""

NOISE = 0.25
"""Standard deviation of each picture's own noise, in standard deviations of the background."""


SESSION = (0.04, 0.12)
"""Standard deviations of a picture's relative gain and of its offset, the latter in standard deviations of the background."""


@dataclass(frozen=True)
class Difficulty:
    """How difficult the pictures of a question are."""

    # how strongly shapes stand out, in standard deviations of a background of full strength. In ``brighter`` the means of the two pictures
    # differ by a quarter of it
    amplitude: float
    background: float = 1.0  # strength of the background, 1 for full
    clutter: float = 1.0  # probability that a comparison has to see past other shapes
    likeness: float = 1.0  # correlation of the backgrounds of the two pictures in ``new`` and ``where``; 1: the same background
    edge: float = EDGE  # width of the edges of shapes in ``mark``, ``new`` and ``where``, in pixels
    contrast: float = 1.0  # of background and shapes, in ``mark``, ``new``, ``where`` and ``same``, as the following
    scene: float = 0.0  # standard deviation of large soft shapes under the background, which two pictures share
    movement: float = 0.0  # standard deviation of the shift of those shapes between two pictures, in pixels
    session: float = 0.0  # how much brightness and contrast of each picture vary, in multiples of `SESSION`


@dataclass(frozen=True)
class Question:
    """Pictures, with a question of a kind and its answer.

    Shapes: `pictures` (size, size).
    """

    kind: str  # a key of `KINDS`
    pictures: tuple[np.ndarray, ...]
    answer: str  # the right one of the kind's answers
    swapped: str = ""  # the right answer when the two pictures change places; empty where there is none, or only one picture


@dataclass(frozen=True)
class Kind:
    """A kind of question."""

    answers: tuple[str, ...]  # the closed set; where there are two, the first is the one to detect
    # from (generator, side in pixels, difficulty, whether parameters are of the held-out band) to the question
    paint: Callable[[np.random.Generator, int, Difficulty, bool], Question]
    duplicate: str = ""  # the right answer when the second picture is the first one again; empty where there is none, or only one picture


def ask(kind: str, rng: np.random.Generator, size: int, difficulty: Difficulty, held_out: bool) -> Question:
    """Paint a question of a kind; every answer is equally likely."""
    return KINDS[kind].paint(rng, size, difficulty, held_out)


def _defect(rng: np.random.Generator, size: int, difficulty: Difficulty, held_out: bool) -> Question:
    background = _background(rng, size, difficulty, held_out, REGULAR)
    flawed = rng.random() < 0.5
    shapes = scattered(rng, size, 1, difficulty.amplitude) if flawed else []
    return Question("defect", (_picture(rng, background, shapes),), "yes" if flawed else "no")


def _mark(rng: np.random.Generator, size: int, difficulty: Difficulty, held_out: bool) -> Question:
    background, shapes, extra = _clutter(rng, size, replace(difficulty, clutter=0.0), held_out, difficulty.edge)
    shown = rng.random() < 0.5
    return Question("mark", _pictures(rng, difficulty, held_out, (background, [extra] if shown else shapes)), "yes" if shown else "no")


def _count(rng: np.random.Generator, size: int, difficulty: Difficulty, held_out: bool) -> Question:
    number = int(rng.integers(1, 5))
    # Faint, or the background's own spots would have to be counted.
    background = _background(rng, size, difficulty, held_out, IRREGULAR) / 3
    return Question("count", (_picture(rng, background, scattered(rng, size, number, difficulty.amplitude, "disk")),), NUMBERS[number - 1])


def _odd(rng: np.random.Generator, size: int, difficulty: Difficulty, held_out: bool) -> Question:
    usual, other = rng.choice(list(OUTLINES), 2, replace=False)
    answer = str(rng.choice(list(CENTRES)))
    sign, radius = rng.choice([-1.0, 1.0]), rng.uniform(0.09, 0.12) * size
    shapes = []
    for name, (row, column) in CENTRES.items():
        down, right = rng.uniform(-0.03, 0.03, 2) * size
        outline = str(other if name == answer else usual)
        shapes.append(PlacedShape(outline, row * size + down, column * size + right, radius, sign * difficulty.amplitude))
    return Question("odd", (_picture(rng, _background(rng, size, difficulty, held_out, IRREGULAR) / 3, shapes),), answer)


def _same(rng: np.random.Generator, size: int, difficulty: Difficulty, held_out: bool) -> Question:
    background, shapes, extra = _clutter(rng, size, difficulty, held_out)
    differs = rng.random() < 0.5
    still = replace(difficulty, movement=0.0, session=0.0)  # or no two pictures were the same
    pair = _pictures(rng, still, held_out, (background, [*shapes, extra] if differs else shapes), (background, shapes))
    one, other = rng.permutation(2)
    answer = "different" if differs else "same"
    return Question("same", (pair[one], pair[other]), answer, swapped=answer)


def _brighter(rng: np.random.Generator, size: int, difficulty: Difficulty, held_out: bool) -> Question:
    level, step = rng.uniform(-0.5, 0.5), difficulty.amplitude / 4
    first = rng.random() < 0.5
    levels = (level + step, level) if first else (level, level + step)
    pictures = tuple(_picture(rng, _background(rng, size, difficulty, held_out, REGULAR | IRREGULAR) / 2 + value, []) for value in levels)
    answer, other = ("first", "second") if first else ("second", "first")
    return Question("brighter", pictures, answer, swapped=other)


def _new(rng: np.random.Generator, size: int, difficulty: Difficulty, held_out: bool) -> Question:
    background, shapes, extra = _clutter(rng, size, difficulty, held_out, difficulty.edge)
    gained, loses = rng.random() < 0.5, rng.random() < 0.5
    if shapes:  # the second picture's shapes do not depend on the answer
        before, after = (shapes[1:] if gained else shapes) + ([extra] if loses else []), shapes
    else:
        before, after = ([extra] if loses and not gained else []), ([extra] if gained else [])
    loses = len(before) > len(after) or (bool(shapes) and loses)
    answer, back = ("yes" if gained else "no"), ("yes" if loses else "no")
    earlier = _related(rng, background, difficulty, held_out)
    return Question("new", _pictures(rng, difficulty, held_out, (earlier, before), (background, after)), answer, swapped=back)


def _where(rng: np.random.Generator, size: int, difficulty: Difficulty, held_out: bool) -> Question:
    background, shapes, extra = _clutter(rng, size, difficulty, held_out, difficulty.edge)
    earlier = _related(rng, background, difficulty, held_out)
    pictures = _pictures(rng, difficulty, held_out, (earlier, shapes), (background, [*shapes, extra]))
    return Question("where", pictures, _quarter(extra, size))


def _quarter(shape: PlacedShape, size: int) -> str:
    """Quarter of the picture, cut along its diagonals, in which a shape lies."""
    down, right = shape.row - size / 2, shape.column - size / 2
    if abs(down) > abs(right):
        return "south" if down > 0 else "north"
    return "east" if right > 0 else "west"


def _clutter(
    rng: np.random.Generator, size: int, difficulty: Difficulty, held_out: bool, edge: float = EDGE
) -> tuple[np.ndarray, list[PlacedShape], PlacedShape]:
    """An irregular background, up to three distracting shapes on it, and one more of the same kind that may decide the answer."""
    background = _background(rng, size, difficulty, held_out, IRREGULAR)
    others = int(rng.integers(1, 4)) if rng.random() < difficulty.clutter else 0
    *shapes, extra = scattered(rng, size, others + 1, difficulty.amplitude, edge=edge)
    return background, shapes, extra


def _background(rng: np.random.Generator, size: int, difficulty: Difficulty, held_out: bool, kinds: dict[str, Background]) -> np.ndarray:
    return difficulty.background * np.clip(kinds[str(rng.choice(list(kinds)))](rng, size, held_out), -DEEPEST, DEEPEST)


def _related(rng: np.random.Generator, background: np.ndarray, difficulty: Difficulty, held_out: bool) -> np.ndarray:
    """Paint a background similar to another, as the anatomy of two patients is similar (not two pictures of one patient)."""
    if difficulty.likeness == 1:
        return background
    other = _background(rng, len(background), difficulty, held_out, IRREGULAR)
    return difficulty.likeness * background + np.sqrt(1 - difficulty.likeness**2) * other


def _pictures(
    rng: np.random.Generator, difficulty: Difficulty, held_out: bool, *drawn: tuple[np.ndarray, list[PlacedShape]]
) -> tuple[np.ndarray, ...]:
    """Paint pictures of backgrounds with shapes over one scene, each in a session of its own."""
    size = len(drawn[0][0])
    scene = Scene.draw(rng, size, held_out) if difficulty.scene else None
    made = []
    for background, shapes in drawn:
        under = np.zeros_like(background) if scene is None else difficulty.scene * scene.moved(rng, difficulty.movement).paint(size)
        gain, offset = difficulty.session * np.array(SESSION) * rng.standard_normal(2) if difficulty.session else (0.0, 0.0)
        made.append(_picture(rng, background, shapes, difficulty.contrast, under, 1 + gain, offset))
    return tuple(made)


def _picture(
    rng: np.random.Generator,
    background: np.ndarray,
    shapes: list[PlacedShape],
    contrast: float = 1.0,
    under: np.ndarray | float = 0.0,
    gain: float = 1.0,
    offset: float = 0.0,
) -> np.ndarray:
    """Add shapes, what lies under them and noise to a background, and convert the sum to gray values of 0 to 255."""
    size = len(background)
    painted = sum((shape.paint(size) for shape in shapes), np.zeros_like(background))
    values = gain * (contrast * (background + painted) + under) + offset + NOISE * rng.standard_normal(background.shape)
    return np.round(255 * np.clip(0.5 + CONTRAST * values, 0, 1)).astype(np.uint8)


KINDS: dict[str, Kind] = {
    "defect": Kind(("yes", "no"), _defect),
    "count": Kind(NUMBERS, _count),
    "odd": Kind(tuple(CENTRES), _odd),
    "same": Kind(("different", "same"), _same, duplicate="same"),
    "brighter": Kind(("second", "first"), _brighter),
    "new": Kind(("yes", "no"), _new, duplicate="no"),
    "where": Kind(tuple(CENTRES), _where),
    "mark": Kind(("yes", "no"), _mark),  # later than `pocket`, so last: the place of a kind decides the pictures of its test
}
"""The kinds of question, by name."""
