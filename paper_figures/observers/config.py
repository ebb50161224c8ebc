"""The settings of a ladder of observers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from empirical.references.config import ReferenceConfig
from empirical.vlm.config import ModelConfig
from see_in_pairs.configs import StrictConfig


class ChannelConfig(StrictConfig):
    """The channels through which an image is seen.

    Parameters
    ----------
    kind : str
        ``'laguerre_gauss'``, ``'gabor'`` or ``'difference_of_gaussians'``.
    number : int
        Number of Laguerre-Gauss channels; for the others, number of bands, an octave apart.
    width : float
        Width of the Laguerre-Gauss channels, or the wavelength of the finest band, in pixels.
    side : int
        Side of the square that a channel is laid on, in pixels; odd.
    size : int, optional
        Side in pixels to which images are scaled first; phantoms keep their own.
    """

    kind: Literal["laguerre_gauss", "gabor", "difference_of_gaussians"] = "laguerre_gauss"
    number: int = Field(default=6, ge=1, le=40)
    width: float = Field(default=12.0, gt=0, le=512)
    side: int = Field(default=41, ge=3, le=513)
    size: int | None = Field(default=None, ge=16, le=1024)

    @field_validator("side")
    @classmethod
    def _has_a_middle(cls, side: int) -> int:
        if side % 2 == 0:
            raise ValueError(f"must be odd, so that a channel has a middle: {side + 1}, say")
        return side


class AnswersConfig(StrictConfig):
    """Ideal observers of the questions of a phantom with several findings.

    Parameters
    ----------
    rho : list of float
        Correlations of query and relative, 0 to below 1; not read where the phantom's components are shared unequally.
    replicates : int
        Simulated patients of each question and correlation.
    """

    rho: Annotated[
        list[Annotated[float, Field(ge=0, lt=1)]],
        Field(min_length=1, default_factory=lambda: [0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95]),
    ]
    replicates: int = Field(default=150_000, ge=1000, le=10**7)


class ObserversConfig(StrictConfig):
    """Which observers learn from a cohort, through which channels, from how many patients.

    Parameters
    ----------
    channels : ChannelConfig
        What the channelised observers see.
    observers : list of str
        Any of ``'single'``, ``'difference'`` and ``'joint'`` (both images).
    place : str
        ``'known'``: the observer knows where the lesion would be; ``'scan'``: it searches all places. By default as in the phantom.
    centre : tuple of float, optional
        Row and column of the known place, as shares of the image's side; by default the phantom's, or the middle.
    scanned : int
        Places that a scanning observer looks at, on a grid (of a phantom: evenly taken from its own).
    references : ReferenceConfig
        Which healthy image is the reference of each query.
    train_patients : list of int
        Numbers of training patients, half of them diseased as far as the cohort allows.
    trainings : int
        Samples of training patients of each number.
    features : ModelConfig, optional
        A model whose frozen vision features are the input of a linear observer, with Ledoit and Wolf's shrinkage.
    strategies : dict of str to ReferenceConfig
        Named ways to choose references. If any are given, they are compared on a cohort of inserted lesions (``cohort insert``), at the
        place of each lesion, instead of the ladder; `references`, `place`, `centre`, `train_patients` and `study` are then not read.
    control_rho : float
        Strategies: correlation with the query of a made reference, part own healthy image, part stranger's: a control whose gain is known;
        0 for none.
    folds : int
        Strategies: parts of the patients; each is scored by rules that learned from the others.
    answers : AnswersConfig, optional
        Ideal observers of a phantom with several findings (``cohort phantom findings-phantom``), instead of the ladder; no other key is
        read.
    study : Path, optional
        Folder of a training study of the same cohort; its models are drawn beside the observers.
    study_cohort : str
        The cohort's name in that study.
    """

    channels: ChannelConfig = ChannelConfig()
    observers: Annotated[
        list[Literal["single", "difference", "joint"]], Field(min_length=1, default_factory=lambda: ["single", "difference", "joint"])
    ]
    place: Literal["known", "scan"] | None = None
    centre: tuple[float, float] | None = None
    scanned: int = Field(default=100, ge=2, le=2000)
    references: ReferenceConfig = ReferenceConfig(strategy="random")
    train_patients: Annotated[
        list[Annotated[int, Field(ge=4, le=10**7)]], Field(min_length=1, default_factory=lambda: [25, 50, 100, 200, 500])
    ]
    trainings: int = Field(default=20, ge=1, le=1000)
    features: ModelConfig | None = None
    strategies: dict[str, ReferenceConfig] = Field(default_factory=dict)
    control_rho: float = Field(default=0.7, ge=0, lt=1)
    folds: int = Field(default=5, ge=2, le=20)
    answers: AnswersConfig | None = None
    study: Path | None = None
    study_cohort: str = ""

    @field_validator("centre")
    @classmethod
    def _is_in_the_image(cls, centre: tuple[float, float] | None) -> tuple[float, float] | None:
        if centre is not None and not all(0 < part < 1 for part in centre):
            raise ValueError("row and column are shares of the image's height and width, between 0 and 1")
        return centre

    @field_validator("observers")
    @classmethod
    def _in_order(cls, observers: list[str]) -> list[str]:
        return [name for name in ("single", "difference", "joint") if name in observers]
