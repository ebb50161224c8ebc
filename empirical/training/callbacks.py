"""Callbacks of a training: marks of complete checkpoints, a stop if it diverges, a progress bar, and trackers (TensorBoard, W&B).

Trackers write into the run's own folder.
"""

from __future__ import annotations

import math
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.integrations import TensorBoardCallback, WandbCallback
from transformers.integrations.integration_utils import rewrite_logs

from empirical.training.checkpoints import mark_whole
from see_in_pairs.console import ProgressBar
from see_in_pairs.errors import InputError
from see_in_pairs.files import write_text

TOTALS = ("train_runtime", "train_samples_per_second", "train_steps_per_second", "train_loss", "total_flos")
"""What the Trainer logs once, at the end."""


class MarkComplete(TrainerCallback):
    """Mark a checkpoint once all of it is on disk, so that a kill during writing cannot spoil the resume."""

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Write the mark, from the first process."""
        if torch.distributed.is_initialized():
            torch.distributed.barrier()  # a mark by the first process that finishes would cover files that another has not written yet
        if state.is_world_process_zero:
            mark_whole(Path(args.output_dir or ".") / f"checkpoint-{state.global_step}")


class StopOnNonFinite(TrainerCallback):
    """Stop when the loss or the gradient is not finite: every later step and checkpoint would not be finite either."""

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        """Check what was logged, before a checkpoint of the step is written."""
        for key, what in (("loss", "loss"), ("grad_norm", "gradient's norm"), ("eval_loss", "validation loss")):
            value = (logs or {}).get(key)
            if value is not None and not math.isfinite(float(value)):
                raise InputError(
                    f"training diverged: the {what} is {float(value)} at step {state.global_step} of {state.max_steps}; "
                    f"lower learning_rate ({args.learning_rate:g}) or raise warmup, and start in a new folder"
                )


class StopWithoutFall(TrainerCallback):
    """Stop after `patience` validations in a row without a fall of more than `least`, counted once the loss has been under `below`.

    transformers' own callback counts from the start, so it may stop on the plateau of the first steps; and it forgets its count when a run
    is resumed. This one counts in the history, which a checkpoint keeps. Nor are weights of the plateau kept as the best: up to the first
    loss under `below` the last ones are.
    """

    def __init__(self, patience: int, least: float, below: float) -> None:
        self.patience, self.least, self.below = patience, least, below

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Look at all validations so far."""
        losses = [float(row["eval_loss"]) for row in state.log_history if "eval_loss" in row]
        if not any(loss < self.below for loss in losses[:-1]):
            state.best_metric = state.best_model_checkpoint = state.best_global_step = None  # the Trainer then takes this one
        if validations_without_fall(losses, self.least, self.below) >= self.patience:
            control.should_training_stop = True


def validations_without_fall(losses: Sequence[float], least: float, below: float = math.inf) -> int:
    """Count the last validations whose loss did not fall by more than `least` under the best before, from the first one under `below`.

    Examples
    --------
    >>> validations_without_fall([0.5, 0.4, 0.45, 0.41], least=0)
    2
    >>> validations_without_fall([0.35, 0.36, 0.35], least=0, below=0.34)
    0
    """
    count, best, counts = 0, math.inf, False
    for loss in losses:
        counts = counts or loss < below
        count = 0 if best - loss > least or not counts else count + 1
        best = min(best, loss)
    return count


class StepProgress(TrainerCallback):
    """Advances a progress bar with every step, and shows the loss beside it."""

    def __init__(self, bar: ProgressBar) -> None:
        self.bar, self.note = bar, ""

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Advance the bar; after a resume, by all earlier steps."""
        self.bar.advance(state.global_step - self.bar.done, self.note)

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        """Keep the loss for the next move."""
        if logs and "loss" in logs:
            self.note = f"loss {float(logs['loss']):.3f}"


def trackers(report_to: Sequence[str], settings: dict[str, Any], out: Path, quiet: bool) -> list[TrainerCallback]:
    """Make the callbacks of the trackers that a run reports to; W&B shows `settings` beside the run."""
    callbacks: list[TrainerCallback] = [EventFiles(out / "tensorboard")] if "tensorboard" in report_to else []
    return [*callbacks, WandbRun(settings, out, quiet)] if "wandb" in report_to else callbacks


class EventFiles(TensorBoardCallback):
    """TensorBoard's event files, beside the model: the Trainer would put them among the checkpoints, which are deleted at the end."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.logging_dir = str(folder)

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Start a file that drops the log of a killed run after its last checkpoint: those steps are run, and logged, again."""
        if state.is_world_process_zero:
            self.tb_writer = self._SummaryWriter(log_dir=self.logging_dir, purge_step=state.global_step + 1)
        super().on_train_begin(args, state, control, **kwargs)


class WandbRun(WandbCallback):
    """One W&B run for one finetuning: the Trainer's own callback would start another at every resume, and never end it.

    A second training in the same process would then be logged into the run of the first.
    """

    def __init__(self, settings: dict[str, Any], out: Path, quiet: bool) -> None:
        super().__init__()
        self.run_settings, self.out, self.quiet = settings, out, quiet

    def setup(self, args: TrainingArguments, state: TrainerState, model: Any, **kwargs: Any) -> None:
        """Start the W&B run, or continue it."""
        if state.is_world_process_zero:
            if self._wandb.run is not None:
                self._wandb.finish()  # a run of other code in this process
            self._wandb.init(
                project=os.environ.get("WANDB_PROJECT", "see-in-pairs"),
                name=self.out.resolve().name,
                id=self._id(),
                resume="allow",
                dir=str(self.out),
                config={"see_in_pairs": self.run_settings},
                settings=self._wandb.Settings(silent=self.quiet, console="off"),  # output of the terminal is not uploaded
            )
        super().setup(args, state, model, **kwargs)

    def _id(self) -> str:
        file = self.out / "wandb" / "id"
        if not file.is_file():
            file.parent.mkdir(exist_ok=True)
            write_text(file, uuid.uuid4().hex[:12])
        return file.read_text().strip()

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, logs: Any = None, **kwargs: Any
    ) -> None:
        """Log under the number of the step: W&B then recognises steps that a resumed training logs a second time."""
        if not state.is_world_process_zero:
            return
        self._wandb.run.summary.update({key: value for key, value in logs.items() if key in TOTALS})
        each = rewrite_logs({key: value for key, value in logs.items() if key not in TOTALS})
        self._wandb.log({**each, "train/global_step": state.global_step}, step=state.global_step)

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """End the W&B run, so that a later training in this process gets its own."""
        super().on_train_end(args, state, control, **kwargs)
        if state.is_world_process_zero:
            self._wandb.finish()
