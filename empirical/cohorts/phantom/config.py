"""The settings of a phantom cohort; every number here is our own choice."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from see_in_pairs.configs import StrictConfig

COMPONENTS = ("demographic", "site", "field", "noise")
"""The independent parts of an image's variation, in the order of their definition."""

Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(ge=1e-3, le=512)]  # a width in pixels
NotNegative = Annotated[float, Field(ge=0, le=1e4)]

MOST_FAMILIES = 10_000_000
"""Most families in a split: the images of more would fill any disk."""


class Shares(StrictConfig):
    """Within-family correlation of each component, where they differ (the second series).

    Parameters
    ----------
    demographic : float
        For the anatomical modes; like the others, from 0 to below 1.
    site : float
        For gain and offset of the scanner.
    field : float
        For the smooth field of soft tissue.
    noise : float
        For the acquisition noise, after rounding.
    """

    demographic: Share = 0.0
    site: Share = 0.0
    field: Share = 0.0
    noise: Share = 0.0


class LesionConfig(StrictConfig):
    """The nodule: shape, place, and how well an ideal observer detects it in a single image.

    Parameters
    ----------
    profile : str
        Its shape, ``'gaussian'`` or ``'disc'``.
    width : float
        Standard deviation of the Gaussian, or radius of the disc, in pixels.
    place : str
        ``'fixed'``: always at `centre`; ``'random'``: anywhere in the clear lung.
    centre : tuple of float
        Row and column of the known place, as shares of the image's side; the default lies in the patient's left upper lung.
    detectability : float
        Hotelling detectability of the lesion at `centre` in a single image; an AUROC of Phi(detectability / sqrt 2).
    """

    profile: Literal["gaussian", "disc"] = "gaussian"
    width: Positive = 3.0
    place: Literal["fixed", "random"] = "fixed"
    centre: tuple[float, float] = (0.36, 0.70)
    detectability: NotNegative = 0.95


class WarmupConfig(StrictConfig):
    """Extra training families with clearer lesions, from which a model with random weights learns where and how to look.

    Parameters
    ----------
    n : int
        How many families; the contrast of their lesions falls from `contrast` times the amplitude towards the amplitude itself.
    contrast : float
        Peak of the first lesion, in multiples of the amplitude; at least 1.
    """

    n: int = Field(default=0, ge=0, le=MOST_FAMILIES)
    contrast: float = Field(default=6.0, ge=1, le=1e3)

    def contrast_of(self, number: int) -> float:
        """Compute the contrast of a warm-up family, `number` from 0: `contrast` for the first, falling linearly, always above 1."""
        return self.contrast + (1 - self.contrast) * number / self.n


class PhantomConfig(StrictConfig):
    """Settings of a phantom cohort: number of families, similarity of their members, and the size of each variation.

    Parameters
    ----------
    size : int
        Pixels along a side, 24 to 512.
    n_train, n_val, n_test : int
        Families in each split, one query each.
    warmup : WarmupConfig
        Further training families with clearer lesions.
    relatives : int
        Healthy relatives of each query, up to 20.
    prevalence : float
        Share of diseased queries in each split, from 0 to 1.
    rho : float
        Main series: every component has this within-family correlation, so that C = rho Sigma.
    shares : Shares, optional
        Second series: one correlation for each component, instead of `rho`.
    heart_sd, lungs_sd, ribs_sd, thickness_sd : float
        Standard deviations of the anatomical modes, in units of half the image's side (see `template.Anatomy`).
    gain_sd : float
        Standard deviation of a session's relative gain.
    offset_sd : float
        Standard deviation of a session's offset, in gray levels.
    field_sd : float
        Standard deviation of the smooth field (soft tissue that differs between patients), in gray levels.
    field_width : float
        Standard deviation of the Gaussian kernel that smooths the field, in pixels.
    noise_sd : float
        Standard deviation of the acquisition noise in gray levels, at least 1, the rounding to whole gray levels included.
    lesion : LesionConfig
        Shape, place and detectability of the nodule.
    """

    size: int = Field(default=64, ge=24, le=512)
    n_train: int = Field(default=2000, ge=0, le=MOST_FAMILIES)
    warmup: WarmupConfig = WarmupConfig()
    n_val: int = Field(default=200, ge=0, le=MOST_FAMILIES)
    n_test: int = Field(default=1000, ge=0, le=MOST_FAMILIES)
    relatives: int = Field(default=1, ge=0, le=20)
    prevalence: float = Field(default=0.5, ge=0, le=1)
    rho: Share = 0.9
    shares: Shares | None = None
    heart_sd: NotNegative = 0.018
    lungs_sd: NotNegative = 0.016
    ribs_sd: NotNegative = 0.012
    thickness_sd: NotNegative = 0.016
    gain_sd: NotNegative = 0.06
    offset_sd: NotNegative = 5.0
    field_sd: NotNegative = 9.0
    field_width: Positive = 2.5
    noise_sd: float = Field(default=5.0, ge=1.0, le=1e3)
    lesion: LesionConfig = LesionConfig()

    @model_validator(mode="after")
    def _noise_leaves_room_for_rounding(self) -> Self:
        limit = 1 - 1 / (12 * self.noise_sd**2)
        if self.share_of("noise") > limit:
            raise ValueError(f"with noise_sd {self.noise_sd:g} at most {limit:.4f} of the noise can be shared, since the rest is rounding")
        if not all(0 < part < 1 for part in self.lesion.centre):
            raise ValueError("lesion.centre: give row and column as parts of the side, between 0 and 1")
        return self

    def share_of(self, component: str) -> float:
        """Look up the within-family correlation of one of `COMPONENTS`: `rho`, or its own share where `shares` is given."""
        return self.rho if self.shares is None else float(getattr(self.shares, component))
