"""Scores: the log-probability of each answer of a closed set."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np

from empirical.prompts.example import Example
from empirical.vlm.inference.encoder import IGNORE, Encoder
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


class PromptState(Protocol):
    """A batch of prompts that a model has read."""

    first: torch.Tensor  # (rows, vocabulary): log-probabilities of the first token of each reply

    def log_probability(self, form: Sequence[int]) -> torch.Tensor:
        """Return the log-probability, (rows,), that each row's reply begins with several tokens."""


class PlainPromptState:
    """Prompts that are read again for every reply of several tokens: the yardstick of all faster ways."""

    def __init__(self, model: PreTrainedModel, encoder: Encoder, examples: Sequence[Example]) -> None:
        self.model, self.encoder, self.examples = model, encoder, examples
        self.first = next_token_log_probabilities(model, encoder, examples)

    @cached_property
    def _prompts(self) -> dict[str, torch.Tensor]:
        return to_device(self.encoder.prompts(self.examples), self.model)

    def log_probability(self, form: Sequence[int]) -> torch.Tensor:
        """Score a reply of several tokens, (rows,), by one more pass over prompts and reply."""
        batch, labels = self.encoder.append(self._prompts, [form] * len(self.examples))
        return token_log_probabilities(self.model, batch, labels).sum(dim=1)


def answer_log_probabilities(
    model: PreTrainedModel,
    encoder: Encoder,
    examples: Sequence[Example],
    answers: Sequence[str],
    *,
    spaced: bool = False,
    prefill: Callable[[Sequence[Example]], PromptState] | None = None,
) -> np.ndarray:
    """Return the natural log-probability that a reply begins with each answer, (examples, answers), in float64."""
    return answer_scores(model, encoder, examples, answers, spaced=spaced, prefill=prefill).cpu().numpy()


def answer_scores(
    model: PreTrainedModel,
    encoder: Encoder,
    examples: Sequence[Example],
    answers: Sequence[str],
    *,
    spaced: bool = False,
    prefill: Callable[[Sequence[Example]], PromptState] | None = None,
) -> torch.Tensor:
    r"""Score every answer for every example, (examples, answers), as natural logarithms in float64, left on the device.

    For an answer of tokens :math:`a_1 \dots a_k` after the prompt :math:`x` it is
    :math:`\sum_j \log p(a_j \mid x, a_1 \dots a_{j-1})`; probabilities of several ways to write an answer are added. Answers of one token
    need one forward pass over the prompts. Each longer form needs one more pass: over prompts and form, or, if `prefill` keeps
    keys and values, over the form alone.
    """
    import torch

    forms = answer_forms(encoder, answers, spaced)
    with torch.inference_mode():
        state = prefill(examples) if prefill else PlainPromptState(model, encoder, examples)
        scores = {form: state.first[:, form[0]] if len(form) == 1 else state.log_probability(form) for ways in forms for form in ways}
        columns = [torch.stack([scores[form] for form in ways]).double().logsumexp(dim=0) for ways in forms]
    return torch.stack(columns, dim=1)


def answer_forms(encoder: Encoder, answers: Sequence[str], spaced: bool = False) -> list[list[tuple[int, ...]]]:
    """Return the token sequences that count as each answer, the family's own form first.

    With `spaced` an answer counts with and without a leading space.
    """
    tokenizer = encoder.processor.tokenizer
    forms: list[list[tuple[int, ...]]] = []
    for answer in answers:
        texts = [answer, f" {answer}"] if spaced else []
        ways = [tuple(encoder.answer_ids(answer)), *(tuple(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts)]
        distinct = list(dict.fromkeys(ways))
        # a form that begins with another is already part of the other's probability
        forms.append([form for form in distinct if not any(_begins(form, other) for other in distinct if other != form)])
    _refuse_overlap(answers, forms)
    return forms


def next_token_log_probabilities(model: PreTrainedModel, encoder: Encoder, examples: Sequence[Example]) -> torch.Tensor:
    """Return log-probabilities of the first token of the reply, (examples, vocabulary), in float32."""
    batch = to_device(encoder.prompts(examples), model)
    logits = model(**batch, logits_to_keep=1, use_cache=False).logits[:, -1]
    return logits.float().log_softmax(dim=-1)


def token_log_probabilities(model: PreTrainedModel, batch: dict[str, torch.Tensor], labels: torch.Tensor) -> torch.Tensor:
    """Return the log-probability of each answer token under teacher forcing, (rows, longest answer), in float32.

    `labels` has the same shape; padding counts 0.
    """
    logits = model(**batch, logits_to_keep=labels.shape[1] + 1, use_cache=False).logits[:, :-1]
    present = labels != IGNORE
    chosen = logits.float().log_softmax(dim=-1).gather(-1, labels.clamp(min=0)[..., None])[..., 0]
    return chosen.where(present, chosen.new_zeros(()))


def to_device(batch: dict[str, torch.Tensor], model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """Move a batch to the model's device; pixels take the model's number format."""
    return {
        name: value.to(model.device, dtype=model.dtype) if value.is_floating_point() else value.to(model.device)
        for name, value in batch.items()
    }


def _begins(longer: Sequence[int], shorter: Sequence[int]) -> bool:
    return tuple(longer[: len(shorter)]) == tuple(shorter)


def _refuse_overlap(answers: Sequence[str], forms: Sequence[Sequence[Sequence[int]]]) -> None:
    for answer, ways in zip(answers, forms, strict=True):
        if not answer.strip() or not all(ways):
            raise InputError(f"answer '{answer}' is empty")
    for (one, ways), (other, others) in itertools.permutations(zip(answers, forms, strict=True), 2):
        if any(_begins(longer, short) for short in ways for longer in others):
            raise InputError(f"answer '{other}' begins with answer '{one}'; choose answers that are not the beginning of each other")
