"""The second scorer: let the model answer in its own words, and read the answer strictly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from empirical.arms import Example
from empirical.vlm.encoding import Encoder

if TYPE_CHECKING:
    from transformers import PreTrainedModel

UNPARSED = "unparsed"


def generate_answers(model: PreTrainedModel, encoder: Encoder, examples: Sequence[Example], max_new_tokens: int) -> list[str]:
    """Generate greedily.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        In evaluation mode.
    encoder : Encoder
        The model's encoder.
    examples : sequence of Example
        One batch.
    max_new_tokens : int
        Where to stop a model that does not stop itself.

    Returns
    -------
    list of str
        What it said, without special tokens.
    """
    import torch

    from empirical.vlm.scoring import to_device

    batch = to_device(encoder.prompts(examples), model)
    options = {"do_sample": False, "num_beams": 1, "max_new_tokens": max_new_tokens, "top_k": None, "top_p": None, "temperature": None}
    with torch.inference_mode():
        tokens = model.generate(**batch, **options, pad_token_id=encoder.processor.tokenizer.pad_token_id)
    return encoder.processor.tokenizer.batch_decode(tokens[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)


def parse_answer(text: str, answers: Sequence[str]) -> str:
    """Find the answer in what a model said, strictly: it must have said nothing else.

    Parameters
    ----------
    text : str
        What it said.
    answers : sequence of str
        The closed set.

    Returns
    -------
    str
        The answer, or ``'unparsed'``, which is a class of its own: it is counted, never guessed.

    Examples
    --------
    >>> [parse_answer(text, ("yes", "no")) for text in (" Yes.", "NO", "No, but yes", "")]
    ['yes', 'no', 'unparsed', 'unparsed']
    """
    said = text.strip().rstrip(".").casefold()
    return next((answer for answer in answers if answer.casefold() == said), UNPARSED)
