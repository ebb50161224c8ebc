"""From examples to tensors: the one place where prompts, images and answers are put together, for training and for scoring alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from empirical.arms import Example
from empirical.prompts import Part
from empirical.vlm.families.base import Family

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

    Parameters
    ----------
    processor : transformers.ProcessorMixin
        The model's processor.
    family : Family
        The model's family.
    image_of : callable
        From an item id to its picture (RGB).
    """

    def __init__(self, processor: ProcessorMixin, family: Family, image_of: Callable[[str], Image]) -> None:
        self.processor = processor
        self.family = family
        self.image_of = image_of
        self.processor.tokenizer.padding_side = "left"

    def text(self, parts: Sequence[Part]) -> str:
        """Render a prompt through the model's chat template.

        Parameters
        ----------
        parts : sequence of Part
            The prompt, cut at the places of its images.

        Returns
        -------
        str
            What the tokenizer gets, up to where the model's answer begins.
        """
        content = [{"type": "text", "text": part.text} if part.kind == "text" else {"type": "image"} for part in parts]
        return self.processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)

    def answer_ids(self, answer: str) -> list[int]:
        """Tokenize an answer as the model would write it after the generation prompt.

        Parameters
        ----------
        answer : str
            For example ``'yes'``.

        Returns
        -------
        list of int
            Its token ids, without the end-of-turn token.
        """
        return self.processor.tokenizer(self.family.answer_prefix + answer, add_special_tokens=False)["input_ids"]

    def prompts(self, examples: Sequence[Example]) -> Batch:
        """Encode prompts and images, without answers.

        Parameters
        ----------
        examples : sequence of Example
            The rows; with Mllama-like families all need equally many images.

        Returns
        -------
        dict of str to torch.Tensor
            ``input_ids`` of shape (rows, tokens), padded on the left, and whatever else the family needs.
        """
        texts = [self.text(example.parts) for example in examples]
        images = [[self.image_of(item) for item in example.images] for example in examples]  # nested: families check counts per row
        options: dict[str, Any] = dict(self.family.processor_options)
        encoded = self.processor(
            text=texts, images=images, return_tensors="pt", padding=True, text_kwargs={"padding_side": "left"}, **options
        )
        return dict(encoded)

    def with_answers(self, examples: Sequence[Example], answers: Sequence[str], end: bool) -> tuple[Batch, torch.Tensor]:
        """Encode prompts followed by answers.

        Parameters
        ----------
        examples : sequence of Example
            The rows.
        answers : sequence of str
            One per row.
        end : bool
            Whether the end-of-turn token is part of the answer (in training: so that a model learns to stop).

        Returns
        -------
        batch : dict of str to torch.Tensor
            As `prompts`, the answers appended.
        labels : torch.Tensor of shape (rows, longest answer)
            The answers' tokens, `IGNORE` where a shorter answer is padded. Logits for them stand at the last
            ``longest answer + 1`` positions, less the very last.
        """
        import torch

        batch = self.prompts(examples)
        stop = [self.processor.tokenizer.eos_token_id] if end else []
        ids = [torch.tensor(self.answer_ids(answer) + stop) for answer in answers]
        labels = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=IGNORE)
        present = labels != IGNORE
        filled = labels.masked_fill(~present, self.processor.tokenizer.pad_token_id)
        batch["input_ids"] = torch.cat([batch["input_ids"], filled], dim=1)
        batch["attention_mask"] = torch.cat([batch["attention_mask"], present.to(batch["attention_mask"].dtype)], dim=1)
        for name in PER_TOKEN:
            if name in batch:
                batch[name] = torch.cat([batch[name], torch.zeros_like(labels, dtype=batch[name].dtype)], dim=1)
        return batch, labels
