"""The pocket VLM as Idefics3: SigLIP-like vision tower, pixel shuffle, Llama."""

from __future__ import annotations

from typing import TYPE_CHECKING

from empirical.vlm.pocket.text import BEGIN, chat_template, train_tokenizer

if TYPE_CHECKING:
    from transformers import PretrainedConfig, ProcessorMixin

    from empirical.vlm.pocket.config import PocketConfig

IMAGE = "<image>"
END_OF_TURN = "<end_of_utterance>"


def idefics3(config: PocketConfig, text: str) -> tuple[PretrainedConfig, ProcessorMixin]:
    """Return the architecture's config, and a processor with a tokenizer trained on a text."""
    from transformers import Idefics3Config, Idefics3ImageProcessorPil, Idefics3Processor

    grid = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]  # the processor looks these up
    extra = [IMAGE, "<fake_token_around_image>", "<global-img>", *grid]
    special = [END_OF_TURN, BEGIN, *extra]
    tokenizer = train_tokenizer(config.vocabulary, text, special, bos_token=BEGIN, eos_token=END_OF_TURN, extra_special_tokens=extra)
    ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    architecture = Idefics3Config(
        text_config=config.language() | {"model_type": "llama", "vocab_size": len(tokenizer)} | ids,
        vision_config=config.vision() | {"image_size": config.image_size, "patch_size": config.patch_size},
        image_token_id=tokenizer.convert_tokens_to_ids(IMAGE),
        scale_factor=config.merge,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=True,
    )
    edge = {"longest_edge": config.image_size}
    images = Idefics3ImageProcessorPil(size=edge, max_image_size=edge, do_image_splitting=False)
    template = chat_template("idefics3")
    return architecture, Idefics3Processor(
        image_processor=images, tokenizer=tokenizer, image_seq_len=config.tokens_per_image, chat_template=template
    )
