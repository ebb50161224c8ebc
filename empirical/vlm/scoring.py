"""Scores: the log-probability of each answer of a closed set. Never a guess, never a dropped item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from empirical.arms import Example
from empirical.vlm.encoding import IGNORE, Encoder
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


def answer_log_probabilities(model: PreTrainedModel, encoder: Encoder, examples: Sequence[Example], answers: Sequence[str]) -> np.ndarray:
    r"""Score every answer for every example.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        In evaluation mode.
    encoder : Encoder
        The model's encoder.
    examples : sequence of Example
        One batch.
    answers : sequence of str
        The closed set.

    Returns
    -------
    ndarray of shape (examples, answers)
        Natural logarithm of the probability that the model's reply begins with the answer, in float64.

    Notes
    -----
    For an answer of tokens :math:`a_1 \dots a_k` after the prompt :math:`x` it is
    :math:`\sum_j \log p(a_j \mid x, a_1 \dots a_{j-1})`. Answers of one token each share one forward pass over the prompts; longer ones
    take one pass each.
    """
    import torch

    check_answers(encoder, answers)
    tokens = [encoder.answer_ids(answer) for answer in answers]
    with torch.inference_mode():
        if all(len(ids) == 1 for ids in tokens):
            columns = next_token_log_probabilities(model, encoder, examples)[:, [ids[0] for ids in tokens]]
        else:
            columns = torch.stack([_sequence(model, encoder, examples, answer) for answer in answers], dim=1)
    return columns.double().cpu().numpy()


def next_token_log_probabilities(model: PreTrainedModel, encoder: Encoder, examples: Sequence[Example]) -> torch.Tensor:
    """Give the model's distribution of the first token of its reply.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        In evaluation mode.
    encoder : Encoder
        The model's encoder.
    examples : sequence of Example
        One batch.

    Returns
    -------
    torch.Tensor of shape (examples, vocabulary)
        Log-probabilities, float32.
    """
    batch = to_device(encoder.prompts(examples), model)
    logits = model(**batch, logits_to_keep=1, use_cache=False).logits[:, -1]
    return logits.float().log_softmax(dim=-1)


def token_log_probabilities(model: PreTrainedModel, batch: dict[str, torch.Tensor], labels: torch.Tensor) -> torch.Tensor:
    """Give the log-probability of each answer token under teacher forcing.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        The model.
    batch : dict of str to torch.Tensor
        As `Encoder.with_answers` makes it, on the model's device.
    labels : torch.Tensor of shape (rows, longest answer)
        The answers' tokens.

    Returns
    -------
    torch.Tensor of shape (rows, longest answer)
        Float32; 0 where the label is padding.
    """
    logits = model(**batch, logits_to_keep=labels.shape[1] + 1, use_cache=False).logits[:, :-1]
    present = labels != IGNORE
    chosen = logits.float().log_softmax(dim=-1).gather(-1, labels.clamp(min=0)[..., None])[..., 0]
    return chosen.where(present, chosen.new_zeros(()))


def check_answers(encoder: Encoder, answers: Sequence[str]) -> None:
    """Refuse answer sets whose probabilities would overlap.

    Parameters
    ----------
    encoder : Encoder
        Tokenizes the answers.
    answers : sequence of str
        The closed set.

    Raises
    ------
    InputError
        When an answer is empty, or is how another one begins (``no`` and ``no finding``).
    """
    tokens = {answer: encoder.answer_ids(answer) for answer in answers}
    for short, ids in tokens.items():
        if not ids:
            raise InputError(f"answer '{short}' is empty")
        for other, longer in tokens.items():
            if other != short and longer[: len(ids)] == ids:
                raise InputError(f"answer '{other}' begins with answer '{short}'; choose answers none of which is the beginning of another")


def to_device(batch: dict[str, torch.Tensor], model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """Move a batch to a model; pictures take the model's number format.

    Parameters
    ----------
    batch : dict of str to torch.Tensor
        What an encoder made.
    model : transformers.PreTrainedModel
        Where it goes.

    Returns
    -------
    dict of str to torch.Tensor
        The batch on the model's device.
    """
    return {
        name: value.to(model.device, dtype=model.dtype) if value.is_floating_point() else value.to(model.device)
        for name, value in batch.items()
    }


def _sequence(model: PreTrainedModel, encoder: Encoder, examples: Sequence[Example], answer: str) -> torch.Tensor:
    batch, labels = encoder.with_answers(examples, [answer] * len(examples), end=False)
    return token_log_probabilities(model, to_device(batch, model), labels.to(model.device)).sum(dim=1)
