"""Where a run's losses are shown while it goes on: TensorBoard's event files in the run's own folder, W&B through the Trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import TrainerControl, TrainerState, TrainingArguments
from transformers.integrations import TensorBoardCallback


class EventFiles(TensorBoardCallback):
    """TensorBoard's event files, beside the model: the Trainer would put them among the checkpoints, which go when the run is finished.

    Parameters
    ----------
    folder : Path
        Where to write; a resumed run adds a file to those that are there.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.logging_dir = str(folder)

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Begin a file that takes back what a killed run had told beyond its last checkpoint: those steps are run, and told, again.

        Parameters
        ----------
        args : transformers.TrainingArguments
            Written into the file.
        state : transformers.TrainerState
            Says at which step the run goes on.
        control : transformers.TrainerControl
            Unused.
        **kwargs : object
            The model among them; its config is written into the file.
        """
        if state.is_world_process_zero:
            self.tb_writer = self._SummaryWriter(log_dir=self.logging_dir, purge_step=state.global_step + 1)
        super().on_train_begin(args, state, control, **kwargs)
