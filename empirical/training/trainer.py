"""What we add to transformers' Trainer: the loss on the answer's tokens alone, items in the order of the plan, whole checkpoints."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Sampler, SequentialSampler
from tqdm import tqdm
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from empirical.prompts.example import Example
from empirical.training.checkpoints import mark_whole
from empirical.vlm.inference.encoder import IGNORE, Encoder
from empirical.vlm.inference.scoring import to_device, token_log_probabilities
from see_in_pairs.errors import InputError


def collate(encoder: Encoder) -> Callable[[Sequence[Example]], dict[str, torch.Tensor]]:
    """Make a collator: a pure function of its rows, as an exact resume demands.

    Returns from examples to a batch with ``labels`` of shape (rows, longest answer).
    """

    def rows_to_batch(examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        batch, labels = encoder.with_answers(examples, [example.answer for example in examples], end=True)
        return batch | {"labels": labels}

    return rows_to_batch


class AnswerTrainer(Trainer):
    """A Trainer whose loss is the mean negative log-probability of the answers' tokens.

    Logits are computed at the answers only, so their memory does not grow with the prompt and its images.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.model_accepts_loss_kwargs = False  # our loss is a mean per forward pass: let the Trainer divide by the accumulation steps
        self.remove_callback(PrinterCallback)  # it prints on standard output, which is for results

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler:
        return SequentialSampler(self.train_dataset)  # the plan already is the order

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None, **_: Any
    ) -> torch.Tensor | tuple[torch.Tensor, dict[str, Any]]:
        """Compute the loss of one batch.

        Returns scalar; with `return_outputs` an empty dict beside it.
        """
        labels = inputs.pop("labels")
        inputs = to_device(inputs, self.model)  # pictures take the model's number format, as in scoring: there may be no autocast to do it
        loss = -token_log_probabilities(model, inputs, labels).sum() / (labels != IGNORE).sum()
        return (loss, {}) if return_outputs else loss

    def try_step(self, examples: Sequence[Example]) -> None:
        """Run one step as a run with accumulation does, to see whether it fits; the weights are of no use afterwards."""
        try:
            self._two_passes(examples)
            optimizer = self.create_optimizer() if self.optimizer is None else self.optimizer
            getattr(optimizer, "optimizer", optimizer).step()  # accelerate's would wait for the end of an accumulation
        finally:
            self.model.zero_grad(set_to_none=True)

    def try_passes(self, examples: Sequence[Example]) -> None:
        """Run the passes of a step with accumulation, to see whether they fit; the weights stay as they are."""
        try:
            self.model.train()
            self._two_passes(examples)
        finally:
            self.model.zero_grad(set_to_none=True)

    def _two_passes(self, examples: Sequence[Example]) -> None:
        for _ in range(2):
            batch = self._prepare_inputs(self.data_collator(examples))
            with self.accelerator.autocast(), self.compute_loss_context_manager():  # before training begins the model brings no autocast
                loss = self.compute_loss(self.model, batch)
            self.accelerator.backward(loss)


class MarkComplete(TrainerCallback):
    """Mark a checkpoint once all of it is on disk, so that a kill while it is written cannot spoil the resume."""

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Write the mark."""
        if torch.distributed.is_initialized():
            torch.distributed.barrier()  # a mark by the first to be done would vouch for files that another has yet to write
        if state.is_world_process_zero:
            mark_whole(Path(args.output_dir or ".") / f"checkpoint-{state.global_step}")


class StopOnNonFinite(TrainerCallback):
    """Stop where the loss or the gradient is no number: every later step, and every checkpoint, would be none either."""

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        """Look at what was logged, which is before a checkpoint of the step would be written."""
        for key, what in (("loss", "loss"), ("grad_norm", "gradient's norm"), ("eval_loss", "validation loss")):
            value = (logs or {}).get(key)
            if value is not None and not math.isfinite(float(value)):
                raise InputError(
                    f"training diverged: the {what} is {float(value)} at step {state.global_step} of {state.max_steps}; "
                    f"lower learning_rate ({args.learning_rate:g}) or raise warmup, and begin in a new folder"
                )


class Bar(TrainerCallback):
    """A progress bar with the loss, on standard error and on a terminal only."""

    def __init__(self, steps: int) -> None:
        self.bar = tqdm(total=steps, desc="finetune", unit="step", file=sys.stderr, disable=not sys.stderr.isatty())

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Move the bar."""
        self.bar.update(state.global_step - self.bar.n)

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        """Show the loss."""
        if logs and "loss" in logs:
            self.bar.set_postfix(loss=f"{float(logs['loss']):.3f}")
