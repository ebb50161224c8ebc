"""Our additions to transformers' Trainer: the loss on the answer's tokens only, items in the order of the plan, trial steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils.data import Sampler, SequentialSampler
from transformers import Trainer
from transformers.trainer_callback import PrinterCallback

from empirical.prompts.example import Example
from empirical.vlm.inference.encoder import IGNORE, Encoder
from empirical.vlm.inference.scoring import to_device, token_log_probabilities


def collate(encoder: Encoder) -> Callable[[Sequence[Example]], dict[str, torch.Tensor]]:
    """Make a collator from examples to a batch with ``labels`` of shape (rows, longest answer).

    It is a pure function of its rows: a resumed run skips batches without collating them.
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
        # The plan is already the order. The Trainer's random sampler would depend on random numbers that a resume has to restore; in a
        # sequence it only skips the batches that were shown.
        return SequentialSampler(self.train_dataset)

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None, **_: Any
    ) -> torch.Tensor | tuple[torch.Tensor, dict[str, Any]]:
        """Compute the loss of one batch, a scalar; with `return_outputs` an empty dict beside it."""
        labels = inputs.pop("labels")
        inputs = to_device(inputs, self.model)  # pictures get the model's number format: without autocast nothing else converts them
        loss = -token_log_probabilities(model, inputs, labels).sum() / (labels != IGNORE).sum()
        return (loss, {}) if return_outputs else loss

    def try_step(self, examples: Sequence[Example]) -> None:
        """Run one step, update included, as a run with accumulation does; the weights are not usable afterwards."""
        try:
            self._two_passes(examples)
            optimizer = self.create_optimizer() if self.optimizer is None else self.optimizer
            getattr(optimizer, "optimizer", optimizer).step()  # accelerate's would wait for the end of an accumulation
        finally:
            self.model.zero_grad(set_to_none=True)

    def try_passes(self, examples: Sequence[Example]) -> None:
        """Run the passes of a step with accumulation, without an update; the weights stay as they are."""
        try:
            self.model.train()
            self._two_passes(examples)
        finally:
            self.model.zero_grad(set_to_none=True)

    def _two_passes(self, examples: Sequence[Example]) -> None:
        # Two, since the second has the gradients of the first beside its own activations: this is the peak with accumulation.
        for _ in range(2):
            batch = self._prepare_inputs(self.data_collator(examples))
            with self.accelerator.autocast(), self.compute_loss_context_manager():  # before training starts the model has no autocast
                loss = self.compute_loss(self.model, batch)
            self.accelerator.backward(loss)
