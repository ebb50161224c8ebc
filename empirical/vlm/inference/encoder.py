"""From examples to tensors: the one place where prompts, images and answers are put together, for training and for scoring alike."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from empirical.prompts.example import Example
from empirical.prompts.templates import Part
from empirical.vlm.families.base import ModelFamily
from empirical.vlm.inference.prefetch import thread_count
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    from empirical.prompts.example import Example

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image
    from transformers import ProcessorMixin

    Batch = dict[str, torch.Tensor]

IGNORE = -100
PER_TOKEN = ("mm_token_type_ids", "token_type_ids")  # one value per token; an answer is text, hence 0


class Encoder:
    """Encodes examples for one model.

    Prompts are padded on the left, answers on the right: every answer begins at the same place in all rows of a batch, so that a
    model need compute logits there only.
    """

    def __init__(self, processor: ProcessorMixin, family: ModelFamily, image_of: Callable[[str], Image]) -> None:
        self.processor = processor
        self.family = family
        self.image_of = image_of
        self.processor.tokenizer.padding_side = "left"
        self._texts: dict[tuple[Part, ...], str] = {}

    @cached_property
    def encoder_pool(self) -> EncoderPool:
        """Copies for threads that encode ahead of the model, made when they are first asked for."""
        return EncoderPool(self)

    def text(self, parts: Sequence[Part]) -> str:
        """Render a prompt through the model's chat template.

        Returns what the tokenizer gets, up to where the model's answer begins.
        """
        key = tuple(parts)
        if key not in self._texts:  # an arm has one wording for all its items
            self._texts[key] = self._render(key)
        return self._texts[key]

    def _render(self, parts: Sequence[Part]) -> str:
        content = [{"type": "text", "text": part.text} if part.kind == "text" else {"type": "image"} for part in parts]
        return self.processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)

    def answer_ids(self, answer: str) -> list[int]:
        """Tokenize an answer as the model would write it after the generation prompt.

        Returns its token ids, without the end-of-turn token.
        """
        tokenizer = self.processor.tokenizer
        special = self._special_tokens.intersection(tokenizer(answer, add_special_tokens=False)["input_ids"])
        if special:
            token = tokenizer.convert_ids_to_tokens(min(special))
            raise InputError(f"answer '{answer}': has the model's special token '{token}' in it; choose answers of plain words")
        return tokenizer(self.family.answer_prefix + answer, add_special_tokens=False)["input_ids"]

    @cached_property
    def _special_tokens(self) -> frozenset[int]:
        tokenizer = self.processor.tokenizer
        added = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
        return frozenset(added | set(tokenizer.all_special_ids))

    def prompts(self, examples: Sequence[Example], side: str = "left") -> Batch:
        """Encode prompts and images, without answers.

        Returns ``input_ids`` of shape (rows, tokens), and whatever else the family needs.
        """
        texts = [self.text(example.parts) for example in examples]
        images = [[self.image_of(item) for item in example.images] for example in examples]
        options: dict[str, Any] = self.family.processor_options | {"padding": True, "text_kwargs": {"padding_side": side}}
        return self.family.process(self.processor, texts, images, options)

    def with_answers(self, examples: Sequence[Example], answers: Sequence[str], end: bool) -> tuple[Batch, torch.Tensor]:
        """Encode prompts followed by answers.

        Returns `batch` As `prompts`, the answers appended; `labels` (rows, longest answer): The answers' tokens, `IGNORE` where a shorter
        answer is padded. Logits for them stand at the last ``longest answer + 1`` positions, less the very last.
        """
        stop = [self.processor.tokenizer.eos_token_id] if end else []
        return self.append(self.prompts(examples), [self.answer_ids(answer) + stop for answer in answers])

    def append(self, prompts: Batch, tokens: Sequence[Sequence[int]]) -> tuple[Batch, torch.Tensor]:
        """Put answers behind prompts that are padded on the left.

        Returns `labels` (rows, longest answer): As in `with_answers`.
        """
        import torch

        labels = torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in tokens], batch_first=True, padding_value=IGNORE)
        labels = labels.to(prompts["input_ids"].device)
        present = labels != IGNORE
        added = {"input_ids": labels.masked_fill(~present, self.processor.tokenizer.pad_token_id), "attention_mask": present}
        added |= {name: torch.zeros_like(labels) for name in PER_TOKEN}
        batch = {
            name: torch.cat([value, added[name].to(value.dtype)], dim=1) if name in added else value for name, value in prompts.items()
        }
        return batch, labels


def image_token(model: Any) -> int:
    """Tell which token stands for a piece of an image."""
    config = model.config
    token = getattr(config, "image_token_id", None)
    return int(config.image_token_index if token is None else token)


class EncoderPool:
    """Encoders for threads, each with a processor of its own: tokenizers refuse to be used from two threads at once."""

    def __init__(self, encoder: Encoder) -> None:
        self._free = SimpleQueue[Encoder]()
        for _ in range(thread_count()):
            self._free.put(Encoder(copy.deepcopy(encoder.processor), encoder.family, encoder.image_of))

    @contextmanager
    def one(self) -> Iterator[Encoder]:
        """Take an encoder that nobody uses.

        Returns to be used by one thread.
        """
        encoder = self._free.get()
        try:
            yield encoder
        finally:
            self._free.put(encoder)
