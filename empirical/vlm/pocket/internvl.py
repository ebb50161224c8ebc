"""The pocket VLM as InternVL (the native port): InternViT-like vision tower, pixel shuffle, Qwen2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from empirical.vlm.pocket.text import BEGIN, chat_template, train_tokenizer

if TYPE_CHECKING:
    from transformers import PretrainedConfig, ProcessorMixin

    from empirical.vlm.pocket.config import PocketConfig

END_OF_TURN = "<|im_end|>"
NAMED_TOKENS = {"start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>", "video_token": "<video>"}
"""Attributes of the tokenizer that the processor reads."""


def internvl(config: PocketConfig, text: str) -> tuple[PretrainedConfig, ProcessorMixin]:
    """Return the architecture's config, and a processor with a tokenizer trained on a text."""
    import transformers

    from empirical.vlm.processors import image_only

    special = [END_OF_TURN, BEGIN, *NAMED_TOKENS.values()]
    extra = NAMED_TOKENS | {"turn_token": BEGIN}
    tokenizer = train_tokenizer(config.vocabulary, text, special, eos_token=END_OF_TURN, extra_special_tokens=extra)
    ids = {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    sizes = {"image_size": [config.image_size] * 2, "patch_size": [config.patch_size] * 2}
    architecture = transformers.InternVLConfig(
        text_config=config.language() | {"model_type": "qwen2", "vocab_size": len(tokenizer)} | ids,
        vision_config=config.vision() | sizes | {"initializer_range": config.initializer_range},
        downsample_ratio=1 / config.merge,
        image_seq_length=config.tokens_per_image,
        image_token_id=tokenizer.convert_tokens_to_ids(NAMED_TOKENS["context_image_token"]),
        tie_word_embeddings=True,
    )
    images = transformers.GotOcr2ImageProcessorPil(size={"height": config.image_size, "width": config.image_size})
    processor = image_only(transformers.InternVLProcessor)(
        image_processor=images, tokenizer=tokenizer, image_seq_length=config.tokens_per_image, chat_template=chat_template("internvl")
    )
    return architecture, processor
