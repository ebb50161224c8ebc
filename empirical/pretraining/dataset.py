"""Questions in a fixed order: each is made from its number alone, so nothing is stored and a resumed run is exact."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Literal

import numpy as np

from empirical.pretraining.config import PretrainConfig
from empirical.pretraining.questions import KINDS, Difficulty, Question, ask
from empirical.prompts.example import Example
from empirical.prompts.templates import PLACEHOLDER, Part

if TYPE_CHECKING:
    from PIL.Image import Image

TRAIN, TEST = 0, 1  # spawn keys: training and test draw from separate generators
CACHED = 512  # painted questions kept in memory: a batch asks for each two or three times

Test = Literal["pictures", "parameters", "wordings"]
TESTS: tuple[Test, ...] = ("pictures", "parameters", "wordings")
"""What is new in a test: the pictures only, also the parameters of their backgrounds, or also the wording of the question."""


@cache
def wordings() -> dict[str, dict[str, list[str]]]:
    """Read the ``train`` and ``held_out`` wordings of each kind of question."""
    import yaml

    return yaml.safe_load((resources.files("empirical.pretraining") / "wordings.yaml").read_text(encoding="utf-8"))


def parts_of(wording: str) -> tuple[Part, ...]:
    """Split a wording at the places of its pictures, in the order in which the model reads them.

    Examples
    --------
    >>> [part.kind for part in parts_of("First:{1}Second:{2}Which is brighter?")]
    ['text', 'reference', 'text', 'query', 'text']
    """
    split = PLACEHOLDER.split(wording)  # text, number of a picture, text, ...
    last = max(number for index, number in enumerate(split) if index % 2)  # the query stands last
    parts = []
    for index, text in enumerate(split):
        parts.append(Part("text", text) if index % 2 == 0 else Part("query" if text == last else "reference"))
    return tuple(part for part in parts if part.kind != "text" or part.text)


class QuestionDataset:
    """A map-style dataset of examples: question ``number`` is painted from the seed and its number."""

    def __init__(
        self,
        length: int,
        seed: tuple[int, ...],
        kinds: Mapping[str, float],
        difficulty: Callable[[int, np.random.Generator], Difficulty],
        size: int,
        test: Test | None = None,
    ) -> None:
        self.length, self.seed, self.difficulty, self.size, self.test = length, seed, difficulty, size, test
        self.names = list(kinds)
        self.shares = np.array(list(kinds.values()), dtype=float) / sum(kinds.values())
        self.draw = lru_cache(maxsize=CACHED)(self._draw)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, number: int) -> Example:
        if not 0 <= number < self.length:
            raise IndexError(number)
        question, wording = self.draw(number)
        pictures = tuple(f"{number}/{place}" for place in range(len(question.pictures)))
        return Example(str(number), parts_of(wording), pictures, question.answer, ())

    def image_of(self, name: str) -> Image:
        """Paint one picture."""
        from PIL import Image

        number, place = name.split("/")
        return Image.fromarray(self.draw(int(number))[0].pictures[int(place)]).convert("RGB")

    def _draw(self, number: int) -> tuple[Question, str]:
        rng = np.random.default_rng(np.random.SeedSequence(self.seed[0], spawn_key=(*self.seed[1:], number)))
        kind = str(rng.choice(self.names, p=self.shares))
        wording = str(rng.choice(wordings()[kind]["held_out" if self.test == "wordings" else "train"]))
        return ask(kind, rng, self.size, self.difficulty(number, rng), held_out=self.test == "parameters"), wording


def training_dataset(config: PretrainConfig) -> QuestionDataset:
    """All ``steps * batch_size`` questions of a training run, from easy to hard."""
    length = config.steps * config.batch_size

    def difficulty(number: int, rng: np.random.Generator) -> Difficulty:
        return config.hardness.draw(rng, number / length)

    return QuestionDataset(length, (config.seed, TRAIN), config.kinds, difficulty, config.model.image_size)


def test_dataset(config: PretrainConfig, kind: str, test: Test, length: int) -> QuestionDataset:
    """Questions of a test: one kind, at the full hardness; its pictures are never used in training."""

    def difficulty(number: int, rng: np.random.Generator) -> Difficulty:
        return config.hardness.difficulty(1.0)

    key = (config.seed, TEST, TESTS.index(test), list(KINDS).index(kind))
    return QuestionDataset(length, key, {kind: 1.0}, difficulty, config.model.image_size, test)
