"""Models of true shapes with random weights: speed does not depend on what a model has learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from empirical.vlm.config import ModelConfig, VisionLanguageModel
from empirical.vlm.families import family_of
from empirical.vlm.loading import device_of, dtype_of
from empirical.vlm.processors import image_only

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

SPECIAL_TOKENS = ("<|im_start|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% for c in m['content'] %}{% if c['type'] == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ c['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@dataclass(frozen=True)
class Shape:
    """The shape of a Qwen2.5-VL, as in its ``config.json`` on the Hub, and the images it is shown."""

    width: int  # of the language model
    layers: int
    heads: int
    kv_heads: int
    feed_forward: int
    vocabulary: int
    tied: bool  # whether input and output embeddings share one matrix
    vision_width: int = 1280  # of the vision tower
    vision_layers: int = 32
    vision_heads: int = 16
    vision_feed_forward: int = 3420
    whole: tuple[int, ...] = (7, 15, 23, 31)  # its layers that see the whole image; the others see windows of `window` pixels
    patch: int = 14
    window: int = 112
    image: int = 448  # side of the square images, in pixels: (image / patch / 2) squared tokens each. This one is our choice

    @property
    def image_tokens(self) -> int:
        """Number of tokens of an image in the language model."""
        return (self.image // self.patch // 2) ** 2


SHAPES = {
    "tiny": Shape(64, 2, 4, 2, 128, 600, True, 64, 2, 4, 128, (1,), 8, 32, 64),
    "3b": Shape(2048, 36, 16, 2, 11008, 151936, True),
    "7b": Shape(3584, 28, 28, 4, 18944, 152064, False),
}


def build(shape: Shape, config: ModelConfig, seed: int = 0) -> VisionLanguageModel:
    """Make a model with random weights on its device, as if loaded; its tokenizer is trained on the package's own prompts."""
    import torch
    import transformers

    tokenizer = _tokenizer()
    device, dtype = device_of(config), dtype_of(config)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), torch.device(device):
        torch.manual_seed(seed)
        options = {"attn_implementation": config.attention} if config.attention else {}
        model = transformers.AutoModelForImageTextToText.from_config(_architecture(shape, tokenizer), dtype=dtype, **options)
    model.generation_config.eos_token_id, model.generation_config.pad_token_id = tokenizer.eos_token_id, tokenizer.pad_token_id
    side = {"shortest_edge": shape.image**2, "longest_edge": shape.image**2}
    images = transformers.Qwen2VLImageProcessorPil(patch_size=shape.patch, merge_size=2, temporal_patch_size=2, size=side)
    processor = image_only(transformers.Qwen2_5_VLProcessor)(image_processor=images, tokenizer=tokenizer, chat_template=TEMPLATE)
    family = family_of(model.config)
    family.fast_vision(model, config.fast_vision)
    return VisionLanguageModel(model.eval(), processor, family, config, {})


def _architecture(shape: Shape, tokenizer: PreTrainedTokenizerFast) -> Any:
    import transformers

    ids = tokenizer.convert_tokens_to_ids
    head = shape.width // shape.heads // 2  # the halves of a head's dimensions turn by time, height and width
    text = {
        "hidden_size": shape.width, "num_hidden_layers": shape.layers, "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads, "intermediate_size": shape.feed_forward, "vocab_size": shape.vocabulary,
        "max_position_embeddings": 32768, "bos_token_id": None, "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [head // 4, head * 3 // 8, head * 3 // 8]},
    }  # fmt: skip
    vision = {
        "depth": shape.vision_layers, "hidden_size": shape.vision_width, "num_heads": shape.vision_heads,
        "intermediate_size": shape.vision_feed_forward, "out_hidden_size": shape.width, "patch_size": shape.patch,
        "window_size": shape.window, "fullatt_block_indexes": list(shape.whole), "spatial_merge_size": 2, "temporal_patch_size": 2,
        "tokens_per_second": 2,
    }  # fmt: skip
    return transformers.Qwen2_5_VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=ids("<|image_pad|>"),
        video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"),
        vision_end_token_id=ids("<|vision_end|>"),
        tie_word_embeddings=shape.tied,
    )


def _tokenizer() -> PreTrainedTokenizerFast:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    from empirical.vlm.pocket import training_text

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_end|>", *SPECIAL_TOKENS]
    trainer = trainers.BpeTrainer(
        vocab_size=590, special_tokens=special, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    bpe.train_from_iterator([training_text()] * 4, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        padding_side="left",
        extra_special_tokens=list(SPECIAL_TOKENS),
    )
