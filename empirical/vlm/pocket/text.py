"""The tokenizer and chat template of a pocket VLM."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD = "<|endoftext|>"
BEGIN = "<|im_start|>"


@cache
def training_text() -> str:
    """Return the text that the pocket tokenizer is trained on: the package's prompts, filled in, with answers.

    Returns
    -------
    str
        A few lines. Other words are tokenized in pieces, down to bytes.
    """
    return (resources.files("empirical.vlm.pocket") / "vocabulary.txt").read_text(encoding="utf-8")


def chat_template(name: str) -> str:
    """Read a chat template of this package, without the line breaks that only make the file readable."""
    text = (resources.files("empirical.vlm.pocket") / f"{name}.jinja").read_text(encoding="utf-8")
    return text.replace("\n", "").replace("\\n", "\n")


def train_tokenizer(vocabulary: int, text: str, special: Sequence[str], **options: Any) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer that pads on the left."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=[PAD, *special], show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator([text] * 4, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=PAD, padding_side="left", **options)
