"""How references are chosen."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from empirical.vlm.config import ModelConfig
from see_in_pairs.configs import StrictConfig

StrategyName = Literal["random", "demographic", "embedding", "cross_center", "prior"]

HIDDEN_COLUMNS = ("label", "mask")
"""Columns of a query that no selector is shown."""
IDENTITY_COLUMNS = ("item_id", "image", "patient_id", "split", "serves", "sha256")

OWN_SETTINGS: dict[str, StrategyName] = {
    "columns": "demographic", "caliper": "demographic", "site": "cross_center", "order": "prior",
    "model": "embedding", "band": "embedding", "band_of": "embedding",
}  # fmt: skip
"""Settings that only one strategy reads; set for another one they are refused."""
RELAXABLE = {"cross_center": ("site",), "prior": ("patient",), "embedding": ("band",), "random": ()}


class ReferenceConfig(StrictConfig):
    """How references are chosen.

    Parameters
    ----------
    strategy : str
        ``'random'``: any healthy reference of another patient and family; ``'demographic'``: one like the query in chosen columns;
        ``'embedding'``: one whose image is like the query's to a vision model; ``'cross_center'``: one from another site, or from the
        same; ``'prior'``: an earlier healthy image of the same patient.
    m : int
        References for each query, all different.
    reuse : int, optional
        How many queries one reference may serve; 1: matching without replacement. By default as many as there are.
    columns : tuple of str
        Demographic: columns that must agree exactly. A column that is empty in the whole cohort is left out.
    caliper : dict of str to float
        Demographic: numeric columns, and by how much they may differ, for example ``{'age': 5}``.
    site : str
        Cross-center: ``'other'`` (than the query's) or ``'same'``.
    order : str
        Prior: the numeric column that tells which of a patient's images came first.
    model : ModelConfig, optional
        Embedding: the vision model, or the vision-language model whose vision tower is used; by default the model that is trained or
        evaluated itself (a finetuned model embeds differently from the one it was made of: name one model to keep the references).
    band : tuple of float, optional
        Embedding: how alike reference and query may be, from the lower to the upper bound; a reference is drawn at random from the
        band. By default the nearest is taken.
    band_of : str
        ``'quantile'``: the band is in quantiles of the query's similarity to the whole pool (``[0.9, 1]``: the nearest tenth);
        ``'cosine'``: in cosines.
    unmatched : str
        A query that cannot be matched as asked: ``'error'`` stops; ``'relax'`` gives up one requirement after the other, in the order of
        `relax`; ``'leave_out'`` leaves the query out, of every arm that is compared. Either way each such query is listed with the reason.
    relax : tuple of str, optional
        The order of giving up. Demographic: calipers and columns, by default the calipers, then `columns` from the last to the first.
        The other strategies have one requirement each: ``'site'``, ``'patient'`` or ``'band'``.
    """

    strategy: StrategyName = "random"
    m: int = Field(default=1, ge=1)
    reuse: int | None = Field(default=None, ge=1)
    columns: tuple[str, ...] = ("sex", "view")
    caliper: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=lambda: {"age": 5.0})
    site: Literal["other", "same"] = "other"
    order: str = "follow_up"
    model: ModelConfig | None = None
    band: tuple[float, float] | None = None
    band_of: Literal["quantile", "cosine"] = "quantile"
    unmatched: Literal["error", "relax", "leave_out"] = "error"
    relax: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _settings_belong_to_the_strategy(self) -> Self:
        usual = ReferenceConfig.model_construct()
        for name, strategy in OWN_SETTINGS.items():
            if self.strategy != strategy and getattr(self, name) != getattr(usual, name):
                raise ValueError(f"'{name}' is for strategy '{strategy}'; '{self.strategy}' does not read it")
        return self

    @model_validator(mode="after")
    def _match_on_what_is_allowed(self) -> Self:
        forbidden = [column for column in (*self.columns, *self.caliper, self.order) if column in (*HIDDEN_COLUMNS, *IDENTITY_COLUMNS)]
        if forbidden:
            raise ValueError(f"'{forbidden[0]}' cannot be matched on")
        asked = RELAXABLE.get(self.strategy, (*self.columns, *self.caliper))
        if self.relax is not None and sorted(self.relax) != sorted(set(self.relax) & set(asked)):
            raise ValueError(f"relax: name each requirement at most once, and no other (there are: {', '.join(asked) or 'none'})")
        return self

    @model_validator(mode="after")
    def _a_band_is_a_range(self) -> Self:
        low = 0.0 if self.band_of == "quantile" else -1.0
        if self.band is not None and not low <= self.band[0] < self.band[1] <= 1:
            raise ValueError(f"band: two numbers from {low:g} to 1, the lower one first")
        return self

    @property
    def order_of_relaxing(self) -> tuple[str, ...]:
        """Requirements in the order in which they are given up; empty unless relaxing was asked for."""
        if self.unmatched != "relax":
            return ()
        if self.relax is not None:
            return tuple(self.relax)
        return RELAXABLE.get(self.strategy, (*self.caliper, *reversed(self.columns)))
