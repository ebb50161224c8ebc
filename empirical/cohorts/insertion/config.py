"""The settings of inserted lesions; every number here is our own choice."""

from __future__ import annotations

from operator import not_
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from see_in_pairs.configs import StrictConfig, unset

Tint = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class MadeConfig(StrictConfig):
    """References made to share a known part with their query: a positive control.

    Each is part the query's own image without a lesion, part the image of a patient of references: with M the mean of the training images,
    M + rho (own - M) + sqrt(1 - rho^2) (other - M), pixel by pixel, so that it varies like a real image.

    Parameters
    ----------
    rho : float
        Correlation with the own image, between 0 and 1.
    each : int
        Made references of each image, each with another patient's part.
    """

    rho: float = Field(gt=0, lt=1)
    each: int = Field(default=2, ge=1, le=100)


class InsertConfig(StrictConfig):
    """Settings of lesions that are put into healthy images.

    Parameters
    ----------
    size : int
        Pixels along a side: the middle square of each image is brought to this size, from 32 to 1024.
    colours : str
        Of the new images: ``'gray'`` or ``'rgb'``.
    tint : tuple of float
        For ``'rgb'``: by how much a lesion changes red, green and blue, relative to each other. ``[0, 1, 0]`` changes green alone.
    profile : str
        ``'gaussian'``, ``'disc'``, or ``'textured'``: Gaussian times one plus a random texture, another one in each lesion.
    width : float
        Standard deviation of the Gaussian, or radius of the disc, in pixels of the new image.
    texture : float
        Standard deviation of the texture, in parts of the lesion's height; for ``'textured'`` only.
    darker : bool
        Whether a lesion makes the image darker; by default brighter.
    region : str or list of float
        Where lesions can be: ``'content'`` (everything but the dark border of the picture), ``'mask'`` (the cohort's own masks of the
        healthy images, of lungs for example), or a rectangle ``[top, left, bottom, right]`` in parts of the new image's side.
    darkest : float
        Gray level, from 0 to 255, up to which a pixel counts as border; no lesion reaches into the border.
    margin : int
        Pixels that a lesion keeps from the border and from the edge of the image.
    detectability : float
        Index of a channelised Hotelling observer of the single image who knows the place; an AUROC of Phi(detectability / sqrt 2).
    channels : int
        Laguerre-Gauss channels of that observer, four times as wide as the lesion, from 1 to 20.
    lesions_per_image : int
        Queries made from each healthy image, each with its own place, half of them with a lesion.
    fractions : tuple of float
        Shares of patients for the splits train, val and test, and for references. A patient of references has no query.
    made : MadeConfig, optional
        Make references that share a known part with their query. They have the query's `family`, and only the strategy ``demographic``
        with ``columns: [family]`` chooses them.
    only_last : bool
        Make queries only of the last image of patients with two or more, so that each query has an earlier image of its own (strategy
        ``prior``). Patients with one image then serve as references.
    """

    size: int = Field(default=128, ge=32, le=1024)
    colours: Literal["gray", "rgb"] = "gray"
    tint: tuple[Tint, Tint, Tint] = (1.0, 1.0, 1.0)
    profile: Literal["gaussian", "disc", "textured"] = "gaussian"
    width: float = Field(default=3.0, ge=0.5, le=128)
    texture: float = Field(default=0.5, gt=0, le=2)
    darker: bool = False
    region: Literal["content", "mask"] | tuple[Share, Share, Share, Share] = "content"
    darkest: float = Field(default=10.0, ge=0, lt=255)
    margin: int = Field(default=0, ge=0, le=512)
    detectability: float = Field(default=1.5, gt=0, le=20)
    channels: int = Field(default=6, ge=1, le=20)
    lesions_per_image: int = Field(default=4, ge=1, le=100)
    fractions: tuple[Share, Share, Share, Share] = (0.35, 0.05, 0.3, 0.3)
    made: MadeConfig | None = Field(default=None, exclude_if=unset)
    only_last: bool = Field(default=False, exclude_if=not_)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if isinstance(self.region, tuple) and not (self.region[0] < self.region[2] and self.region[1] < self.region[3]):
            raise ValueError("region: give top, left, bottom and right, with the top above the bottom and the left before the right")
        if abs(sum(self.fractions) - 1) > 1e-6 or min(self.fractions[0], self.fractions[2], self.fractions[3]) <= 0:
            raise ValueError("fractions: give shares for train, val, test and references that add up to 1; only that of val may be 0")
        if 2 * (self.reach + self.margin) + 1 > self.size:
            raise ValueError(f"width: a lesion of width {self.width:g} and its margin are larger than an image of {self.size} pixels")
        if max(self.tint) == 0:
            raise ValueError("tint: one of the three must be above 0")
        if self.colours == "gray" and self.tint != type(self).model_fields["tint"].default:
            raise ValueError("tint: is for colours: rgb")
        if self.profile != "textured" and self.texture != type(self).model_fields["texture"].default:
            raise ValueError("texture: is for the profile 'textured'")
        return self

    @property
    def reach(self) -> int:
        """Pixels from the middle of a lesion to where it ends."""
        return int(-(-(self.width + 3 if self.profile == "disc" else 3 * self.width) // 1))

    @property
    def channel_width(self) -> float:
        """Width of the Laguerre-Gauss channels in pixels."""
        return 4 * self.width

    @property
    def channel_side(self) -> int:
        """Side of the square that channels are laid on, in pixels; odd."""
        return 2 * round(1.7 * self.channel_width) + 1
