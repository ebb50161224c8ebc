"""Every arm, each one block of `ARMS`: what the model is shown, and which rival explanation of a gain (T11) that isolates.

(i) site or scanner shared by query and reference; (ii) the observer does not know the healthy population; (iii) the paired prompt or its
tokens; (iv) pair augmentation in training; (v) the reference is known to be healthy; (vi) the operating point.

`fixed` is the sharpest single control: if the model does not know the healthy population, one fixed reference helps about as much as new
ones (ii). If the benefit comes from what reference and query share, a fixed one is worthless (T9).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from empirical.arms.images import other_cohort_name, synthetic_name
from empirical.references import ReferenceConfig
from see_in_pairs.configs import StrictConfig, unset
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    from empirical.cohorts import Cohort
    from empirical.references import Assignment
    from empirical.vlm.config import ModelConfig

Wording = Literal["single", "pair", "reversed", "unlabelled", "text", "question_only"]
"""Which text of a `PromptConfig` an arm uses."""


@dataclass(frozen=True)
class ArmContext:
    """The queries that need references, and the settings to find them with."""

    cohort: Cohort
    split: str  # ``'train'``, ``'val'`` or ``'test'``
    arm: ArmConfig
    seed: int
    model: ModelConfig | None = None  # the model that is trained or evaluated


@dataclass(frozen=True)
class Arm:
    """One condition: what stands beside the query, and in which words it is shown."""

    name: str  # as in configs and records
    shows: str  # what the model is shown
    isolates: str  # which explanation of a gain (T11) the arm tests, and how
    expects: str  # when a gain over `single` is expected
    wording: Wording = "pair"
    find: Callable[[ArmContext], Assignment] | None = None  # chooses the references; None where only the query is shown
    # from the query's item id and its references to the names of the images beside it; None: the references themselves
    images: Callable[[str, tuple[str, ...], ArmContext], tuple[str, ...]] | None = None
    # from the query's item id to the image in the query's place; None: the query
    query: Callable[[str], str] | None = None
    shows_query: bool = True
    requires: tuple[str, ...] = ()  # keys of `ArmConfig` that must be given for this arm
    accepts: tuple[str, ...] = ()  # keys of `ArmConfig` that may be given; any other key is refused
    reads: tuple[str, ...] = ()  # keys of `references` that may be given, where the arm does not choose by a strategy
    allows: tuple[str, ...] = ()  # findings of the audit of references that the arm has on purpose


def find_by_strategy(context: ArmContext, diseased: bool = False) -> Assignment:
    """Choose references, healthy or diseased ones, by the strategy of the arm's config."""
    from empirical.references import choose_references

    assert context.arm.references is not None, "ArmConfig sees to it"
    return choose_references(context.cohort, context.split, context.arm.references, context.seed, model=context.model, diseased=diseased)


def find_fixed(context: ArmContext) -> Assignment:
    """Draw one reference for everyone, or with `per_site` one for each site.

    Queries of the same patient or family as that reference are shown the one drawn next, and so on.
    """
    from empirical.references import Assignment
    from empirical.references.assignment import Choice
    from empirical.references.candidates import RelatedItems, blind_queries, healthy_pool, rows_of

    pool, queries = healthy_pool(context.cohort, context.split), blind_queries(context.cohort, context.split)
    shuffled = pool.iloc[np.random.default_rng(np.random.SeedSequence(context.seed, spawn_key=(2,))).permutation(len(pool))]
    by_site = {site: shuffled[shuffled["site"] == site] for site in set(queries["site"])} if context.arm.per_site else {}
    related = {site: RelatedItems(drawn, ("patient_id", "family")) for site, drawn in (by_site or {"": shuffled}).items()}
    choices = []
    for query in rows_of(queries):
        site, drawn = (query["site"], by_site[query["site"]]) if by_site else ("", shuffled)
        excluded = set(related[site].positions(query).tolist())
        place = next((place for place in range(len(drawn)) if place not in excluded), None)
        if place is None:
            where = f" at site '{site}'" if by_site else ""
            raise InputError(f"arm 'fixed': {query['item_id']} has no reference of another patient{where}")
        note = "fixed: the one" if place == 0 else f"fixed: number {place + 1}, those before are of the query's patient or family"
        choices.append(Choice(query["item_id"], [drawn["item_id"].iloc[place]], [note + (f" for site '{site}'" if by_site else "")]))
    return Assignment.of(choices, "fixed")


def find_in_other_cohort(context: ArmContext) -> Assignment:
    """Draw a random healthy reference of the other cohort for each query, as item ids of that cohort."""
    from empirical.cohorts import Cohort
    from empirical.references import Assignment
    from empirical.references.assignment import Choice
    from empirical.references.candidates import blind_queries, healthy_pool, query_rng

    other = Cohort.load(Path(context.arm.other_cohort or ""))
    if other.info.modality == context.cohort.info.modality:
        raise InputError(f"arm 'wrong_modality': {other.folder} is of the same modality ('{other.info.modality}'); name another cohort")
    names = healthy_pool(other, context.split)["item_id"].to_numpy()
    note = f"wrong_modality: {other.info.modality}, random, from {len(names)}"
    items = blind_queries(context.cohort, context.split)["item_id"]
    draws = {item: int(query_rng(context.seed, item).integers(len(names))) for item in items}
    return Assignment.of([Choice(item, [str(names[place])], [note]) for item, place in draws.items()], "wrong_modality")


_BLOCKS = (
    Arm(
        name="single",
        shows="the query alone",
        isolates="nothing: it is the baseline",
        expects="",
        wording="single",
        accepts=("extra_healthy",),
    ),
    Arm(
        name="pair",
        shows="one healthy reference and the query",
        isolates="the claim: a gain by any of the explanations together. With 'random' references nothing of the patient is shared, "
        "with 'cross_center' (same, other) the site is or is not: (i)",
        expects="by all of them",
        find=find_by_strategy,
        requires=("references",),
    ),
    Arm(
        name="multi",
        shows="several healthy references and the query",
        isolates="(ii) unknown population mean: under it more references go on helping, also random ones",
        expects="with matched nuisance, (i) or (ii)",
        find=find_by_strategy,
        requires=("references",),
    ),
    Arm(
        name="duplicate",
        shows="the query twice",
        isolates="(iii) prompt and tokens: as many tokens and the same words without information; a gain that remains is not comparison",
        expects="under (iii) only",
        images=lambda query, references, context: (query,),
    ),
    Arm(
        name="blank",
        shows="a uniform gray image, said to be a healthy reference, and the query",
        isolates="(iii) prompt and tokens: a second image without content",
        expects="under (iii) only",
        images=lambda query, references, context: (synthetic_name("blank", query),),
    ),
    Arm(
        name="noise",
        shows="white noise of the query's mean and spread, said to be a healthy reference, and the query",
        isolates="(iii) prompt and tokens: a second image whose tokens vary from item to item and say nothing",
        expects="under (iii) only",
        images=lambda query, references, context: (synthetic_name("noise", query, context.seed),),
    ),
    Arm(
        name="fixed",
        shows="one healthy reference, the same for all queries (or one for each site), and the query",
        isolates="(ii) unknown population mean: then fixed is about as good as fresh; what query and reference share (T1, T9): then it is "
        "worthless; one per site: (i)",
        expects="under (ii) about as with fresh ones; one per site under (i); else none",
        find=find_fixed,
        accepts=("per_site", "references"),
        reads=("align", "detail"),
    ),
    Arm(
        name="diseased",
        shows="a diseased reference of another patient, said to be healthy, and the query",
        isolates="(v) known-healthy label, falsified: a model that compares is misled, one that ignores the reference is not (T6)",
        expects="less than `pair` where the reference is used",
        find=partial(find_by_strategy, diseased=True),
        accepts=("references",),
        allows=("reference_not_healthy",),
    ),
    Arm(
        name="wrong_modality",
        shows="a healthy image of another modality, said to be a healthy reference, and the query",
        isolates="(iii) prompt and tokens: a real picture that cannot be compared",
        expects="under (iii) only",
        find=find_in_other_cohort,
        images=lambda query, references, context: tuple(other_cohort_name(context.arm.other_cohort or "", item) for item in references),
        requires=("other_cohort",),
    ),
    Arm(
        name="reversed",
        shows="the query, and after it the healthy reference",
        isolates="(iii) prompt and tokens: information does not depend on the order of the images; a difference is due to where tokens "
        "stand",
        expects="as `pair`",
        wording="reversed",
        find=find_by_strategy,
        requires=("references",),
    ),
    Arm(
        name="unlabelled",
        shows="a healthy reference, not said to be healthy, and the query",
        isolates="(v) known-healthy label, hidden: what is lost is the worth of knowing that the reference is healthy",
        expects="less than `pair` under (v), which needs (ii); else as `pair`",
        wording="unlabelled",
        find=find_by_strategy,
        requires=("references",),
    ),
    Arm(
        name="text",
        shows="the query alone, with the request to compare it with a healthy one",
        isolates="(iii) prompt: the words without a second image",
        expects="under (iii) only",
        wording="text",
    ),
    Arm(
        name="question_only",
        shows="the question without any image",
        isolates="(iii) prompt: what the words of question and answers give away by themselves. An accuracy above that of the most "
        "frequent answer says that the questions can be answered without looking",
        expects="nowhere, where one question is asked of all items",
        wording="question_only",
        shows_query=False,
    ),
    Arm(
        name="reference_only",
        shows="the healthy reference, and a uniform gray image in the query's place",
        isolates="(i) shared site, and whatever else references are matched by: whether the reference alone tells the class. An AUROC "
        "above .5 is the leak s of T7 and T13, with which the pair gains without comparing",
        expects="nowhere: the AUROC is .5 where the reference knows nothing of the class",
        find=find_by_strategy,
        query=lambda query: synthetic_name("blank", query),
        requires=("references",),
    ),
)
ARMS: dict[str, Arm] = {arm.name: arm for arm in _BLOCKS}
"""By name, the three arms of the claim first, then the controls; a new arm is one more block above."""

if TYPE_CHECKING:
    ArmName = str
else:
    ArmName = Literal[tuple(ARMS)]  # so that a config refuses other names and lists the known ones


class ArmConfig(StrictConfig):
    """One arm of an experiment.

    Parameters
    ----------
    arm : str
        ``single`` (the query alone), ``pair`` (one reference), ``multi`` (several), or a control. `empirical.arms.ARMS` lists what each
        arm shows and isolates. A model can be trained on any arm, and evaluated on another.
    references : ReferenceConfig, optional
        How references are chosen, for the arms that need it, and for ``diseased`` (by default at random). For ``fixed`` only `align` and
        `detail`.
    other_cohort : str, optional
        For ``wrong_modality``: folder of a cohort with another modality.
    per_site : bool, default False
        For ``fixed``: one reference for each site.
    extra_healthy : ReferenceConfig, optional
        For ``single``, in training only: references of the training queries as further healthy cases, each shown alone (T4.5). They take
        turns with the healthy queries, so that classes are shown as often as without them.
    run_id : str, optional
        A name for the run in the records and for its files: letters, digits and ``. _ + = -``; by default made of arm and strategy.
    """

    arm: ArmName
    references: ReferenceConfig | None = None
    other_cohort: str | None = None
    per_site: bool = False
    extra_healthy: ReferenceConfig | None = Field(default=None, exclude_if=unset)
    run_id: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _optional_references_are_random(cls, content: Any) -> Any:
        if isinstance(content, dict) and content.get("references") is None:
            arm = ARMS.get(str(content.get("arm")))
            if arm is not None and "references" in arm.accepts and not arm.reads:
                return content | {"references": ReferenceConfig()}
        return content

    @field_validator("run_id")
    @classmethod
    def _plain_name(cls, name: str | None) -> str | None:
        if name is not None and not re.fullmatch(r"\w[\w.+=-]*", name):
            raise ValueError(f"{name!r} is used in file names: use only letters, digits and . _ + = -, and begin with a letter or digit")
        return name

    @model_validator(mode="after")
    def _settings_belong_to_the_arm(self) -> Self:
        condition = ARMS[self.arm]
        for key in (name for name in ArmConfig.model_fields if name not in ("arm", "run_id")):
            given = getattr(self, key) != ArmConfig.model_fields[key].default
            if key in condition.requires and not given:
                raise ValueError(f"arm '{self.arm}' needs {key}")
            if given and key not in (*condition.requires, *condition.accepts):
                users = [name for name, arm in ARMS.items() if key in (*arm.requires, *arm.accepts)]
                raise ValueError(f"arm '{self.arm}' does not take {key} (it is for {', '.join(users)})")
        own = self.references
        if condition.reads and own is not None and own != ReferenceConfig(**{key: getattr(own, key) for key in condition.reads}):
            raise ValueError(f"arm '{self.arm}' reads only {' and '.join(condition.reads)} of references")
        if any(one is not None and one.strategy == "given" for one in (own, self.extra_healthy)) and condition.wording != "unlabelled":
            raise ValueError(
                f"arm '{self.arm}' says that references are healthy, which given ones need not be; use the arm 'unlabelled', which does not"
            )
        if self.arm in ("pair", "multi") and self.references is not None and (self.references.m == 1) != (self.arm == "pair"):
            raise ValueError("arm 'pair' shows one reference (m: 1), arm 'multi' more than one")
        return self

    @property
    def strategy(self) -> str:
        """The reference strategy as written in the records: for a control without a strategy its own name, ``''`` for the query alone."""
        if self.references is not None and ARMS[self.arm].reads:
            return self.arm if self.references.align == "none" else f"{self.arm}+{self.references.align}"
        if self.references is not None:
            return self.references.recorded_name
        alone = ARMS[self.arm].find is None and ARMS[self.arm].images is None
        return "" if alone else self.arm
