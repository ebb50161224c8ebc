"""The settings of a pretraining run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from empirical.pretraining.questions import KINDS, Difficulty
from empirical.pretraining.shapes import EDGE
from empirical.training.config import ScheduleConfig
from empirical.vlm.pocket.config import PocketConfig
from see_in_pairs.configs import MOST, Count, SeedNumber, StrictConfig, Threads
from see_in_pairs.errors import first_few

Nuisance = Literal["likeness", "edge", "contrast", "scene", "movement", "session"]


class HardnessConfig(StrictConfig):
    """From easy to hard. Without easy questions first, none of our trials learned to compare.

    A question of hardness h (0 to 1) has shapes of amplitude ``easiest ** (1 - h) * target ** h``, a background of strength
    ``faint + (1 - faint) * h``, and distracting shapes with probability h times `clutter`; likeness and edge go linearly from 1 and sharp
    to their values here, and so do contrast, scene, movement and session, from none. In every step hardness is drawn between 0 and its
    largest value so far, so that easy questions never stop altogether; the test asks at hardness 1. A nuisance with an entry in `begins`
    has a hardness of its own, which starts to rise later. In our trials several nuisances at once were not learned.

    Parameters
    ----------
    easiest, target : float
        Amplitude of shapes at hardness 0 and 1, in standard deviations of the background.
    faint : float
        Strength of the background at hardness 0.
    rise : float
        Share of the steps over which the largest hardness rises from 0 to 1.
    lean : float
        How draws lean towards the largest hardness: the largest times ``u ** (1 / lean)`` with uniform u, so 1 is uniform, and the mean
        is ``lean / (1 + lean)`` of the largest.
    likeness : float
        Correlation of the backgrounds of the two pictures in ``new`` and ``where`` at hardness 1; at hardness 0 they are the same.
    edge : float
        Width of the edges of shapes in ``mark``, ``new`` and ``where`` at hardness 1, in pixels; at hardness 0 they are sharp.
    clutter : float
        Probability of distracting shapes at hardness 1.
    contrast : float
        Smallest contrast of background and shapes at hardness 1, of 1; each question draws its own between that and 1.
    scene : float
        Standard deviation of the large soft shapes under both pictures at hardness 1, in standard deviations of the background.
    movement : float
        Standard deviation of the shift of each such shape between the two pictures at hardness 1, in pixels.
    session : float
        How much each picture's brightness and contrast vary at hardness 1, in multiples of `questions.SESSION`.
    begins : dict of str to float
        Share of the steps after which a nuisance (``likeness``, ``edge``, ``contrast``, ``scene``, ``movement``, ``session``) starts to
        grow by itself, each over `rise` of the steps.
    """

    easiest: float = Field(default=6.0, gt=0, le=1e3)
    target: float = Field(default=2.0, gt=0, le=1e3)
    faint: float = Field(default=0.2, ge=0, le=1)
    rise: float = Field(default=0.6, gt=0, le=1)
    lean: float = Field(default=1.0, gt=0, le=1e3)
    likeness: float = Field(default=1.0, ge=0, le=1)
    edge: float = Field(default=EDGE, ge=EDGE, le=64)
    clutter: float = Field(default=1.0, ge=0, le=1)
    contrast: float = Field(default=1.0, gt=0, le=1)
    scene: float = Field(default=0.0, ge=0, le=4)
    movement: float = Field(default=0.0, ge=0, le=64)
    session: float = Field(default=0.0, ge=0, le=10)
    begins: dict[Nuisance, Annotated[float, Field(ge=0, lt=1)]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _falls(self) -> HardnessConfig:
        if self.target > self.easiest:
            raise ValueError(f"target {self.target} is above easiest {self.easiest}; amplitudes fall")
        return self

    def draw(self, rng: np.random.Generator, done: float) -> Difficulty:
        """Draw how difficult a question of the training is, when a share `done` of the training is finished, from 0 to below 1."""
        hardness = min(1.0, done / self.rise) * rng.random() ** (1 / self.lean)
        own = {name: min(1.0, max(0.0, done - begin) / self.rise) * rng.random() ** (1 / self.lean) for name, begin in self.begins.items()}
        lowest = self.contrast ** own.get("contrast", hardness)
        drawn = 1.0 if self.contrast == 1 else rng.uniform(lowest, 1)  # no draw where none is needed: earlier pictures stay the same
        return replace(self.difficulty(hardness, own), contrast=drawn)

    def difficulty(self, hardness: float, own: Mapping[Nuisance, float] | None = None) -> Difficulty:
        """Translate a hardness, from 0 (easiest) to 1 (as the test asks), into the difficulty of a question's pictures.

        Parameters
        ----------
        hardness : float
            Of everything that has none of its own.
        own : mapping, optional
            The hardness of single nuisances.

        Returns
        -------
        Difficulty
            Amplitude, strength of the background, clutter and the nuisances.

        Examples
        --------
        >>> HardnessConfig().difficulty(1.0)  # doctest: +ELLIPSIS
        Difficulty(amplitude=2.0, background=1.0, clutter=1.0, likeness=1.0, edge=0.8, ...)
        """
        own = own or {}
        amplitude = self.easiest ** (1 - hardness) * self.target**hardness
        return Difficulty(
            amplitude,
            background=self.faint + (1 - self.faint) * hardness,
            clutter=self.clutter * hardness,
            likeness=1 - (1 - self.likeness) * own.get("likeness", hardness),
            edge=EDGE + (self.edge - EDGE) * own.get("edge", hardness),
            contrast=self.contrast ** own.get("contrast", hardness),
            scene=self.scene * own.get("scene", hardness),
            movement=self.movement * own.get("movement", hardness),
            session=self.session * own.get("session", hardness),
        )


class PretrainConfig(ScheduleConfig):
    """Everything that decides a pretraining run.

    Parameters
    ----------
    model : PocketConfig
        Architecture and size of the model, and seed of its first weights.
    start : str, optional
        A pocket model to start from (``pocket``, the bundled one, or a folder), instead of random weights; `model` is its shape.
    kinds : dict of str to float
        How often each kind of question is asked, relative to the others.
    hardness : HardnessConfig
        How questions go from easy to hard.
    flatten : float, optional
        Flatten the pictures before the model sees them (`empirical.vlm.flatten`). The setting is saved with the model.
    steps, batch_size : int
        Optimiser steps, and questions in each.
    learning_rate, warmup, weight_decay, adam_beta2, max_grad_norm : float
        AdamW with a cosine schedule; `warmup` is the share of steps with a rising rate.
    examine_every : int
        Steps between evaluations on new pictures, for the learning curves.
    questions : int
        Questions per kind and test in the final evaluation; a quarter of them in earlier ones.
    save_every : int
        Steps between checkpoints; a killed run continues from the last.
    saved_as : str
        Number format in which the finished weights are written; ``float16`` takes half the room.
    threads : int, optional
        CPU threads of torch; where it is fixed, results do not depend on the machine's number of cores.
    deterministic : bool
        Use kernels that give the same bits every time, so that a resumed run ends in the same weights on a GPU too; slower there.
    seed : int
        Decides pictures, questions and their order.
    """

    model: PocketConfig = PocketConfig()
    start: str | None = None
    kinds: dict[str, float] = Field(default_factory=lambda: dict.fromkeys(KINDS, 1.0))
    hardness: HardnessConfig = HardnessConfig()
    flatten: float | None = Field(default=None, gt=0, le=1)
    steps: Count = 8000
    batch_size: Count = 32
    learning_rate: float = Field(default=1e-3, gt=0, le=1e3)
    warmup: float = Field(default=0.05, ge=0, lt=1)
    weight_decay: float = Field(default=0.01, ge=0, le=1e3)
    adam_beta2: float = Field(default=0.99, gt=0, lt=1)
    max_grad_norm: float = Field(default=1.0, gt=0, le=1e9)
    examine_every: Count = 1000
    questions: int = Field(default=1000, ge=20, le=MOST)
    save_every: Count = 500
    saved_as: Literal["float32", "float16"] = "float32"
    threads: Threads | None = None
    seed: SeedNumber = 0

    @model_validator(mode="after")
    def _known(self) -> PretrainConfig:
        unknown = sorted(set(self.kinds) - set(KINDS))
        if unknown:
            raise ValueError(f"kinds: unknown {first_few(unknown)}; known: {', '.join(KINDS)}")
        if not self.kinds or min(self.kinds.values()) < 0 or not 1e-6 <= max(self.kinds.values()) <= 1e6:
            raise ValueError("kinds: give at least one kind of question a positive weight; no weight may be negative or above a million")
        return self
