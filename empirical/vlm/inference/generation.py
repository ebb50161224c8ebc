"""The second scorer: let the model answer in its own words, and read the answer strictly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from empirical.prompts.example import Example
from empirical.prompts.templates import plain_answer
from empirical.vlm.feature_cache.processor_proxy import swapped
from empirical.vlm.feature_cache.tower import base_of
from empirical.vlm.inference.encoder import Encoder

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from empirical.vlm.inference.kv_cache import CachedDecoding

UNPARSED = "unparsed"


def generate_answers(model: PreTrainedModel, encoder: Encoder, examples: Sequence[Example], max_new_tokens: int) -> list[str]:
    """Generate greedily: always the likeliest token, whatever penalties and samplers a checkpoint's generation config asks for.

    Some checkpoints come with a penalty on tokens that stand in the prompt; ``yes`` and ``no`` do.

    Returns what it said, without special tokens.
    """
    import torch
    from transformers import GenerationConfig

    from empirical.vlm.inference.scoring import to_device

    batch, base = to_device(encoder.prompts(examples), model), base_of(model)
    ends = sorted(stop_tokens(model, encoder))
    greedy = GenerationConfig(eos_token_id=ends, pad_token_id=encoder.processor.tokenizer.pad_token_id)
    with torch.inference_mode(), swapped(base, "generation_config", greedy):
        tokens = base.generate(**batch, do_sample=False, num_beams=1, max_new_tokens=max_new_tokens)
    return in_words(tokens[:, batch["input_ids"].shape[1] :], encoder)


def continued_answers(model: PreTrainedModel, encoder: Encoder, reading: CachedDecoding, max_new_tokens: int) -> list[str]:
    """Generate greedily behind prompts that were read already.

    Returns what it said, without special tokens: the same as `generate_answers`.
    """
    return in_words(reading.greedy(stop_tokens(model, encoder), max_new_tokens), encoder)


def stop_tokens(model: PreTrainedModel, encoder: Encoder) -> set[int]:
    """List the tokens that end a reply.

    Returns those that the checkpoint names, and the one that finetuning teaches.
    """
    named = base_of(model).generation_config.eos_token_id
    own = named if isinstance(named, list) else [named]
    return {token for token in (*own, encoder.processor.tokenizer.eos_token_id) if token is not None}


def in_words(tokens: torch.Tensor, encoder: Encoder) -> list[str]:
    """Decode replies.

    Shapes: `tokens` (rows, tokens).
    """
    return encoder.processor.tokenizer.batch_decode(tokens, skip_special_tokens=True)


def parse_answer(text: str, answers: Sequence[str]) -> str:
    """Find the answer in what a model said, strictly: it must have said nothing else.

    Returns the answer, or ``'unparsed'``, which is a class of its own: it is counted, never guessed.

    Examples
    --------
    >>> [parse_answer(text, ("yes", "no")) for text in (" Yes.", "NO", "No, but yes", "")]
    ['yes', 'no', 'unparsed', 'unparsed']
    """
    said = plain_answer(text)
    return next((answer for answer in answers if plain_answer(answer) == said), UNPARSED)
