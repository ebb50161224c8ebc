"""The settings of an arm."""

from __future__ import annotations

import re
from typing import Any, Literal, Self

from pydantic import field_validator, model_validator

from empirical.arms.catalogue import ARMS
from empirical.references import ReferenceConfig
from see_in_pairs.configs import StrictConfig

ArmName = Literal[
    "single", "pair", "multi",
    "duplicate", "blank", "noise", "fixed", "diseased", "wrong_modality", "reversed", "unlabelled", "text",
]  # fmt: skip


class ArmConfig(StrictConfig):
    """One arm of an experiment.

    Parameters
    ----------
    arm : str
        ``single`` (the query alone), ``pair`` (one reference), ``multi`` (several), or a control: ``duplicate``, ``blank``, ``noise``,
        ``fixed``, ``diseased``, ``wrong_modality``, ``reversed``, ``unlabelled``, ``text``. Each can be trained, or shown to a model
        that was trained on another arm; `empirical.arms.ARMS` says what each shows and isolates.
    references : ReferenceConfig, optional
        How references are chosen, for ``pair``, ``multi``, ``reversed``, ``unlabelled`` and ``diseased`` (there by default at random).
    other_cohort : str, optional
        For ``wrong_modality``: the folder of a cohort of another modality.
    per_site : bool, default False
        For ``fixed``: one reference for each site.
    run_id : str, optional
        A name for the rows in the records; by default made of arm and strategy.
    """

    arm: ArmName
    references: ReferenceConfig | None = None
    other_cohort: str | None = None
    per_site: bool = False
    run_id: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _diseased_at_random(cls, content: Any) -> Any:
        if isinstance(content, dict) and content.get("arm") == "diseased" and content.get("references") is None:
            return content | {"references": ReferenceConfig()}
        return content

    @field_validator("run_id")
    @classmethod
    def _plain_name(cls, name: str | None) -> str | None:
        if name is not None and not re.fullmatch(r"\w[\w.+=-]*", name):
            raise ValueError(f"{name!r} is to name files: letters, digits and . _ + = - only, and a letter or digit first")
        return name

    @model_validator(mode="after")
    def _fits(self) -> Self:
        wanted = ARMS[self.arm].takes_references
        if wanted != (self.references is not None):
            raise ValueError(f"arm '{self.arm}' {'needs' if wanted else 'takes no'} references")
        if self.arm in ("pair", "multi") and self.references is not None and (self.references.m == 1) != (self.arm == "pair"):
            raise ValueError("arm 'pair' shows one reference (m: 1), arm 'multi' several")
        if (self.arm == "wrong_modality") != (self.other_cohort is not None):
            raise ValueError("other_cohort: the folder of a cohort of another modality, for arm 'wrong_modality' and no other")
        if self.per_site and self.arm != "fixed":
            raise ValueError("per_site: is for arm 'fixed'")
        return self

    @property
    def strategy(self) -> str:
        """The name of the reference strategy as it stands in the records; of a control without references its own name."""
        if self.references is not None:
            same_site = self.references.strategy == "cross_center" and self.references.site == "same"
            return "cross_center_same" if same_site else self.references.strategy
        return "" if self.arm in ("single", "text") else self.arm
