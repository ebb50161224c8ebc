"""Processors (tokenizer, image processor, chat template): loaded with or without torchvision, and their settings changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    from transformers import ProcessorMixin

    from empirical.vlm.loading import ModelConfig

VIDEO_OR_AUDIO = ("video_processor", "audio_processor")


def load_processor(name: str, config: ModelConfig) -> ProcessorMixin:
    """Load a processor, also where torchvision is absent.

    Without torchvision, transformers refuses every processor that owns a video or audio part; such a part is left out here, which
    changes nothing for images.

    Parameters
    ----------
    name : str
        A folder or a Hub id.
    config : ModelConfig
        Revision and trust.

    Returns
    -------
    transformers.ProcessorMixin
        The processor.

    Raises
    ------
    InputError
        When there is no processor, or it has no chat template.
    """
    import transformers
    from transformers.utils import cached_file, is_torchvision_available

    options = {"revision": config.revision, "trust_remote_code": config.trust_remote_code}
    try:
        if is_torchvision_available():
            processor = transformers.AutoProcessor.from_pretrained(name, **options)
        else:
            file = cached_file(name, "processor_config.json", revision=config.revision)
            cls = getattr(transformers, json.loads(Path(str(file)).read_text())["processor_class"])
            processor = image_only(cls).from_pretrained(name, **options)
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise InputError(f"model '{name}': its processor cannot be loaded ({first_line(error)})") from None
    if processor.chat_template is None:
        raise InputError(f"model '{name}': has no chat template; use the instruction-tuned checkpoint")
    return processor


def image_only(cls: Any) -> Any:
    """Make a processor class without its video and audio parts.

    Parameters
    ----------
    cls : type
        A processor class of transformers.

    Returns
    -------
    type
        The class itself where it has no such part, else a subclass of the same name.
    """
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
    """Change settings of an image processor as a config asks.

    Parameters
    ----------
    processor : transformers.ProcessorMixin
        Its image processor is replaced.
    config : ModelConfig
        Its ``image_processor``.

    Raises
    ------
    InputError
        When there is no such setting.
    """
    before = processor.image_processor.to_dict()
    unknown = [name for name in config.image_processor if name not in before]
    if unknown:
        known = ", ".join(name for name in sorted(before) if not name.startswith("_"))
        raise InputError(f"model.image_processor: '{config.name}' has no setting '{unknown[0]}' (known: {known})")
    if config.image_processor:
        processor.image_processor = type(processor.image_processor).from_dict(before | config.image_processor)


def first_line(error: Exception) -> str:
    """Give the first line of a library's error, which may run to pages.

    Parameters
    ----------
    error : Exception
        What was raised.

    Returns
    -------
    str
        At most 200 characters.
    """
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__
