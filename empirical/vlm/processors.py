"""Processors (tokenizer, image processor, chat template): loading with or without torchvision, and changes of settings."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from empirical.prompts.templates import PromptConfig, prompt_text
from empirical.vlm.flatten import SETTING, activate
from empirical.vlm.input_spec import PIXEL_BUDGET
from see_in_pairs.errors import InputError, first_few, first_line, is_panic
from see_in_pairs.limits import TimeLimit, memory_limit, time_limit

if TYPE_CHECKING:
    from transformers import ProcessorMixin

    from empirical.vlm.config import ModelConfig

TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model", "sentencepiece.bpe.model")
WORDINGS = ("single", "pair", "reversed", "unlabelled", "text", "question_only")
VIDEO_OR_AUDIO = ("video_processor", "audio_processor")

MOST_LETTERS = 2**20
"""Characters of a chat template, and of what it adds to a question."""

TEMPLATE_SECONDS, TEMPLATE_MEGABYTES = 10.0, 500.0
"""Limits of a chat template for one question; those of real models take milliseconds and little memory."""

ORIGINAL = "use the one of the original checkpoint"


def load_processor(name: str, config: ModelConfig) -> ProcessorMixin:
    """Load a processor, without its video and audio parts when torchvision is missing."""
    import transformers
    from transformers.utils import cached_file, is_torchvision_available

    options = {"revision": config.revision, "trust_remote_code": config.trust_remote_code}
    if Path(name).is_dir() and not any((Path(name) / file).is_file() for file in TOKENIZERS):  # some classes create an empty one
        raise InputError(f"model '{name}': the folder contains no tokenizer ({first_few(TOKENIZERS)}); copy or download it again")
    try:
        if is_torchvision_available():
            processor = transformers.AutoProcessor.from_pretrained(name, **options)
        else:  # then transformers refuses every processor with a video or audio part, which images do not need
            file = cached_file(name, "processor_config.json", revision=config.revision)
            cls = getattr(transformers, json.loads(Path(str(file)).read_text())["processor_class"])
            processor = image_only(cls).from_pretrained(name, **options)
    except Exception as error:  # a malformed tokenizer.json or processor_config.json can raise almost anything
        raise InputError(f"model '{name}': its processor cannot be loaded ({first_line(error)})") from None
    if getattr(processor, "tokenizer", None) is None or getattr(processor, "image_processor", None) is None:
        raise InputError(f"model '{name}': its processor has no tokenizer or takes no images; use a checkpoint of a vision-language model")
    if processor.chat_template is None:
        raise InputError(f"model '{name}': has no chat template; use the instruction-tuned checkpoint")
    _try_tokenizer(name, processor.tokenizer)
    _refuse_endless(processor.chat_template)
    with memory_limit(TEMPLATE_MEGABYTES):  # here, where no other thread is running
        chat_text(processor, [{"type": "image"}, {"type": "text", "text": "?"}])
    return processor


def _try_tokenizer(name: str, tokenizer: Any) -> None:
    """Refuse a tokenizer that fails on text (for example with damaged patterns): it would fail in the middle of a run."""
    try:
        tokenizer("".join(letter * 64 + " " for letter in "a1.?é\n") + "Does it show a nodule?")
    except BaseException as error:
        if isinstance(error, Exception) or is_panic(error):
            raise InputError(f"model '{name}': its tokenizer cannot be used ({first_line(error)}); {ORIGINAL}") from None
        raise


def _refuse_endless(templates: Any) -> None:
    """Refuse chat templates that could run forever: too long, or with powers, which cannot be interrupted."""
    from jinja2 import Environment, TemplateError

    for template in templates.values() if isinstance(templates, dict) else [templates]:
        if not isinstance(template, str) or len(template) > MOST_LETTERS:
            raise InputError(f"the model's chat template is not a text of at most {MOST_LETTERS:,} characters; {ORIGINAL}")
        with contextlib.suppress(TemplateError, RecursionError):  # reported when it is used
            if any(kind == "operator" and value == "**" for _, kind, value in Environment(autoescape=True).lex(template)):
                raise InputError(f"the model's chat template computes powers, which no conversation needs; {ORIGINAL}")


def chat_text(processor: ProcessorMixin, content: list[dict[str, str]]) -> str:
    """Render a user's turn with a model's chat template, up to the beginning of the answer."""
    from jinja2 import TemplateError

    try:
        with time_limit(TEMPLATE_SECONDS, "it"):
            text = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError, RecursionError, MemoryError) as error:
        raise InputError(f"the model's chat template cannot be used ({first_line(error)}); {ORIGINAL}") from None
    except SyntaxError:  # an error of the Python code that jinja makes, for example with 20 nested loops
        raise InputError(f"the model's chat template cannot be compiled; {ORIGINAL}") from None
    except TimeLimit:
        raise InputError(f"the model's chat template takes more than {TEMPLATE_SECONDS:g} s for a question; {ORIGINAL}") from None
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"the model's chat template gives an empty text for a question; {ORIGINAL}")
    if len(text) > MOST_LETTERS + sum(len(part.get("text", "")) for part in content):
        raise InputError(f"the model's chat template gives {len(text):,} characters for a question; {ORIGINAL}")
    return text


def refuse_special_tokens(processor: ProcessorMixin, prompts: PromptConfig, words: Mapping[str, str]) -> None:
    """Refuse prompts, or words for them, that contain a token with which the model marks images or turns."""
    tokens = {token.content for token in processor.tokenizer.added_tokens_decoder.values() if token.special}
    tokens |= {token for token in (getattr(processor, "image_token", None), getattr(processor, "boi_token", None)) if token}
    texts = {f"prompts.{place}: '{prompts.wording(place)}'": prompt_text(prompts.wording(place)) for place in WORDINGS}
    texts |= {f"the answer prompts.{place}": getattr(prompts, place) for place in ("positive", "negative")}
    texts |= {f"the cohort's {word} (cohort.json)": words[word] for word in ("modality", "finding", "control") if word in words}
    texts |= {"a question or choice of the cohort (questions.parquet)": words["question"]} if "question" in words else {}
    for place, text in texts.items():
        for token in sorted(tokens, key=len, reverse=True):
            if token.strip() and token in text:
                what = f"{place} contains the model's special token '{token}'"
                raise InputError(f"{what}; remove it (images go where {{query}} and {{reference}} do)")


def image_only(cls: Any) -> Any:
    """Return a subclass of a processor class, of the same name, without video and audio parts; the class itself if it has none."""
    parts = cls.get_attributes()
    if not set(parts) & set(VIDEO_OR_AUDIO):
        return cls
    kept = [part for part in parts if part not in VIDEO_OR_AUDIO]
    members: dict[str, Any] = {"get_attributes": classmethod(lambda _: kept), "__module__": cls.__module__}
    if cls.__name__ == "SmolVLMProcessor":  # the only one whose constructor demands the video part
        members |= _smolvlm_without_video(cls)
    return type(cls.__name__, (cls,), members)


def _smolvlm_without_video(cls: Any) -> dict[str, Any]:
    def init(self, image_processor, tokenizer, video_processor=None, image_seq_len=169, chat_template=None, **rest):  # type: ignore[no-untyped-def]
        cls.__init__(self, image_processor, tokenizer, None, image_seq_len=image_seq_len, chat_template=chat_template, **rest)  # type: ignore[misc]

    return {"__init__": init, "video_processor": type("NoVideo", (), {"num_frames": None, "fps": None})}


def change_image_processor(processor: ProcessorMixin, config: ModelConfig) -> None:
    """Apply ``model.image_processor`` of a config to a processor."""
    before = processor.image_processor.to_dict()
    unknown = [name for name in config.image_processor if name not in before and name != SETTING]
    if unknown:
        known = ", ".join(name for name in sorted(before) if not name.startswith("_"))
        raise InputError(f"model.image_processor: '{config.name}' has no setting '{unknown[0]}' (known: {known})")
    if config.image_processor:
        wanted = config.image_processor
        try:
            processor.image_processor = type(processor.image_processor).from_dict(before | wanted)
            _check_settings(processor, wanted)
        except Exception as error:  # for an invalid size each processor raises its own type
            raise InputError(f"model.image_processor: '{config.name}' does not work with {wanted} ({first_line(error)})") from None
    try:
        activate(processor.image_processor)
    except ValueError as error:
        raise InputError(f"model.image_processor: '{config.name}': {error}") from None


def _check_settings(processor: ProcessorMixin, wanted: dict[str, Any]) -> None:
    """Process one image now: processors check such values only then, which would be in the middle of a run."""
    from PIL import Image

    if any(number < 1 for name in PIXEL_BUDGET for number in _numbers(wanted.get(name))):  # some processors accept a side of -3 pixels
        raise ValueError("a size must be at least 1")
    pixels = processor.image_processor(images=[Image.new("RGB", (64, 64))], return_tensors="pt")["pixel_values"]
    if pixels.numel() == 0:
        raise ValueError("no pixels are left")


def _numbers(value: Any) -> Iterator[float]:
    """Yield the numbers in a setting such as ``{"longest_edge": 64}``."""
    if isinstance(value, (int, float)):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ():
        yield from _numbers(part)
