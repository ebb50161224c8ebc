"""The second scorer: the model generates a reply, which is parsed strictly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from empirical.prompts.example import Example
from empirical.prompts.templates import normalised_answer
from empirical.vlm.feature_cache.processor_proxy import replaced_attribute
from empirical.vlm.feature_cache.tower import base_of
from empirical.vlm.inference.encoder import Encoder

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from empirical.vlm.inference.kv_cache import CachedPromptState

UNPARSED = "unparsed"


def generate_answers(model: PreTrainedModel, encoder: Encoder, examples: Sequence[Example], max_new_tokens: int) -> list[str]:
    """Generate replies greedily, without special tokens."""
    import torch
    from transformers import GenerationConfig

    from empirical.vlm.inference.scoring import to_device

    batch, base = to_device(encoder.prompts(examples), model), base_of(model)
    ends = sorted(stop_tokens(model, encoder))
    # our own config: some checkpoints penalise tokens that occur in the prompt, such as 'yes' and 'no'
    greedy = GenerationConfig(eos_token_id=ends, pad_token_id=encoder.processor.tokenizer.pad_token_id)
    with torch.inference_mode(), replaced_attribute(base, "generation_config", greedy):
        tokens = base.generate(**batch, do_sample=False, num_beams=1, max_new_tokens=max_new_tokens)
    return decode_replies(tokens[:, batch["input_ids"].shape[1] :], encoder)


def generate_from_state(model: PreTrainedModel, encoder: Encoder, state: CachedPromptState, max_new_tokens: int) -> list[str]:
    """Generate after prompts that are in the key-value cache; the replies equal those of `generate_answers`."""
    return decode_replies(state.greedy(stop_tokens(model, encoder), max_new_tokens), encoder)


def stop_tokens(model: PreTrainedModel, encoder: Encoder) -> set[int]:
    """Return the tokens that end a reply: those named by the checkpoint, and the one that finetuning teaches."""
    named = base_of(model).generation_config.eos_token_id
    listed = named if isinstance(named, list) else [named]
    return {token for token in (*listed, encoder.processor.tokenizer.eos_token_id) if token is not None}


def decode_replies(tokens: torch.Tensor, encoder: Encoder) -> list[str]:
    """Decode replies, (rows, tokens), without special tokens."""
    return encoder.processor.tokenizer.batch_decode(tokens, skip_special_tokens=True)


def parse_answer(text: str, answers: Sequence[str]) -> str:
    """Return the answer that a reply consists of, or ``'unparsed'``, a separate class: it is counted, never guessed.

    Examples
    --------
    >>> [parse_answer(text, ("yes", "no")) for text in (" Yes.", "NO", "No, but yes", "")]
    ['yes', 'no', 'unparsed', 'unparsed']
    """
    reply = normalised_answer(text)
    return next((answer for answer in answers if normalised_answer(answer) == reply), UNPARSED)
