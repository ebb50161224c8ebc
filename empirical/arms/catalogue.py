"""Every arm, each one block of `ARMS`: what the model is shown, and which rival explanation of a gain (T11) that isolates.

(i) site or scanner shared by query and reference; (ii) the observer does not know the healthy population; (iii) the paired prompt or its
tokens; (iv) pair augmentation in training; (v) the reference is known to be healthy; (vi) the operating point.

`fixed` is the sharpest single control: if the model does not know the healthy population, one fixed reference helps about as much as fresh
ones (ii); if it is what reference and query share that helps, a fixed one is worthless (T9).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from pydantic import field_validator, model_validator

from empirical.arms.images import from_elsewhere, made_up
from empirical.references import ReferenceConfig
from see_in_pairs.configs import StrictConfig
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from empirical.cohorts import Cohort
    from empirical.references import Assignment
    from empirical.references.assignment import Choice
    from empirical.references.candidates import Query
    from empirical.vlm.config import ModelConfig

Wording = Literal["single", "pair", "reversed", "unlabelled", "text"]
"""Which text of a `PromptConfig` an arm uses."""


@dataclass(frozen=True)
class ArmContext:
    """For whom references are to be found."""

    cohort: Cohort
    split: str  # ``'train'``, ``'val'`` or ``'test'``
    arm: ArmConfig
    seed: int
    model: ModelConfig | None = None  # the model that is trained or evaluated


@dataclass(frozen=True)
class Arm:
    """One condition."""

    name: str  # as in the records
    shows: str  # what the model is shown
    isolates: str  # which explanation of a gain (T11) the arm tests, and how
    wording: Wording = "pair"  # which prompt it uses
    find: Callable[[ArmContext], Assignment] | None = None  # from a task to an assignment of references; None where no other item is shown
    takes_references: bool = False  # whether a config of references belongs to the arm
    # from the query's item id, its references and the task to the images in the references' places
    images: Callable[[str, tuple[str, ...], ArmContext], tuple[str, ...]] = field(default=lambda query, references, task: references)
    permits: tuple[str, ...] = ()  # findings of the audit of references that are the very point of the arm


def by_strategy(task: ArmContext) -> Assignment:
    """Find healthy references by the strategy of the arm's config."""
    from empirical.references import choose_references

    assert task.arm.references is not None, "ArmConfig sees to it"
    return choose_references(task.cohort, task.split, task.arm.references, task.seed, model=task.model)


def find_fixed(task: ArmContext) -> Assignment:
    """Draw one reference, and show it to everyone.

    Returns the reference drawn first, for every query; the one drawn next for queries of the first one's own patient or family (and so on).
    With `per_site` the same within each site.
    """
    from empirical.references import Assignment
    from empirical.references.candidates import blind_queries, healthy_pool

    pool = healthy_pool(task.cohort, task.split)
    order = np.random.default_rng(np.random.SeedSequence(task.seed, spawn_key=(2,))).permutation(len(pool))
    return Assignment.of(_choices(blind_queries(task.cohort, task.split), pool.iloc[order], task.arm.per_site), "fixed")


def _choices(queries: pd.DataFrame, drawn: pd.DataFrame, per_site: bool) -> Iterator[Choice]:
    from empirical.references.assignment import Choice
    from empirical.references.candidates import rows_of

    sites = set(queries["site"]) if per_site else {""}
    decks = {site: rows_of(drawn[drawn["site"] == site] if per_site else drawn) for site in sites}
    for query in rows_of(queries):
        for place, reference in enumerate(decks[query["site"] if per_site else ""]):
            if not _kin(query, reference):
                where = f" for site '{query['site']}'" if per_site else ""
                note = "fixed: the one" if place == 0 else f"fixed: number {place + 1}, those before are of the query's patient or family"
                yield Choice(query["item_id"], [reference["item_id"]], [note + where])
                break
        else:
            where = f" at site '{query['site']}'" if per_site else ""
            raise InputError(f"arm 'fixed': {query['item_id']} has no reference of another patient{where}")


def _kin(query: Query, reference: Query) -> bool:
    same_family = query["family"] != "" and query["family"] == reference["family"]
    return same_family or query["patient_id"] == reference["patient_id"]


def find_diseased(task: ArmContext) -> Assignment:
    """Find diseased references by the strategy of the arm's config, from the training split."""
    from empirical.references import choose_references

    assert task.arm.references is not None, "ArmConfig sees to it"
    return choose_references(task.cohort, task.split, task.arm.references, task.seed, model=task.model, diseased=True)


def find_elsewhere(task: ArmContext) -> Assignment:
    """Draw healthy references from the other cohort.

    Returns A random one for each query, as item ids of the other cohort.
    """
    from empirical.cohorts import Cohort
    from empirical.references import Assignment
    from empirical.references.assignment import Choice
    from empirical.references.candidates import blind_queries, healthy_pool, stream_of

    other = Cohort.load(Path(task.arm.other_cohort or ""))
    if other.info.modality == task.cohort.info.modality:
        raise InputError(f"arm 'wrong_modality': {other.folder} is of the same modality ('{other.info.modality}'); name another cohort")
    names = healthy_pool(other, task.split)["item_id"].to_numpy()
    note = f"wrong_modality: {other.info.modality}, random, from {len(names)}"
    items = blind_queries(task.cohort, task.split)["item_id"]
    draws = {item: int(stream_of(task.seed, item).integers(len(names))) for item in items}
    return Assignment.of([Choice(item, [str(names[place])], [note]) for item, place in draws.items()], "wrong_modality")


_ALL = (
    Arm(name="single", shows="the query alone", isolates="nothing: it is the baseline", wording="single"),
    Arm(
        name="pair",
        shows="one healthy reference and the query",
        isolates="the claim: a gain by any of the explanations together. With 'random' references nothing of the patient is shared, "
        "with 'cross_center' (same, other) the site is or is not: (i)",
        find=by_strategy,
        takes_references=True,
    ),
    Arm(
        name="multi",
        shows="several healthy references and the query",
        isolates="(ii) unknown population mean: under it more references go on helping, also random ones",
        find=by_strategy,
        takes_references=True,
    ),
    Arm(
        name="duplicate",
        shows="the query twice",
        isolates="(iii) prompt and tokens: as many tokens and the same words without information; a gain that remains is not comparison",
        images=lambda query, references, task: (query,),
    ),
    Arm(
        name="blank",
        shows="a uniform gray image, said to be a healthy reference, and the query",
        isolates="(iii) prompt and tokens: a second image without content",
        images=lambda query, references, task: (made_up("blank", query),),
    ),
    Arm(
        name="noise",
        shows="white noise of the query's mean and spread, said to be a healthy reference, and the query",
        isolates="(iii) prompt and tokens: a second image whose tokens vary from item to item and say nothing",
        images=lambda query, references, task: (made_up("noise", query, task.seed),),
    ),
    Arm(
        name="fixed",
        shows="one healthy reference, the same for all queries (or one for each site), and the query",
        isolates="(ii) unknown population mean: then fixed is about as good as fresh; what query and reference share (T1, T9): then it is "
        "worthless; one per site: (i)",
        find=find_fixed,
    ),
    Arm(
        name="diseased",
        shows="a diseased reference of another patient, said to be healthy, and the query",
        isolates="(v) known-healthy label, falsified: a model that compares is misled, one that ignores the reference is not (T6)",
        find=find_diseased,
        takes_references=True,
        permits=("reference_not_healthy",),
    ),
    Arm(
        name="wrong_modality",
        shows="a healthy image of another modality, said to be a healthy reference, and the query",
        isolates="(iii) prompt and tokens: a real picture that cannot be compared",
        find=find_elsewhere,
        images=lambda query, references, task: tuple(from_elsewhere(task.arm.other_cohort or "", item) for item in references),
    ),
    Arm(
        name="reversed",
        shows="the query, and after it the healthy reference",
        isolates="(iii) prompt and tokens: information does not depend on the order of the images; a difference is due to where tokens "
        "stand",
        wording="reversed",
        find=by_strategy,
        takes_references=True,
    ),
    Arm(
        name="unlabelled",
        shows="a healthy reference, not said to be healthy, and the query",
        isolates="(v) known-healthy label, hidden: what is lost is the worth of knowing that the reference is healthy",
        wording="unlabelled",
        find=by_strategy,
        takes_references=True,
    ),
    Arm(
        name="text",
        shows="the query alone, with the request to compare it with a healthy one",
        isolates="(iii) prompt: the words without a second image",
        wording="text",
    ),
)
ARMS: dict[str, Arm] = {arm.name: arm for arm in _ALL}
"""By name, the three arms of the claim first, then the nine controls."""

if TYPE_CHECKING:
    ArmName = str
else:
    ArmName = Literal[tuple(ARMS)]  # so that a config refuses other names, and says which there are


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
