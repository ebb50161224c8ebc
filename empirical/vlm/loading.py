"""Load a vision-language model: the pocket model, a local folder, a Hub id, or an adapter trained by this package."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from empirical.vlm.families import family_of
from empirical.vlm.families.base import Family
from empirical.vlm.pocket import pocket_path
from see_in_pairs.configs import StrictConfig
from see_in_pairs.errors import InputError
from see_in_pairs.files import read_json, sha256

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, ProcessorMixin

VIDEO_OR_AUDIO = ("video_processor", "audio_processor")
ADAPTER = "adapter_config.json"


class ModelConfig(StrictConfig):
    """Which model, and how it is held in memory.

    Parameters
    ----------
    name : str
        ``pocket``, a folder, or a Hub id; a folder written by ``finetune`` brings its base model with it.
    revision : str, optional
        The commit of a Hub repository; pin it for a result that can be made again.
    dtype : str
        ``auto``: bfloat16 on a GPU, float32 on a CPU.
    device : str
        ``auto``: the GPU where there is one.
    attention : str, optional
        ``sdpa``, ``eager``, ``flash_attention_2``; by default what the model chooses.
    trust_remote_code : bool
        Run Python code that comes with the repository. Off unless you have read that code.
    """

    name: str = "pocket"
    revision: str | None = None
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    attention: str | None = None
    trust_remote_code: bool = False


@dataclass(frozen=True)
class VisionLanguageModel:
    """A model with what is needed to use it.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        On its device, in evaluation mode.
    processor : transformers.ProcessorMixin
        Tokenizer, image processor and chat template.
    family : Family
        The quirks of its family.
    config : ModelConfig
        How it was loaded.
    training : dict
        What ``finetune`` recorded beside it; empty for a model from elsewhere.
    """

    model: PreTrainedModel
    processor: ProcessorMixin
    family: Family
    config: ModelConfig
    training: dict[str, Any]


def load_vlm(config: ModelConfig) -> VisionLanguageModel:
    """Load model, processor and family.

    Parameters
    ----------
    config : ModelConfig
        What to load and how.

    Returns
    -------
    VisionLanguageModel
        Ready for scoring.

    Raises
    ------
    InputError
        When the model cannot be found, is of an unknown family, or has no safetensors weights.
    """
    name = resolve(config.name)
    adapter = Path(name) if (Path(name) / ADAPTER).is_file() else None
    training = training_record(name)
    base = config if adapter is None else _base_of(training, adapter, config)
    model = _load_weights(resolve(base.name), base)
    if adapter is not None:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, str(adapter), use_safetensors=True)
    family = family_of(model.config)
    processor = load_processor(name, config)
    for setting, value in family.image_processor_settings.items():
        setattr(processor.image_processor, setting, value)
    return VisionLanguageModel(model.to(device_of(config)).eval(), processor, family, config, training)


def resolve(name: str) -> str:
    """Turn the name ``pocket`` into its folder; leave folders and Hub ids as they are.

    Parameters
    ----------
    name : str
        ``pocket``, a folder or a Hub id.

    Returns
    -------
    str
        What ``from_pretrained`` takes.

    Raises
    ------
    InputError
        When it looks like a folder and there is none.
    """
    if name == "pocket":
        return str(pocket_path())
    looks_local = name.startswith((".", "/", "~")) or name.count("/") > 1
    path = Path(name).expanduser()
    if looks_local and not path.is_dir():
        raise InputError(f"model '{name}': no such folder")
    if path.is_dir() and not ((path / "config.json").is_file() or (path / ADAPTER).is_file()):
        raise InputError(f"model '{name}': the folder holds neither a config.json nor an {ADAPTER}")
    return str(path) if path.is_dir() else name


def training_record(name: str) -> dict[str, Any]:
    """Read what ``finetune`` recorded beside a model.

    Parameters
    ----------
    name : str
        ``pocket``, a folder or a Hub id.

    Returns
    -------
    dict
        Arm, seed and size of the training; empty for a model from elsewhere.
    """
    file = Path(name).expanduser() / "training.json"
    return read_json(file) if file.is_file() else {}


def device_of(config: ModelConfig) -> torch.device:
    """Choose the device.

    Parameters
    ----------
    config : ModelConfig
        Its ``device``.

    Returns
    -------
    torch.device
        The GPU where it is asked for or, under ``auto``, present.

    Raises
    ------
    InputError
        When ``cuda`` is asked for and there is none.
    """
    import torch

    if config.device == "cuda" and not torch.cuda.is_available():
        raise InputError("device: cuda was asked for, but torch sees no GPU; use 'auto' or install a CUDA build of torch")
    gpu = config.device != "cpu" and torch.cuda.is_available()
    return torch.device("cuda" if gpu else "cpu")


def dtype_of(config: ModelConfig) -> torch.dtype:
    """Choose the number format of the weights.

    Parameters
    ----------
    config : ModelConfig
        Its ``dtype`` and ``device``.

    Returns
    -------
    torch.dtype
        Under ``auto`` bfloat16 on a GPU, float32 on a CPU.
    """
    import torch

    if config.dtype != "auto":
        return getattr(torch, config.dtype)
    return torch.bfloat16 if device_of(config).type == "cuda" else torch.float32


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
        raise InputError(f"model '{name}': its processor cannot be loaded ({_first_line(error)})") from None
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


def weights_hash(name: str) -> str:
    """Hash the weights of a local model.

    Parameters
    ----------
    name : str
        ``pocket``, a folder, or a Hub id.

    Returns
    -------
    str
        The SHA-256 over its safetensors files; '' for a Hub id, whose revision stands for it.
    """
    folder = Path(resolve(name))
    return "-".join(sha256(file)[:16] for file in sorted(folder.glob("*.safetensors"))) if folder.is_dir() else ""


def _base_of(training: dict[str, Any], adapter: Path, config: ModelConfig) -> ModelConfig:
    base = training.get("base_model") or read_json(adapter / ADAPTER).get("base_model_name_or_path")
    if not base:
        raise InputError(f"model '{adapter}': an adapter that does not name its base model")
    return config.model_copy(update={"name": base, "revision": training.get("base_revision")})


def _load_weights(name: str, config: ModelConfig) -> PreTrainedModel:
    import transformers

    transformers.utils.logging.disable_progress_bar()
    options: dict[str, Any] = {"revision": config.revision, "trust_remote_code": config.trust_remote_code, "use_safetensors": True}
    if config.attention is not None:
        options["attn_implementation"] = config.attention
    try:
        return transformers.AutoModelForImageTextToText.from_pretrained(name, dtype=dtype_of(config), **options)
    except (OSError, ValueError, ImportError) as error:
        raise InputError(f"model '{name}': cannot be loaded ({_first_line(error)})") from None


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__
