"""Scores: the log-probability of each answer of a closed set."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

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

    def after(self, paths: Sequence[Sequence[int]]) -> torch.Tensor:
        """Return log-probabilities of the token after each token of a row's path, (rows, longest path, vocabulary)."""


class PlainPromptState:
    """Prompts that are read again for every path of tokens: the yardstick of all faster ways."""

    def __init__(self, model: PreTrainedModel, encoder: Encoder, examples: Sequence[Example]) -> None:
        self.model, self.encoder, self.examples = model, encoder, examples
        self.first = next_token_log_probabilities(model, encoder, examples)

    @cached_property
    def _prompts(self) -> dict[str, torch.Tensor]:
        return to_device(self.encoder.prompts(self.examples), self.model)

    def after(self, paths: Sequence[Sequence[int]]) -> torch.Tensor:
        """Read prompts and paths in one more pass."""
        batch, labels = self.encoder.append(self._prompts, paths)
        logits = self.model(**batch, logits_to_keep=labels.shape[1], use_cache=False).logits[:, -labels.shape[1] :]
        return logits.float().log_softmax(dim=-1)


@dataclass(frozen=True)
class AnswerTokens:
    """A closed set of answers in tokens."""

    forms: tuple[tuple[tuple[int, ...], ...], ...]  # of each answer, the ways to write it

    @cached_property
    def paths(self) -> tuple[tuple[int, ...], ...]:
        """What has to be read for the probability of every token: the ways without their last token, and only once what several share.

        Answers that differ in their last token only ('grade 1', 'grade 2') have one path, answers of one token none.
        """
        inner = dict.fromkeys(form[:-1] for ways in self.forms for form in ways if len(form) > 1)
        return tuple(path for path in inner if not any(_begins(other, path) and other != path for other in inner))

    def path_of(self, form: tuple[int, ...]) -> int:
        """Number of a path along which a way of several tokens is read."""
        return next(number for number, path in enumerate(self.paths) if _begins(path, form[:-1]))


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
    return answer_scores(model, encoder, examples, [answers] * len(examples), spaced=spaced, prefill=prefill).cpu().numpy()


def answer_scores(
    model: PreTrainedModel,
    encoder: Encoder,
    examples: Sequence[Example],
    answers: Sequence[Sequence[str]],
    *,
    spaced: bool = False,
    prefill: Callable[[Sequence[Example]], PromptState] | None = None,
) -> torch.Tensor:
    r"""Score the answers of every example, (examples, most answers), as natural logarithms in float64, left on the device.

    `answers` are those of each example; a row with fewer than others ends with NaN. For an answer of tokens :math:`a_1 \dots a_k` after the
    prompt :math:`x` the score is :math:`\sum_j \log p(a_j \mid x, a_1 \dots a_{j-1})`; probabilities of several ways to write an answer are
    added. Answers of one token need one forward pass over the prompts. Longer ones need one more for each path (`AnswerTokens.paths`): over
    prompts and path, or, if `prefill` keeps keys and values, over the path alone.
    """
    import torch

    known: dict[tuple[str, ...], AnswerTokens] = {}
    rows_of: dict[tuple[str, ...], list[int]] = {}
    for row, closed in enumerate(map(tuple, answers)):
        if closed not in known:
            known[closed] = AnswerTokens(tuple(map(tuple, answer_forms(encoder, closed, spaced))))
        rows_of.setdefault(closed, []).append(row)
    sets = [known[tuple(closed)] for closed in answers]
    with torch.inference_mode():
        state = prefill(examples) if prefill else PlainPromptState(model, encoder, examples)
        # a row without a path of this number reads some token of its own, whose result is not used
        paths = [
            [tokens.paths[number] if number < len(tokens.paths) else tokens.forms[0][0][:1] for tokens in sets]
            for number in range(max(len(tokens.paths) for tokens in sets))
        ]
        later = [state.after(path) for path in paths]
        scores = torch.full((len(examples), max(map(len, answers))), float("nan"), dtype=torch.float64, device=state.first.device)
        for closed, rows in rows_of.items():
            places: Any = slice(None) if len(rows) == len(examples) else torch.tensor(rows, device=state.first.device)
            for column, ways in enumerate(known[closed].forms):
                scored = [_form_score(state.first, later, known[closed], form, places) for form in ways]
                scores[places, column] = torch.stack(scored, dim=0).double().logsumexp(dim=0)
    return scores


def _form_score(first: torch.Tensor, later: Sequence[torch.Tensor], tokens: AnswerTokens, form: tuple[int, ...], rows: Any) -> torch.Tensor:
    """Log-probability of one way to write an answer, for some rows of the batch."""
    score = first[rows, form[0]]
    if len(form) > 1:
        read = later[tokens.path_of(form)]
        for place, token in enumerate(form[1:]):
            score = score + read[rows, place, token]
    return score


def answer_forms(encoder: Encoder, answers: Sequence[str], spaced: bool = False) -> list[list[tuple[int, ...]]]:
    """Return the token sequences that count as each answer, the family's own form first.

    With `spaced` an answer counts with and without a leading space. Where an answer begins with another ('no', 'no finding'), the
    probability of the shorter one would include that of the longer; then all of them end with the end-of-turn token.
    """
    tokenizer = encoder.processor.tokenizer
    written: list[list[tuple[int, ...]]] = []
    for answer in answers:
        texts = [answer, f" {answer}"] if spaced else []
        ways = [tuple(encoder.answer_ids(answer)), *(tuple(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts)]
        written.append(list(dict.fromkeys(ways)))
    if _overlap(answers, written):
        return [[(*form, tokenizer.eos_token_id) for form in ways] for ways in written]
    # a way that begins with another of the same answer is already part of its probability
    return [[form for form in ways if not any(_begins(form, other) for other in ways if other != form)] for ways in written]


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


def _overlap(answers: Sequence[str], forms: Sequence[Sequence[Sequence[int]]]) -> bool:
    """Whether an answer begins with another; refuse empty ones, and two that are the same tokens."""
    for answer, ways in zip(answers, forms, strict=True):
        if not answer.strip() or not all(ways):
            raise InputError(f"answer '{answer}' is empty")
    found = False
    for (one, ways), (other, others) in itertools.permutations(zip(answers, forms, strict=True), 2):
        if set(map(tuple, ways)) & set(map(tuple, others)):
            raise InputError(f"answers '{one}' and '{other}' are the same tokens to this model; choose answers that differ")
        found |= any(_begins(longer, short) for short in ways for longer in others)
    return found
