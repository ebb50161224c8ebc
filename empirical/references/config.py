"""How references are chosen: the strategies and their settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from empirical.vlm.config import ModelConfig
from see_in_pairs.configs import Count, StrictConfig


@dataclass(frozen=True)
class Strategy:
    """One strategy: its selector, and its settings in `ReferenceConfig`."""

    module: str  # below `empirical.references.strategies`; its function `choose(request)` is imported when it is used
    takes: str  # which reference a query gets, in words
    settings: tuple[str, ...] = ()  # keys that it reads; a key of one strategy is refused under the others
    relaxable: tuple[str, ...] = ()  # requirements that ``unmatched: relax`` may drop, in the usual order


STRATEGIES = {
    "random": Strategy("random_", "any healthy image of another patient and family"),
    "demographic": Strategy(  # its columns can be relaxed: see `ReferenceConfig.requirements`
        "demographic", "equal to the query in `columns`, within `caliper` in others", settings=("columns", "caliper")
    ),
    "embedding": Strategy(
        "embedding",
        "like the query to a vision model (cosine): the nearest, or drawn from a band of similarity",
        settings=("model", "band", "band_of"),
        relaxable=("band",),
    ),
    "cross_center": Strategy("cross_center", "from another site, or from the same", settings=("site",), relaxable=("site",)),
    "prior": Strategy("prior", "an earlier healthy image of the *same* patient", settings=("order",), relaxable=("patient",)),
    "given": Strategy(
        "given", "the earlier image of the *same* patient that comes with the set; it need not be healthy", settings=("order",)
    ),
}
"""By name; a new strategy is a file in `empirical.references.strategies` and a line here."""

if TYPE_CHECKING:
    StrategyName = str
else:
    StrategyName = Literal[tuple(STRATEGIES)]  # so that a config refuses other names and lists the known ones

HIDDEN_COLUMNS = ("label", "mask")
"""Columns of a query that no selector may see."""
IDENTITY_COLUMNS = ("item_id", "image", "patient_id", "split", "serves", "sha256")


class ReferenceConfig(StrictConfig):
    """How references are chosen.

    Parameters
    ----------
    strategy : str
        A name in `STRATEGIES`, for example ``'random'`` (any healthy reference of another patient and family) or ``'demographic'`` (a
        reference that matches the query in chosen columns).
    m : int
        References for each query, all different.
    reuse : int, optional
        How many queries may share one reference; 1 is matching without replacement. By default there is no limit.
    columns : tuple of str
        Demographic: columns that must agree exactly. A column that is empty in the whole cohort is left out.
    caliper : dict of str to float
        Demographic: numeric columns, and by how much they may differ, for example ``{'age': 5}``.
    site : str
        Cross-center: ``'other'`` (another site than the query's) or ``'same'``.
    order : str
        Prior and given: the numeric column that gives the order of a patient's images.
    model : ModelConfig, optional
        Embedding: the vision model, or the vision-language model whose vision tower is used; by default the model that is
        trained or evaluated. A finetuned model gives other embeddings than its base model: name one model to keep the same references.
    band : tuple of float, optional
        Embedding: lower and upper bound of the similarity of reference and query; a reference is drawn at random from this band. By
        default the nearest reference is used.
    band_of : str
        ``'quantile'``: the band is in quantiles of the query's similarity to the whole pool (``[0.9, 1]``: the nearest tenth);
        ``'cosine'``: in cosines.
    unmatched : str
        For a query that cannot be matched as configured: ``'error'`` stops; ``'relax'`` drops one requirement after the other, in the order
        of `relax`; ``'leave_out'`` leaves the query out of every arm that is compared. Each such query is listed with the reason.
    relax : tuple of str, optional
        The order in which requirements are dropped. Demographic: calipers and columns, by default the calipers, then `columns` from the
        last to the first. The other strategies have one requirement each: ``'site'``, ``'patient'`` or ``'band'``.
    align : str
        How a reference is warped onto its query before it is shown: ``'none'``, ``'translation'``, ``'affine'`` or ``'deformable'`` (each
        after the one before it). It needs SimpleITK (extra ``registration``).
    detail : float, optional
        Width in pixels of the query's detail that must not guide the alignment: that of a lesion, or more. By default a tenth of the
        image's shorter side.
    """

    strategy: StrategyName = "random"
    m: Count = 1
    reuse: Count | None = None
    columns: tuple[str, ...] = ("sex", "view")
    caliper: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=lambda: {"age": 5.0})
    site: Literal["other", "same"] = "other"
    order: str = "follow_up"
    model: ModelConfig | None = None
    band: tuple[float, float] | None = None
    band_of: Literal["quantile", "cosine"] = "quantile"
    unmatched: Literal["error", "relax", "leave_out"] = "error"
    relax: tuple[str, ...] | None = None
    align: Literal["none", "translation", "affine", "deformable"] = "none"
    detail: Annotated[float, Field(ge=1, le=1e4)] | None = None

    @model_validator(mode="after")
    def _settings_belong_to_the_strategy(self) -> Self:
        defaults = ReferenceConfig.model_construct()
        for name, strategy in STRATEGIES.items():
            for key in strategy.settings:
                if key not in STRATEGIES[self.strategy].settings and getattr(self, key) != getattr(defaults, key):
                    raise ValueError(f"'{key}' is for strategy '{name}'; '{self.strategy}' does not read it")
        return self

    @model_validator(mode="after")
    def _detail_is_of_an_alignment(self) -> Self:
        if self.detail is not None and self.align == "none":
            raise ValueError("detail: nothing is aligned; give align: translation, affine or deformable")
        return self

    @model_validator(mode="after")
    def _match_on_what_is_allowed(self) -> Self:
        forbidden = [column for column in (*self.columns, *self.caliper, self.order) if column in (*HIDDEN_COLUMNS, *IDENTITY_COLUMNS)]
        if forbidden:
            raise ValueError(f"'{forbidden[0]}' cannot be matched on")
        if self.relax is not None and sorted(self.relax) != sorted(set(self.relax) & set(self.requirements)):
            known = ", ".join(self.requirements) or "none"
            raise ValueError(f"relax: name each requirement at most once, and only known ones ({known})")
        return self

    @model_validator(mode="after")
    def _a_band_is_a_range(self) -> Self:
        low = 0.0 if self.band_of == "quantile" else -1.0
        if self.band is not None and not low <= self.band[0] < self.band[1] <= 1:
            raise ValueError(f"band: give two numbers from {low:g} to 1, the lower one first")
        return self

    @property
    def requirements(self) -> tuple[str, ...]:
        """The requirements that the strategy can relax, in the usual order."""
        if self.strategy == "demographic":
            return (*self.caliper, *reversed(self.columns))
        return STRATEGIES[self.strategy].relaxable

    @property
    def relaxing_order(self) -> tuple[str, ...]:
        """Requirements in the order in which they are relaxed; empty unless ``unmatched: relax``."""
        if self.unmatched != "relax":
            return ()
        return self.requirements if self.relax is None else self.relax

    @property
    def within_family(self) -> bool:
        """Whether every reference is of the query's own family, and so may be one that serves its family alone."""
        return self.strategy == "demographic" and "family" in self.columns and "family" not in self.relaxing_order

    @property
    def recorded_name(self) -> str:
        """The strategy as written in the records, with different names for the two kinds of ``cross_center`` and for aligned references."""
        name = f"{self.strategy}_same" if self.site == "same" else self.strategy
        return name if self.align == "none" else f"{name}+{self.align}"
