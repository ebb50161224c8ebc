"""The settings of an evaluation."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from empirical.arms import ArmConfig
from empirical.prompts.templates import PromptConfig
from empirical.vlm.config import ModelConfig
from empirical.vlm.inference.batch_scorer import SpeedConfig
from see_in_pairs.configs import StrictConfig

MAY_CHANGE = {"calibrate_on"}
"""What a folder may be gone on with in another way: no score depends on it."""


class EvaluateConfig(StrictConfig):
    """Everything that decides an evaluation.

    Parameters
    ----------
    cohort : str
        Folder of the cohort.
    arms : list of ArmConfig
        What is scored, each on all queries of the split.
    model : ModelConfig
        The model; a folder written by ``finetune`` brings its adapter, arm and seed along.
    prompts : PromptConfig
        Wording and answers.
    split : str
        ``test`` or ``val``.
    batch_size : int
        Rows in a forward pass. A run that was not finished can be gone on with at a smaller one; it keeps what was scored.
    speed : SpeedConfig
        What work to save; the scores stay those of the plain path.
    spaced : bool
        Count an answer with and without a space before it as the same.
    generate : bool
        Also let the model answer in its own words (columns ``generated`` and ``parsed``), and report how often both scorers agree.
    max_new_tokens : int
        Where to stop a reply.
    calibrate_on : str, optional
        Records of the same model and arms on the ``val`` split: a temperature is fitted there, and ``calibration.json`` and
        ``reliability.png`` say what it does here. The records themselves keep the scores as they are.
    doctor : bool
        Check the model before it is trusted (seconds).
    allow : tuple of str
        Names of audit findings that may pass; recorded in the manifest.
    threads : int, optional
        CPU threads of torch.
    allow_other_prompt : bool
        Evaluate a finetuned model with another wording than it was trained on.
    seed : int
        Of the choice of references.
    """

    cohort: str
    arms: list[ArmConfig] = Field(min_length=1)
    model: ModelConfig = ModelConfig()
    prompts: PromptConfig = PromptConfig()
    split: Literal["test", "val"] = "test"
    batch_size: int = Field(default=16, ge=1)
    speed: SpeedConfig = SpeedConfig()
    spaced: bool = False
    generate: bool = False
    max_new_tokens: int = Field(default=8, ge=1)
    calibrate_on: str | None = None
    doctor: bool = True
    allow: tuple[str, ...] = ()
    threads: int | None = Field(default=None, ge=1)
    allow_other_prompt: bool = False
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _distinct(self) -> EvaluateConfig:
        names = [run_id(arm) for arm in self.arms]
        if len(set(names)) < len(names):
            raise ValueError("two arms have the same run_id; give each its own")
        return self


def run_id(arm: ArmConfig) -> str:
    """Name the rows of an arm.

    Returns its ``run_id``, or arm and strategy.
    """
    return arm.run_id or (f"{arm.arm}-{arm.strategy}" if arm.references is not None else arm.arm)
