"""The settings of a finetuning run."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from empirical.arms import ArmConfig
from empirical.prompts.templates import PromptConfig
from empirical.vlm.config import ModelConfig
from see_in_pairs.configs import Count, SeedNumber, StrictConfig, Threads, unset

Method = Literal["full", "lora"]
"""What is trained: every weight, or low-rank adapters only."""


class LoraConfig(StrictConfig):
    """Low-rank adapters (through peft).

    Parameters
    ----------
    rank, alpha : int
        Rank of the update, and its scale (the update is multiplied by alpha / rank).
    dropout : float
        Share of the adapters' inputs set to 0 in training, in [0, 1).
    vision : bool
        Put adapters on the vision tower too; by default on the language model's linear layers only.
    """

    rank: int = Field(default=16, ge=1, le=65_536)
    alpha: int = Field(default=32, ge=1, le=65_536)
    dropout: float = Field(default=0.05, ge=0, lt=1)
    vision: bool = False


class CurriculumConfig(StrictConfig):
    """Easy items first.

    Items whose value in a column exceeds `target` are shown once each, from the largest value down; then the others, shuffled
    again in every epoch. A model with random weights needs this on faint findings: without it all our trials stayed at chance level.

    Parameters
    ----------
    column : str
        A numeric column of the cohort, larger where the item is easier (the phantom's ``contrast``).
    target : float
        Items with a larger value count as easy and are shown first; the others are the actual training items.
    """

    column: str = "contrast"
    target: float = 1.0


class AugmentationConfig(StrictConfig):
    """New noise and a new shift each time a row is shown in training; never in validation and evaluation.

    Both are drawn from the run's seed, the step and the row, so that a resumed run shows the same pictures. Images that are no items
    (the arms ``blank`` and ``noise``) stay as they are.

    Parameters
    ----------
    noise_sd : float
        Standard deviation of normal noise that is added to each image, in gray levels.
    shift : int
        Largest shift in pixels, down or up and to either side. All images of a row are shifted alike, so that they still compare.
    """

    noise_sd: float = Field(default=0.0, ge=0, le=255)
    shift: int = Field(default=0, ge=0, le=10_000)

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if not (self.noise_sd or self.shift):
            raise ValueError("give noise_sd or shift, or leave augmentation out")
        return self


class EarlyStopping(StrictConfig):
    """Stop when the validation loss no longer falls, and keep the best weights. The test split is never used.

    Parameters
    ----------
    every : int
        Steps between two validations; a checkpoint is written with each.
    patience : int
        Validations without a fall after which training ends.
    least : float
        Smallest fall that counts, in nats per answer token.
    within : float, optional
        Patience, and what the best weights are, count only once the loss has left the plateau of the start: from the first validation
        whose loss is more than this share below that of a model that knows how often each answer is right, but ignores the pictures.
        By default they always count.
        If it never leaves it, the last weights are kept. The loss of 20 patients varies by several percent on the plateau: with so few,
        0.02 is too little.
    share : float, optional
        Validate on this share of the training patients, drawn by the seed from each class, and do not train on them; `n_train` counts
        them too. By default the ``val`` split validates.
    """

    every: Count = 50
    patience: Count = 3
    least: float = Field(default=0.0, ge=0)
    within: float | None = Field(default=None, gt=0, lt=1, exclude_if=unset)
    share: float | None = Field(default=None, gt=0, le=0.5, exclude_if=unset)


class ScheduleConfig(StrictConfig):
    """Settings that finetuning and pretraining share; each has its own defaults.

    Parameters
    ----------
    steps, batch_size : int
        Optimiser steps, and rows per device and forward pass.
    learning_rate, warmup, weight_decay, adam_beta2, max_grad_norm : float
        AdamW with a cosine schedule; `warmup` is the share of steps with a rising rate.
    deterministic : bool
        Use kernels that give the same bits every time, so that a resumed run ends in the same weights on a GPU too; slower there.
    seed : int
        Decides everything that is random.
    """

    steps: int
    batch_size: int
    learning_rate: float
    warmup: float
    weight_decay: float
    adam_beta2: float
    max_grad_norm: float
    deterministic: bool = False
    seed: int


class FinetuneConfig(ScheduleConfig):
    """Everything that decides a finetuning run.

    Parameters
    ----------
    cohort : str
        Folder of the cohort; its ``train`` split is used.
    arm : ArmConfig
        What the model is shown: the query alone, or with which references.
    model : ModelConfig
        The model that training starts from; a full model, not an adapter.
    prompts : PromptConfig
        Wording of the question, and the answers.
    method : str
        ``full``: every weight is trained; ``lora``: adapters only.
    lora : LoraConfig
        Rank, scale, dropout and place of the adapters; used when `method` is ``lora``.
    n_train : int, optional
        Use only this many training patients, the first in a seeded order (nested: 100 are among the 200).
    curriculum : CurriculumConfig, optional
        Which items are easy and shown first; by default none.
    references_per_query : int
        Pair augmentation: show each query with this many different references (or sets of them) in turn, one each time. With
        1, the control with the same number of steps, it is always shown with the same one (T11, iv).
    augmentation : AugmentationConfig, optional
        Fresh noise and joint shifts of the images of each row; by default none. Features of a frozen vision tower are then not stored.
    steps, batch_size, gradient_accumulation : int
        Optimiser steps, rows per device and forward pass, and forward passes per step.
    learning_rate, warmup, weight_decay, adam_beta2, max_grad_norm : float
        AdamW with a cosine schedule; `warmup` is the share of steps with a rising rate.
    gradient_checkpointing : bool, optional
        Trade time for memory: keep only a layer's inputs, and compute the layer again for the backward pass. By default on for models of
        more than a billion weights; on a single GPU only where a step, tried at the longest prompts, does not fit without it.
    store_features : bool
        Put each distinct image through a frozen vision tower once, not once per epoch; used where the tower is frozen.
    features_folder : str, optional
        Keep image features there between runs, too.
    early_stopping : EarlyStopping, optional
        By the loss on the ``val`` split, or on a share of the training patients, shown as the arm shows training items.
    report_to : tuple of str
        ``tensorboard`` (event files in the run's folder ``tensorboard``) or ``wandb``, through transformers' Trainer.
    save_every : int
        Steps between checkpoints; a killed run continues from the last.
    keep_checkpoints : bool
        Keep the checkpoints when the run is finished; by default they are deleted.
    doctor : bool
        Check the model before training (takes seconds).
    allow : tuple of str
        Names of audit findings that do not stop the run; recorded in the manifest.
    threads : int, optional
        CPU threads of torch; where it is fixed, results do not depend on the machine's number of cores.
    deterministic : bool
        Use kernels that give the same bits every time, so that a resumed run ends in the same weights on a GPU too; slower there.
    seed : int
        Decides the order of items, the choice of references, the adapters' first weights, and dropout.
    """

    cohort: str
    arm: ArmConfig
    model: ModelConfig = ModelConfig()
    prompts: PromptConfig = PromptConfig()
    method: Method = "lora"
    lora: LoraConfig = LoraConfig()
    n_train: int | None = Field(default=None, ge=2)
    curriculum: CurriculumConfig | None = None
    references_per_query: Count = 1
    augmentation: AugmentationConfig | None = Field(default=None, exclude_if=unset)
    steps: Count = 500
    batch_size: Count = 16
    gradient_accumulation: Count = 1
    learning_rate: float = Field(default=1e-4, gt=0, le=1e15)
    warmup: float = Field(default=0.1, ge=0, lt=1)
    weight_decay: float = Field(default=0.0, ge=0, le=1e3)
    adam_beta2: float = Field(default=0.99, gt=0, lt=1)
    max_grad_norm: float = Field(default=1.0, gt=0, le=1e9)
    gradient_checkpointing: bool | None = None
    store_features: bool = True
    features_folder: str | None = None
    early_stopping: EarlyStopping | None = None
    report_to: tuple[Literal["tensorboard", "wandb"], ...] = ()
    save_every: Count = 100
    keep_checkpoints: bool = False
    doctor: bool = True
    allow: tuple[str, ...] = ()
    threads: Threads | None = None
    seed: SeedNumber = 0

    @model_validator(mode="after")
    def _features_of_new_pictures_are_not_kept(self) -> Self:
        if self.augmentation is not None and self.features_folder is not None:
            raise ValueError("augmentation: every row shows new pictures, so their features cannot be kept; leave out features_folder")
        return self
