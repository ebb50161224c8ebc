"""From examples to tensors: the only place where prompts, images and answers are combined, for both training and scoring."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from empirical.prompts.example import Example
from empirical.prompts.templates import Part
from empirical.vlm.families.base import ModelFamily
from empirical.vlm.inference.prefetch import prefetch_map, thread_count
from empirical.vlm.processors import chat_text
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image
    from transformers import ProcessorMixin

    Batch = dict[str, torch.Tensor]

IGNORE = -100
"""Label of a padding token, which adds nothing to the loss."""
TOKEN_TYPES = ("mm_token_type_ids", "token_type_ids")
"""Inputs with one value per token; 0 means text, so an answer is 0."""


class Encoder:
    """Encodes examples for one model.

    Prompts are padded on the left and answers on the right: every answer begins at the same position in all rows of a batch, so that a
    model needs to compute logits there only.
    """

    def __init__(self, processor: ProcessorMixin, family: ModelFamily, image_of: Callable[[str], Image]) -> None:
        self.processor = processor
        self.family = family
        self.image_of = image_of
        self.processor.tokenizer.padding_side = "left"
        self._texts: dict[tuple[Part, ...], str] = {}

    @cached_property
    def encoder_pool(self) -> EncoderPool:
        """Copies for threads that prepare batches, made on first use."""
        return EncoderPool(self)

    def text(self, parts: Sequence[Part]) -> str:
        """Render a prompt through the model's chat template, up to where the model's answer begins."""
        key = tuple(parts)
        if key not in self._texts:  # an arm has one wording for all its items
            content = [{"type": "text", "text": part.text} if part.kind == "text" else {"type": "image"} for part in parts]
            self._texts[key] = chat_text(self.processor, content)
        return self._texts[key]

    def answer_ids(self, answer: str) -> list[int]:
        """Tokenize an answer as the model would write it after the generation prompt, without the end-of-turn token."""
        tokenizer = self.processor.tokenizer
        special = self._special_tokens.intersection(tokenizer(answer, add_special_tokens=False)["input_ids"])
        if special:
            token = tokenizer.convert_ids_to_tokens(min(special))
            raise InputError(f"answer '{answer}': contains the model's special token '{token}'; choose answers of plain words")
        return tokenizer(self.family.answer_prefix + answer, add_special_tokens=False)["input_ids"]

    @cached_property
    def _special_tokens(self) -> frozenset[int]:
        tokenizer = self.processor.tokenizer
        added = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
        return frozenset(added | set(tokenizer.all_special_ids))

    def prompts(self, examples: Sequence[Example], side: str = "left") -> Batch:
        """Encode prompts and images, padded on `side`: ``input_ids`` (rows, tokens) and whatever else the family needs."""
        texts = [self.text(example.parts) for example in examples]
        images = [[self.image_of(item) for item in example.images] for example in examples]
        options: dict[str, Any] = self.family.processor_options | {"padding": True, "text_kwargs": {"padding_side": side}}
        return self.family.process(self.processor, texts, images, options)

    def with_answers(self, examples: Sequence[Example], answers: Sequence[str], end: bool) -> tuple[Batch, torch.Tensor]:
        """Encode prompts followed by answers, with the end-of-turn token if `end`; labels as in `append`."""
        stop = [self.processor.tokenizer.eos_token_id] if end else []
        return self.append(self.prompts(examples), [self.answer_ids(answer) + stop for answer in answers])

    def append(self, prompts: Batch, tokens: Sequence[Sequence[int]]) -> tuple[Batch, torch.Tensor]:
        """Append answers to prompts that are padded on the left.

        Labels are (rows, longest answer), with `IGNORE` where a shorter answer is padded. Their logits are at the last
        ``longest answer + 1`` positions, except the very last.
        """
        import torch

        labels = torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in tokens], batch_first=True, padding_value=IGNORE)
        labels = labels.to(prompts["input_ids"].device)
        present = labels != IGNORE
        added = {"input_ids": labels.masked_fill(~present, self.processor.tokenizer.pad_token_id), "attention_mask": present}
        added |= {name: torch.zeros_like(labels) for name in TOKEN_TYPES}
        batch = {
            name: torch.cat([value, added[name].to(value.dtype)], dim=1) if name in added else value for name, value in prompts.items()
        }
        return batch, labels


class EncoderPool:
    """Encoders for threads, each with its own processor: a tokenizer refuses use from two threads at the same time."""

    def __init__(self, encoder: Encoder) -> None:
        self._free = SimpleQueue[Encoder]()
        for _ in range(thread_count()):
            self._free.put(Encoder(copy.deepcopy(encoder.processor), encoder.family, encoder.image_of))

    @contextmanager
    def borrow(self) -> Iterator[Encoder]:
        """Take an encoder for one thread."""
        encoder = self._free.get()
        try:
            yield encoder
        finally:
            self._free.put(encoder)


class PrefetchEncoder(Encoder):
    """An encoder that knows its batches in advance and encodes them in threads."""

    def __init__(self, encoder: Encoder, pool: ThreadPoolExecutor, batches: Sequence[Sequence[Example]]) -> None:
        super().__init__(encoder.processor, encoder.family, encoder.image_of)
        self._plain, self._expected = encoder, deque(list(batch) for batch in batches)
        self._encoded = prefetch_map(pool, self._encode, list(self._expected), thread_count())
        self._last: tuple[list[Example], Batch] = ([], {})  # used again if an answer has several tokens

    def prompts(self, examples: Sequence[Example], side: str = "left") -> Batch:
        """Return prompts encoded in advance, or encode them now."""
        rows = list(examples)
        if side != "left":
            return super().prompts(examples, side)
        if self._expected and rows == self._expected[0]:
            self._last = self._expected.popleft(), next(self._encoded)
        return dict(self._last[1]) if rows and rows == self._last[0] else super().prompts(examples, side)

    def _encode(self, rows: list[Example]) -> Batch:
        with self._plain.encoder_pool.borrow() as encoder:
            return encoder.prompts(rows)


def image_token(model: Any) -> int:
    """Return the token that stands for a piece of an image."""
    config = model.config
    token = getattr(config, "image_token_id", None)
    return int(config.image_token_index if token is None else token)
