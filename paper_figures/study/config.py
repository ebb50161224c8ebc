"""The settings of a training study."""

from __future__ import annotations

import re
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from empirical.arms import ArmConfig
from empirical.cohorts.phantom import PhantomConfig
from empirical.prompts.templates import PromptConfig
from empirical.vlm.config import ModelConfig
from see_in_pairs.configs import SeedNumber, StrictConfig

ALL = "all"
SETTINGS = "study.json"
"""File with all settings of a study, in its folder."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

SET_BY_THE_DESIGN = {"cohort", "arm", "arms", "model", "prompts", "n_train", "seed"}
"""Settings of ``finetune`` and ``evaluate`` that the study sets for each cell."""


class CohortSource(StrictConfig):
    """Where a cohort comes from: exactly one of a phantom, which the study makes, and a folder.

    Parameters
    ----------
    phantom : PhantomConfig, optional
        Settings of a phantom, which is made with the study's `phantom_seed`.
    folder : str, optional
        Folder of a cohort made by ``see-in-pairs cohort import``.
    """

    phantom: PhantomConfig | None = None
    folder: str | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.phantom is None) == (self.folder is None):
            raise ValueError("give either phantom (settings) or folder (of a cohort)")
        return self


class Block(StrictConfig):
    """Cells that are run together: every combination of cohort, arm, number of training patients and seed.

    Parameters
    ----------
    cohorts, arms : list of str, optional
        Names of cohorts and arms of the study; by default all of them.
    n_train : list of int or ``'all'``
        Numbers of training patients, 2 or more; 0 evaluates the model off the shelf.
    seeds : list of int
        Each seed decides the training patients, their order, the references and everything else that is random in a training.
    training : dict
        Settings of ``finetune`` that replace the study's `training` in this block.
    part : str, optional
        Name of the part of the study that the block belongs to, for ``study --part``. A block without one is called ``block-`` and its
        number.
    """

    part: str | None = None
    cohorts: list[str] | None = None
    arms: list[str] | None = None
    n_train: list[int | Literal["all"]] = Field(min_length=1)
    seeds: list[SeedNumber] = Field(min_length=1)
    training: dict[str, Any] = Field(default_factory=dict)

    @field_validator("n_train")
    @classmethod
    def _possible(cls, sizes: list[int | str]) -> list[int | str]:
        if any(isinstance(size, int) and (size < 0 or size == 1) for size in sizes):
            raise ValueError("numbers of patients are 0 (off the shelf), 2 or more, or 'all'")
        return sizes

    @field_validator("part")
    @classmethod
    def _can_be_typed(cls, name: str | None) -> str | None:
        if name is not None and not NAME.fullmatch(name):
            raise ValueError(f"'{name}': use letters, digits, '.', '_' and '-'")
        return name

    @field_validator("cohorts", "arms", "n_train", "seeds")
    @classmethod
    def _distinct(cls, values: list[Any] | None) -> list[Any] | None:
        if values is not None and (len(set(values)) < len(values) or not values):
            raise ValueError(f"{values}: name at least one, and each once")
        return values


class Restarts(StrictConfig):
    """When a training is started again, with another seed: a small model finetuned in few steps may never leave the plateau of the start.

    On the plateau a model knows how often each answer is right, but ignores the pictures. The loss there follows from the training
    labels and from the answers' tokens; ``finetune`` records it (``plateau_loss`` in its manifest). A training that has left it counts,
    however well it has learned: no test item is looked at, and the rule is the same for every arm.

    Parameters
    ----------
    within : float
        A training stayed on the plateau if its mean loss over the last tenth of the steps is less than this share below it (or above it).
    attempts : int
        Largest number of attempts, including the first (2 to 20). The first that left the plateau counts, else the last.
    """

    within: float = Field(default=0.02, gt=0, le=0.2)
    attempts: int = Field(ge=2, le=20)

    @model_validator(mode="before")
    @classmethod
    def _cut_on_performance(cls, content: Any) -> Any:
        if isinstance(content, dict) and "above" in content:
            advice = "write {attempts: 3} alone; a training is then started again if its loss ends on the plateau"
            raise ValueError(f"'above' is from earlier versions, and chose trainings by how well they had learned; {advice}")
        return content


class StudyConfig(StrictConfig):
    """Everything that decides a study.

    Parameters
    ----------
    title : str
        Heading of the page and of the figures.
    model : ModelConfig
        The model that every finetuning starts from, and that is evaluated off the shelf.
    prompts : PromptConfig
        Wording of single and paired prompts, and the answers that are scored.
    cohorts : dict of str to CohortSource
        Cohorts by a name that can be a folder's (letters, digits, ``.``, ``_``, ``-``).
    arms : dict of str to ArmConfig
        Arms by such a name; a model is trained and evaluated on the same arm.
    training, evaluation : dict
        Settings of ``finetune`` and ``evaluate``, all but cohort, arm, model, prompts, number of patients and seed.
    blocks : list of Block
        Blocks to run, in this order. When it is run again, arms and blocks may be added, and blocks may get more seeds.
    comparisons : list of pair of str
        Arms whose areas are compared, the first minus the second, at every number of patients. All p-values of a study are one family.
    restarts : Restarts, optional
        By default a training is never started again. May be changed when a study is run again: only missing attempts are run.
    keep_models : bool
        Whether the finetuned weights of a cell are kept after its evaluation.
    phantom_seed : int
        Seed of all phantoms, so that those that differ in rho alone show the same queries.
    """

    title: str = "A study"
    model: ModelConfig = ModelConfig()
    prompts: PromptConfig = PromptConfig()
    cohorts: dict[str, CohortSource] = Field(min_length=1)
    arms: dict[str, ArmConfig] = Field(min_length=1)
    training: dict[str, Any] = Field(default_factory=dict)
    evaluation: dict[str, Any] = Field(default_factory=dict)
    blocks: list[Block] = Field(min_length=1)
    comparisons: list[tuple[str, str]] = Field(default_factory=list)
    restarts: Restarts | None = None
    keep_models: bool = True
    phantom_seed: SeedNumber = 0

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for kind, names in (("cohorts", self.cohorts), ("arms", self.arms)):
            if odd := [name for name in names if not NAME.fullmatch(name)]:
                raise ValueError(f"{kind}: '{odd[0]}' cannot name a folder; use letters, digits, '.', '_' and '-'")
        for block in self.blocks:
            _known(block.cohorts, self.cohorts, "cohort")
            _known(block.arms, self.arms, "arm")
            _not_set_here(block.training, "blocks.training")
        for pair in self.comparisons:
            _known(list(pair), self.arms, "arm")
        _not_set_here(self.training, "training")
        _not_set_here(self.evaluation, "evaluation")
        if several := sorted({"wordings", "choice_orders"} & set(self.evaluation)):
            raise ValueError(f"evaluation: '{several[0]}' would score each item several times, and a study scores it once; leave it out")
        return self


def _known(names: list[str] | None, known: dict[str, Any], kind: str) -> None:
    for name in names or ():
        if name not in known:
            raise ValueError(f"unknown {kind} '{name}' (known: {', '.join(known)})")


def _not_set_here(settings: dict[str, Any], where: str) -> None:
    if clash := sorted(SET_BY_THE_DESIGN & set(settings)):
        raise ValueError(f"{where}: '{clash[0]}' is set by the study itself")
