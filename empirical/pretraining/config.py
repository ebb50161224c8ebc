"""The settings of a pretraining run."""

from __future__ import annotations

import numpy as np
from pydantic import Field, model_validator

from empirical.pretraining.questions import KINDS, Difficulty
from empirical.pretraining.shapes import EDGE
from empirical.training.config import ScheduleConfig
from empirical.vlm.pocket.config import PocketConfig
from see_in_pairs.configs import MOST, Count, SeedNumber, StrictConfig, Threads
from see_in_pairs.errors import first_few


class HardnessConfig(StrictConfig):
    """From easy to hard. Without easy questions first, none of our trials learned to compare.

    A question of hardness h (0 to 1) has shapes of amplitude ``easiest ** (1 - h) * target ** h``, a background of strength
    ``faint + (1 - faint) * h``, and distracting shapes with probability h; likeness and edge go linearly from 1 and sharp to their values
    here. In every step hardness is drawn between 0 and its largest value so far, so that easy questions never stop altogether; the test
    asks at hardness 1.

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
        Width of the edges of shapes in ``new`` and ``where`` at hardness 1, in pixels; at hardness 0 they are sharp.
    """

    easiest: float = Field(default=6.0, gt=0, le=1e3)
    target: float = Field(default=2.0, gt=0, le=1e3)
    faint: float = Field(default=0.2, ge=0, le=1)
    rise: float = Field(default=0.6, gt=0, le=1)
    lean: float = Field(default=1.0, gt=0, le=1e3)
    likeness: float = Field(default=1.0, ge=0, le=1)
    edge: float = Field(default=EDGE, ge=EDGE, le=64)

    @model_validator(mode="after")
    def _falls(self) -> HardnessConfig:
        if self.target > self.easiest:
            raise ValueError(f"target {self.target} is above easiest {self.easiest}; amplitudes fall")
        return self

    def draw(self, rng: np.random.Generator, done: float) -> float:
        """Draw how hard a question of the training is.

        Parameters
        ----------
        rng : numpy.random.Generator
            Generator of the question.
        done : float
            Share of the training that is finished, in [0, 1).

        Returns
        -------
        float
            The hardness, from 0 to 1.
        """
        return min(1.0, done / self.rise) * rng.random() ** (1 / self.lean)

    def difficulty(self, hardness: float) -> Difficulty:
        """Translate a hardness into the difficulty of a question's pictures.

        Parameters
        ----------
        hardness : float
            From 0 (easiest) to 1 (as the test asks).

        Returns
        -------
        Difficulty
            Amplitude, strength of the background, clutter, likeness and edge.

        Examples
        --------
        >>> HardnessConfig().difficulty(1.0)
        Difficulty(amplitude=2.0, background=1.0, clutter=1.0, likeness=1.0, edge=0.8)
        """
        amplitude = self.easiest ** (1 - hardness) * self.target**hardness
        likeness, edge = 1 - (1 - self.likeness) * hardness, EDGE + (self.edge - EDGE) * hardness
        return Difficulty(amplitude, self.faint + (1 - self.faint) * hardness, hardness, likeness, edge)


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
