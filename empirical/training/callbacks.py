"""Where a run's losses are shown while it goes on: TensorBoard's event files, and W&B; what either writes is in the run's own folder."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerControl, TrainerState, TrainingArguments
from transformers.integrations import TensorBoardCallback, WandbCallback
from transformers.integrations.integration_utils import rewrite_logs

from see_in_pairs.files import write_text

if TYPE_CHECKING:
    from transformers import TrainerCallback

    from empirical.training.config import FinetuneConfig

TOTALS = ("train_runtime", "train_samples_per_second", "train_steps_per_second", "train_loss", "total_flos")
"""What the Trainer tells once, at the end."""


def trackers(config: FinetuneConfig, out: Path, quiet: bool) -> list[TrainerCallback]:
    """Make the callbacks that a run was asked to report to."""
    told: list[TrainerCallback] = [EventFiles(out / "tensorboard")] if "tensorboard" in config.report_to else []
    return [*told, WandbRun(config, out, quiet)] if "wandb" in config.report_to else told


class EventFiles(TensorBoardCallback):
    """TensorBoard's event files, beside the model: the Trainer would put them among the checkpoints, which go when the run is finished."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.logging_dir = str(folder)

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Begin a file that takes back what a killed run had told beyond its last checkpoint: those steps are run, and told, again."""
        if state.is_world_process_zero:
            self.tb_writer = self._SummaryWriter(log_dir=self.logging_dir, purge_step=state.global_step + 1)
        super().on_train_begin(args, state, control, **kwargs)


class WandbRun(WandbCallback):
    """One W&B run for one finetuning: the Trainer's own would begin another at every resume, and never end it.

    A second training in the same process would then be told into the first one's run.
    """

    def __init__(self, config: FinetuneConfig, out: Path, quiet: bool) -> None:
        super().__init__()
        self.config, self.out, self.quiet = config, out, quiet

    def setup(self, args: TrainingArguments, state: TrainerState, model: Any, **kwargs: Any) -> None:
        """Begin the W&B run, or go on with it."""
        if state.is_world_process_zero:
            if self._wandb.run is not None:
                self._wandb.finish()  # of something else in this process
            self._wandb.init(
                project=os.environ.get("WANDB_PROJECT", "see-in-pairs"),
                name=self.out.resolve().name,
                id=self._id(),
                resume="allow",
                dir=str(self.out),
                config={"see_in_pairs": self.config.model_dump(mode="json")},
                settings=self._wandb.Settings(silent=self.quiet, console="off"),  # what the terminal shows stays there
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
        """Tell what was logged, by the step: what a resumed training tells again is then known as such."""
        if not state.is_world_process_zero:
            return
        self._wandb.run.summary.update({key: value for key, value in logs.items() if key in TOTALS})
        each = rewrite_logs({key: value for key, value in logs.items() if key not in TOTALS})
        self._wandb.log({**each, "train/global_step": state.global_step}, step=state.global_step)

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """End the W&B run, for what else is trained in this process."""
        super().on_train_end(args, state, control, **kwargs)
        if state.is_world_process_zero:
            self._wandb.finish()
