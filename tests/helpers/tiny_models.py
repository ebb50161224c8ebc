"""Tiny models of real families, made on the spot and saved as a Hub checkpoint would be."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as T
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from empirical.vlm.config import ModelConfig, VisionLanguageModel
from empirical.vlm.loading import load_vlm
from empirical.vlm.processors import image_only

TEXT = dict(
    hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=4096
)
VISION = dict(hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, image_size=32, patch_size=8)
WORDS = "Reference, healthy: Query chest X-ray: Does the query show a nodule? Answer yes or no. yes no"
BODY = (
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for c in m['content'] %}"
    "{% if c['type']=='image' %}IMAGE{% else %}{{ c['text'] }}{% endif %}{% endfor %}{% endif %}"
)
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n" + BODY + "<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
IDEFICS = (
    "<|im_start|>{% for m in messages %}{{ m['role']|capitalize }}:" + BODY + "<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)
GEMMA = (
    "<bos>{% for m in messages %}<start_of_turn>{{ m['role'] }}\n" + BODY + "<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)


@dataclass
class Parts:
    config: Any
    tokenizer: T.PreTrainedTokenizerFast
    image_processor: Any
    processor_class: str
    template: str
    options: dict[str, Any] = field(default_factory=dict)


def tokenizer(
    specials: list[str], eos: str, pad: str, bos: str | None = None, named: dict[str, str] | None = None
) -> T.PreTrainedTokenizerFast:
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    every = list(dict.fromkeys([pad, eos, *([bos] if bos else []), *specials]))
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(
        [WORDS] * 20, trainers.BpeTrainer(vocab_size=600, special_tokens=every, show_progress=False, initial_alphabet=alphabet)
    )
    begin = dict(bos_token=bos) if bos else {}
    extra = named or [token for token in specials if token not in (eos, pad, bos)]
    return T.PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token=eos, pad_token=pad, padding_side="left", extra_special_tokens=extra, **begin
    )


def ids(t: T.PreTrainedTokenizerFast) -> dict[str, int]:
    return dict(vocab_size=len(t), bos_token_id=t.bos_token_id, eos_token_id=t.eos_token_id, pad_token_id=t.pad_token_id)


def qwen(kind: str) -> Parts:
    t = tokenizer(["<|im_start|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"], "<|im_end|>", "<|endoftext|>")
    g = t.convert_tokens_to_ids
    tokens = dict(
        image_token_id=g("<|image_pad|>"), video_token_id=g("<|video_pad|>"),
        vision_start_token_id=g("<|vision_start|>"), vision_end_token_id=g("<|vision_end|>"),
    )  # fmt: skip
    section = [4, 2, 2] if kind == "qwen3" else [2, 3, 3]
    rope = {"rope_type": "default", "mrope_section": section, "rope_theta": 1e4} | ({"mrope_interleaved": True} if kind == "qwen3" else {})
    text = dict(TEXT, **ids(t), rope_parameters=rope) | ({"head_dim": 16} if kind == "qwen3" else {})
    common = dict(num_heads=4, patch_size=8, spatial_merge_size=2, temporal_patch_size=2)
    vision: dict[str, Any] = {
        "qwen2": dict(common, depth=2, embed_dim=64, hidden_size=64, mlp_ratio=2),
        "qwen2_5": dict(
            common, depth=2, hidden_size=64, intermediate_size=128, out_hidden_size=64, window_size=32, fullatt_block_indexes=[1]
        ),
        "qwen3": dict(
            common,
            depth=3,
            hidden_size=64,
            intermediate_size=128,
            out_hidden_size=64,
            num_position_embeddings=64,
            deepstack_visual_indexes=[0, 1],
        ),
    }[kind]
    config_class = {"qwen2": T.Qwen2VLConfig, "qwen2_5": T.Qwen2_5_VLConfig, "qwen3": T.Qwen3VLConfig}[kind]
    processor = {"qwen2": "Qwen2VLProcessor", "qwen2_5": "Qwen2_5_VLProcessor", "qwen3": "Qwen3VLProcessor"}[kind]
    size = {"shortest_edge": 32 * 32, "longest_edge": 64 * 64}
    images = T.Qwen2VLImageProcessorPil(patch_size=8, merge_size=2, temporal_patch_size=2, size=size)
    template = CHATML.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>")
    return Parts(config_class(text_config=text, vision_config=vision, **tokens), t, images, processor, template)


def idefics(name: str) -> Parts:
    grid = [f"<row_{i}_col_{j}>" for i in range(1, 7) for j in range(1, 7)]
    specials = ["<image>", "<fake_token_around_image>", "<end_of_utterance>", "<global-img>", *grid]
    t = tokenizer(specials, "<end_of_utterance>", "<|endoftext|>", "<|im_start|>")
    config = getattr(T, name + "Config")(
        text_config=dict(TEXT, **ids(t), model_type="llama"), vision_config=VISION,
        image_token_id=t.convert_tokens_to_ids("<image>"), scale_factor=2, pad_token_id=t.pad_token_id,
    )  # fmt: skip
    edge = {"longest_edge": 32}
    images = getattr(T, name + "ImageProcessorPil")(size=edge, max_image_size=edge, do_image_splitting=False)
    return Parts(config, t, images, name + "Processor", IDEFICS.replace("IMAGE", "<image>"), dict(image_seq_len=4))


def internvl() -> Parts:
    named = {"start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>", "video_token": "<video>"}
    t = tokenizer(["<|im_start|>", *named.values()], "<|im_end|>", "<|endoftext|>", named=named | {"turn_token": "<|im_start|>"})
    config = T.InternVLConfig(
        text_config=dict(TEXT, **ids(t), model_type="qwen2"), vision_config=dict(VISION, image_size=[32, 32], patch_size=[8, 8]),
        downsample_ratio=0.5, image_seq_length=4, image_token_id=t.convert_tokens_to_ids("<IMG_CONTEXT>"),
    )  # fmt: skip
    images = T.GotOcr2ImageProcessorPil(size={"height": 32, "width": 32})
    return Parts(config, t, images, "InternVLProcessor", CHATML.replace("IMAGE", "<IMG_CONTEXT>\n"), dict(image_seq_length=4))


def gemma() -> Parts:
    named = {"image_token": "<image_soft_token>", "boi_token": "<start_of_image>", "eoi_token": "<end_of_image>"}
    t = tokenizer([*named.values(), "<start_of_turn>"], "<end_of_turn>", "<pad>", "<bos>", named=named | {"turn_token": "<start_of_turn>"})
    g = t.convert_tokens_to_ids
    text = dict(
        TEXT, **ids(t), head_dim=16, sliding_window=16, layer_types=["sliding_attention", "full_attention"], query_pre_attn_scalar=16
    )
    config = T.Gemma3Config(
        text_config=text, vision_config=dict(VISION, model_type="siglip_vision_model"), mm_tokens_per_image=4,
        boi_token_index=g("<start_of_image>"), eoi_token_index=g("<end_of_image>"), image_token_index=g("<image_soft_token>"),
    )  # fmt: skip
    images = T.Gemma3ImageProcessorPil(size={"height": 32, "width": 32})
    return Parts(config, t, images, "Gemma3Processor", GEMMA.replace("IMAGE", "<start_of_image>"), dict(image_seq_length=4))


def llava() -> Parts:
    named = {"image_token": "<image>", "video_token": "<video>"}
    t = tokenizer(["<|im_start|>", *named.values()], "<|im_end|>", "<|endoftext|>", named=named | {"turn_token": "<|im_start|>"})
    grid = [[32, 32], [32, 64], [64, 32], [64, 64]]
    config = T.LlavaOnevisionConfig(
        text_config=dict(TEXT, **ids(t), model_type="qwen2"),
        vision_config=dict(VISION, model_type="siglip_vision_model", vision_use_head=False),
        image_token_index=t.convert_tokens_to_ids("<image>"), video_token_index=t.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=grid, vision_feature_select_strategy="full", vision_feature_layer=-1,
    )  # fmt: skip
    images = T.LlavaOnevisionImageProcessorPil(size={"height": 32, "width": 32}, image_grid_pinpoints=grid)
    options = dict(num_image_tokens=16, vision_feature_select_strategy="full")
    return Parts(config, t, images, "LlavaOnevisionProcessor", CHATML.replace("IMAGE", "<image>\n"), options)


FAMILIES: dict[str, Callable[[], Parts]] = {
    "idefics3": lambda: idefics("Idefics3"),
    "smolvlm": lambda: idefics("SmolVLM"),
    "qwen2_vl": lambda: qwen("qwen2"),
    "qwen2_5_vl": lambda: qwen("qwen2_5"),
    "qwen3_vl": lambda: qwen("qwen3"),
    "internvl": internvl,
    "gemma3": gemma,
    "llava_onevision": llava,
}


def save_tiny(family: str, folder: Path) -> Path:
    """Write a tiny random model of a family; its weights are large enough for wrong positions and masks to show."""
    if family == "smolvlm" and importlib.util.find_spec("num2words") is None:
        pytest.skip("SmolVLM's processor needs the package num2words")
    T.utils.logging.disable_progress_bar()
    parts = FAMILIES[family]()
    torch.manual_seed(0)
    model = T.AutoModelForImageTextToText.from_config(parts.config)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.normal_(0, 0.08)
    model.save_pretrained(folder)
    cls = image_only(getattr(T, parts.processor_class))
    cls(image_processor=parts.image_processor, tokenizer=parts.tokenizer, chat_template=parts.template, **parts.options).save_pretrained(
        folder
    )
    _complete(folder, parts.processor_class)
    return folder


def _complete(folder: Path, processor_class: str) -> None:
    """Name the video part that we left out, as an official checkpoint does, so that machines with torchvision load it too."""
    video = {
        "Qwen2VLProcessor": "Qwen2VL", "Qwen2_5_VLProcessor": "Qwen2VL", "Qwen3VLProcessor": "Qwen3VL",
        "InternVLProcessor": "InternVL", "SmolVLMProcessor": "SmolVLM", "LlavaOnevisionProcessor": "LlavaOnevision",
    }.get(processor_class)  # fmt: skip
    file = folder / "processor_config.json"
    content = json.loads(file.read_text())
    if video:
        content.setdefault("video_processor", {"video_processor_type": video + "VideoProcessor"})
    file.write_text(json.dumps(content))


def load_tiny(family: str, folder: Path, **settings: Any) -> VisionLanguageModel:
    """Write a tiny model of a family and load it as a user would."""
    return load_vlm(ModelConfig(name=str(save_tiny(family, folder)), **settings))


def vlm_fixture(families: Iterable[str] = tuple(sorted(FAMILIES)), **settings: Any) -> Callable[..., VisionLanguageModel]:
    """Make a fixture of tiny models, one per family: ``vlm = vlm_fixture()`` at the top of a test module."""

    @pytest.fixture(scope="module", params=families)
    def vlm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> VisionLanguageModel:
        return load_tiny(request.param, tmp_path_factory.mktemp(request.param), **settings)

    return vlm
