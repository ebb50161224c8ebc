"""Load a vision-language model: a pocket model, a local folder, a Hub id, or an adapter trained by this package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from empirical.vlm.config import ModelConfig, VisionLanguageModel
from empirical.vlm.families import family_of
from empirical.vlm.hub import check_available, pinned
from empirical.vlm.input_spec import enforce_parity, parity
from empirical.vlm.model_id import adapter_base, resolve, weights_hash
from empirical.vlm.processors import change_image_processor, load_processor
from empirical.vlm.weights import check_weights, only_errors, put_on, require_all_loaded
from see_in_pairs.errors import InputError, first_line
from see_in_pairs.files import read_json

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


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
        When the model cannot be found, is of an unknown family, has no safetensors weights or broken ones, is an adapter that lacks
        tensors or does nothing, or was finetuned with inputs made otherwise than they would be now (see `empirical.vlm.input_spec`).
    """
    name, config = resolve(config.name), pinned(config)
    base = _base_of(name, config)
    training = training_record(name)
    model = _load_weights(resolve((base or config).name), base or config)
    if base is not None:
        model = put_on(model, Path(name))
    family = family_of(model.config)
    family.fast_vision(model, config.fast_vision)
    processor = load_processor(name, config)
    for setting, value in family.image_processor_settings.items():
        setattr(processor.image_processor, setting, value)
    change_image_processor(processor, config)
    vlm = VisionLanguageModel(model.to(device_of(config)).eval(), processor, family, config, training)
    trained = {part: value for part, value in training.get("parity", {}).items() if value != ""}  # of old the commit was not recorded
    now = parity(vlm) | ({"base_weights": weights_hash(base.name, base.revision)} if base is not None else {})
    enforce_parity(trained, now, config.name, config.allow_mismatch)
    return vlm


def training_record(name: str) -> dict[str, Any]:
    """Read what ``finetune`` recorded beside a model.

    Returns arm, seed and size of the training; empty for a model from elsewhere.
    """
    file = Path(name).expanduser() / "training.json"
    return read_json(file) if file.is_file() else {}


def device_of(config: ModelConfig) -> torch.device:
    """Choose the device.

    Returns the GPU where it is asked for or, under ``auto``, present.
    """
    import torch

    if config.device == "cuda" and not torch.cuda.is_available():
        raise InputError("device: cuda was asked for, but torch sees no GPU; use 'auto' or install a CUDA build of torch")
    gpu = config.device != "cpu" and torch.cuda.is_available()
    return torch.device("cuda" if gpu else "cpu")


def dtype_of(config: ModelConfig) -> torch.dtype:
    """Choose the number format of the weights.

    Returns under ``auto`` bfloat16 on a GPU, float32 on a CPU.
    """
    import torch

    if config.dtype != "auto":
        return getattr(torch, config.dtype)
    return torch.bfloat16 if device_of(config).type == "cuda" else torch.float32


def _base_of(name: str, config: ModelConfig) -> ModelConfig | None:
    """Give the model under an adapter, as it is to be loaded; None for what is no adapter."""
    found = adapter_base(name)
    if found is None:
        return None
    base = config.model_copy(update={"name": found[0], "revision": found[1]})
    if adapter_base(base.name) is not None:
        raise InputError(f"model '{name}': its base '{base.name}' is an adapter itself; one adapter on another is not supported")
    return pinned(base)


def _load_weights(name: str, config: ModelConfig) -> PreTrainedModel:
    import transformers

    check_available(name, config.revision)
    check_weights(Path(name))
    transformers.utils.logging.disable_progress_bar()
    options: dict[str, Any] = {"revision": config.revision, "trust_remote_code": config.trust_remote_code, "use_safetensors": True}
    if config.attention is not None:
        options["attn_implementation"] = config.attention
    load = transformers.AutoModelForImageTextToText.from_pretrained
    try:
        with only_errors():
            model, info = load(name, dtype=dtype_of(config), output_loading_info=True, **options)
    except Exception as error:  # of a config.json with other content almost anything
        raise InputError(f"model '{name}': cannot be loaded ({first_line(error)})") from None
    require_all_loaded(name, info)
    return model
