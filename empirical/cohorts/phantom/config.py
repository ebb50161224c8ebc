"""What decides a phantom cohort; every number here is our own choice."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from see_in_pairs.configs import StrictConfig

COMPONENTS = ("demographic", "site", "field", "noise")
"""The independent parts of an image's variation, in the order of their definition."""

Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


class Shares(StrictConfig):
    """Within-family correlation of each component, where they differ (the second series)."""

    demographic: Share = 0.0
    site: Share = 0.0
    field: Share = 0.0
    noise: Share = 0.0


class LesionConfig(StrictConfig):
    """The nodule: shape, place, and how well an ideal observer detects it in a single image."""

    profile: Literal["gaussian", "disc"] = "gaussian"
    width: Positive = 3.0
    """Standard deviation of the Gaussian, or radius of the disc, in pixels."""
    place: Literal["fixed", "random"] = "fixed"
    centre: tuple[float, float] = (0.36, 0.70)
    """Row and column of the known place, in parts of the image's side; the default lies in the patient's left upper lung."""
    detectability: NotNegative = 0.95
    """Hotelling detectability of the lesion at `centre` in a single image; an AUC of Phi(detectability / sqrt 2)."""


class WarmupConfig(StrictConfig):
    """Extra training families with plainer lesions, from which a model with random weights learns where and how to look."""

    n: int = Field(default=0, ge=0)
    """How many; their lesions fade from `contrast` times the amplitude down to it."""
    contrast: float = Field(default=6.0, ge=1)
    """Peak of the first lesion, in multiples of the amplitude."""

    def contrast_of(self, number: int) -> float:
        """Compute the contrast of a warm-up family, `number` from 0: `contrast` for the first, falling linearly, always above 1."""
        return self.contrast + (1 - self.contrast) * number / self.n


class PhantomConfig(StrictConfig):
    """A phantom cohort: how many families, how like each other their members are, and what varies by how much."""

    size: int = Field(default=64, ge=24, le=512)
    """Pixels along a side."""
    n_train: int = Field(default=2000, ge=0)
    warmup: WarmupConfig = WarmupConfig()
    n_val: int = Field(default=200, ge=0)
    n_test: int = Field(default=1000, ge=0)
    relatives: int = Field(default=1, ge=0, le=20)
    """Healthy relatives of each query."""
    prevalence: float = Field(default=0.5, ge=0, le=1)
    rho: Share = 0.9
    """Main series: every component has this within-family correlation, so that C = rho Sigma."""
    shares: Shares | None = None
    """Second series: one correlation for each component, instead of `rho`."""
    heart_sd: NotNegative = 0.018
    """Standard deviations of the anatomical modes, in units of half the image's side (see `template.Anatomy`)."""
    lungs_sd: NotNegative = 0.016
    ribs_sd: NotNegative = 0.012
    thickness_sd: NotNegative = 0.016
    gain_sd: NotNegative = 0.06
    """Standard deviation of a session's relative gain."""
    offset_sd: NotNegative = 5.0
    """Standard deviation of a session's offset, in gray levels."""
    field_sd: NotNegative = 9.0
    """Standard deviation of the smooth field (soft tissue that differs between patients), in gray levels."""
    field_width: Positive = 2.5
    """Standard deviation of the Gaussian kernel that smooths the field, in pixels."""
    noise_sd: float = Field(default=5.0, ge=1.0)
    """Standard deviation of the acquisition noise, the rounding to whole gray levels included."""
    lesion: LesionConfig = LesionConfig()

    @model_validator(mode="after")
    def _noise_leaves_room_for_rounding(self) -> Self:
        limit = 1 - 1 / (12 * self.noise_sd**2)
        if self.share_of("noise") > limit:
            raise ValueError(f"with noise_sd {self.noise_sd:g} at most {limit:.4f} of the noise can be shared (the rest is rounding)")
        if not all(0 < part < 1 for part in self.lesion.centre):
            raise ValueError("lesion.centre: row and column are parts of the side, between 0 and 1")
        return self

    def share_of(self, component: str) -> float:
        """Look up the within-family correlation of one of `COMPONENTS`: `rho`, or its own share where `shares` is given."""
        return self.rho if self.shares is None else float(getattr(self.shares, component))
