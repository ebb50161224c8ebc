"""The settings of an evaluation."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from empirical.arms import ArmConfig
from empirical.prompts.templates import PromptConfig
from empirical.vlm.config import ModelConfig
from empirical.vlm.inference.batch_scorer import SpeedConfig
from see_in_pairs.configs import Count, SeedNumber, StrictConfig, Threads

MAY_CHANGE = {"calibrate_on"}
"""Settings that may change when a run is resumed, since no score depends on them."""


class EvaluateConfig(StrictConfig):
    """Everything that decides an evaluation.

    Parameters
    ----------
    cohort : str
        Folder of the cohort.
    arms : list of ArmConfig
        Arms to score, each on all queries of the split; their run_ids differ.
    model : ModelConfig
        The model to score; a folder written by ``finetune`` brings its adapter, arm and seed along.
    prompts : PromptConfig
        Wording of the question, and the answers.
    wordings : tuple of str
        Ask in each of these wordings instead, and name it in the records: ``SET/NAME`` as 'see-in-pairs configs wordings' lists them,
        ``SET`` or ``SET/KIND`` for several, where SET is a bundled set or a YAML file. An arm for which a wording has no text is left out
        there.
    choice_orders : int
        Show every question with its answers in this many orders, each rotated by one place, so that a preference for a place is seen. A
        question of fewer answers comes round to its first order again.
    split : str
        Split of the cohort that queries come from, ``test`` or ``val``.
    batch_size : int
        Rows in a forward pass. A run that was not finished may be resumed with a smaller one; it keeps what was scored.
    speed : SpeedConfig
        Which repeated work is avoided; the scores stay those of the plain path.
    spaced : bool
        Count an answer with and without a space before it as the same; their probabilities are added.
    generate : bool
        Also let the model answer in its own words (columns ``generated`` and ``parsed``), and report how often both scorers agree.
    max_new_tokens : int
        Number of tokens after which a generated reply is cut off.
    calibrate_on : str, optional
        Records of the same model and arms on the ``val`` split. A temperature is fitted there; ``calibration.json`` and
        ``reliability.png`` show its effect here. The scores in the records are not changed.
    doctor : bool
        Check the model before scoring (takes seconds).
    allow : tuple of str
        Names of audit findings that do not stop the run; recorded in the manifest.
    threads : int, optional
        CPU threads of torch; where it is fixed, results do not depend on the machine's number of cores.
    allow_other_prompt : bool
        Evaluate a finetuned model with another wording than it was trained on.
    seed : int
        Decides the choice of references, and what arms draw at random.
    """

    cohort: str
    arms: list[ArmConfig] = Field(min_length=1)
    model: ModelConfig = ModelConfig()
    prompts: PromptConfig = PromptConfig()
    wordings: tuple[str, ...] = Field(default=(), exclude_if=lambda names: not names)
    choice_orders: int = Field(default=1, ge=1, le=100, exclude_if=lambda number: number == 1)
    split: Literal["test", "val"] = "test"
    batch_size: Count = 16
    speed: SpeedConfig = SpeedConfig()
    spaced: bool = False
    generate: bool = False
    max_new_tokens: int = Field(default=8, ge=1, le=4096)
    calibrate_on: str | None = None
    doctor: bool = True
    allow: tuple[str, ...] = ()
    threads: Threads | None = None
    allow_other_prompt: bool = False
    seed: SeedNumber = 0

    @model_validator(mode="after")
    def _distinct(self) -> EvaluateConfig:
        names = [run_id(arm) for arm in self.arms]
        if len(set(names)) < len(names):
            raise ValueError("two arms have the same run_id; give each its own")
        return self


def run_id(arm: ArmConfig) -> str:
    """Name of an arm's rows in the records: its ``run_id``, or arm and strategy."""
    return arm.run_id or (f"{arm.arm}-{arm.strategy}" if arm.references is not None else arm.arm)
