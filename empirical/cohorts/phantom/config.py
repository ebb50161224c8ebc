"""The settings of a phantom cohort; every number here is our own choice."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

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


class KindConfig(StrictConfig):
    """One kind of finding: its shape, and how well an ideal observer detects it in a single image.

    Parameters
    ----------
    profile : str
        Its shape: ``'gaussian'``, ``'disc'``, ``'ring'``, ``'line'`` or ``'texture'`` (ripples under a Gaussian).
    width : float
        In pixels: standard deviation of the Gaussian (also of the texture's), radius of disc or ring, half the thickness of the line.
    dark : bool
        Darker than its surroundings instead of brighter.
    detectability : float
        Hotelling detectability against a healthy image, at the centre of every region, in a single image.
    """

    profile: Literal["gaussian", "disc", "ring", "line", "texture"] = "gaussian"
    width: Positive = 3.0
    dark: bool = False
    detectability: NotNegative = 1.5


class RegionConfig(StrictConfig):
    """A named region in which findings can be.

    Parameters
    ----------
    centre : tuple of float
        Row and column of its centre, as shares of the image's side.
    side : str
        What the question of the side calls it, for example ``'left'``.
    """

    centre: tuple[float, float]
    side: str = Field(min_length=1)


REGIONS = {
    "chest": {
        "right upper lung": RegionConfig(centre=(0.36, 0.30), side="right"),
        "right lower lung": RegionConfig(centre=(0.56, 0.25), side="right"),
        "left upper lung": RegionConfig(centre=(0.36, 0.70), side="left"),
        "left lower lung": RegionConfig(centre=(0.56, 0.80), side="left"),
    },
    "fundus": {
        "upper temporal quarter": RegionConfig(centre=(0.32, 0.34), side="temporal"),
        "lower temporal quarter": RegionConfig(centre=(0.68, 0.34), side="temporal"),
        "upper nasal quarter": RegionConfig(centre=(0.27, 0.64), side="nasal"),
        "lower nasal quarter": RegionConfig(centre=(0.73, 0.64), side="nasal"),
    },
}
"""The regions by modality where a config names none; a right eye has its optic disc, which is nasal, on the viewer's right."""


class FindingsConfig(StrictConfig):
    """Several kinds of findings in place of the one lesion, and with them the questions of the cohort.

    Parameters
    ----------
    kinds : dict of str to KindConfig
        Kinds of findings by name, 1 to 6.
    regions : dict of str to RegionConfig
        Where findings can be, by name; at least 1. By default the quarters of the lungs, or of the fundus.
    place : str
        ``'fixed'``: at the centre of a region; ``'random'``: at one of `places` around it.
    places : int
        Places of a region where they are random: so many pixels around its centre, the nearest first, two pixels apart.
    severity : dict of str to float
        Grades from the lowest to the highest, each with the factor by which it multiplies amplitude and detectability.
    several : float
        Share of the diseased images that show two kinds, in different regions.
    """

    kinds: dict[str, KindConfig] = Field(min_length=1, max_length=6)
    regions: dict[str, RegionConfig] = Field(default_factory=dict, max_length=12)
    place: Literal["fixed", "random"] = "fixed"
    places: int = Field(default=9, ge=2, le=100)
    severity: dict[str, Annotated[float, Field(gt=0, le=100)]] = Field(default_factory=lambda: {"present": 1.0}, min_length=1)
    several: float = Field(default=0.0, ge=0, lt=1)

    @field_validator("kinds", "regions", "severity")
    @classmethod
    def _are_told_apart(cls, named: dict[str, Any]) -> dict[str, Any]:
        plain = [" ".join(name.casefold().split()).rstrip(".") for name in named]
        if any(not name or name == "none" for name in plain) or len(set(plain)) < len(plain):
            raise ValueError("names must differ in more than case, spaces and dots; 'none' stands for no finding")
        return named

    @field_validator("severity")
    @classmethod
    def _rises(cls, grades: dict[str, float]) -> dict[str, float]:
        if sorted(grades.values()) != list(grades.values()) or len(set(grades.values())) < len(grades):
            raise ValueError("give the grades from the lowest to the highest factor")
        return grades


class FundusConfig(StrictConfig):
    """What varies between eyes where the modality is ``'fundus'``.

    Parameters
    ----------
    disc_sd : float
        Radius of the optic disc: its standard deviation, in units of half the image's side, like the next two.
    place_sd : float
        How far from the middle disc and vessels lie.
    arcade_sd : float
        How wide the arcades of the large vessels open.
    gradient_sd : float
        Brightness from one side to the other: the change of its slope, in gray levels.
    vessels_sd : float
        Contrast of each branch of the small vessels, in gray levels; branches vary independently.
    """

    disc_sd: NotNegative = 0.012
    place_sd: NotNegative = 0.012
    arcade_sd: NotNegative = 0.012
    gradient_sd: NotNegative = 6.0
    vessels_sd: NotNegative = 7.0


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
    modality : str
        ``'chest'``: chest X-rays; ``'fundus'``: photographs of the back of the eye, for which `fundus` replaces the anatomical modes.
    fundus : FundusConfig
        What varies between eyes.
    findings : FindingsConfig, optional
        Several kinds of findings in place of the lesion; the cohort then asks questions about them.
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
    modality: Literal["chest", "fundus"] = "chest"
    fundus: FundusConfig = FundusConfig()
    findings: FindingsConfig | None = None

    @model_serializer(mode="wrap")
    def _without_what_is_not_used(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # so that a phantom of one lesion keeps the identity it had before there were others: finished folders stay valid
        content: dict[str, Any] = handler(self)
        if self.modality == "chest":
            del content["modality"], content["fundus"]
        if self.findings is None:
            del content["findings"]
        return content

    @model_validator(mode="after")
    def _noise_leaves_room_for_rounding(self) -> Self:
        limit = 1 - 1 / (12 * self.noise_sd**2)
        if self.share_of("noise") > limit:
            raise ValueError(f"with noise_sd {self.noise_sd:g} at most {limit:.4f} of the noise can be shared, since the rest is rounding")
        if not all(0 < part < 1 for part in self.lesion.centre):
            raise ValueError("lesion.centre: give row and column as parts of the side, between 0 and 1")
        for name, region in self.regions.items():
            if not all(0 < part < 1 for part in region.centre):
                raise ValueError(f"findings.regions.{name}.centre: give row and column as parts of the side, between 0 and 1")
        if self.findings is not None and self.findings.several and min(len(self.findings.kinds), len(self.regions)) < 2:
            raise ValueError("findings.several: two findings in an image need two kinds and two regions")
        return self

    @property
    def regions(self) -> dict[str, RegionConfig]:
        """Regions of the findings, those of the modality where the config names none; empty for one lesion."""
        if self.findings is None:
            return {}
        return self.findings.regions or REGIONS[self.modality]

    def share_of(self, component: str) -> float:
        """Look up the within-family correlation of one of `COMPONENTS`: `rho`, or its own share where `shares` is given."""
        return self.rho if self.shares is None else float(getattr(self.shares, component))
