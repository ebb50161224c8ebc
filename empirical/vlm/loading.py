"""Load a vision-language model: a bundled one, a folder, a Hub id, or an adapter trained by this package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from empirical.vlm.config import ModelConfig, VisionLanguageModel
from empirical.vlm.families import family_of
from empirical.vlm.hub import check_available, pin_revision
from empirical.vlm.input_spec import check_input_spec, input_spec
from empirical.vlm.model_id import adapter_base, resolve, training_record, weights_hash
from empirical.vlm.processors import change_image_processor, load_processor
from empirical.vlm.weights import attach_adapter, check_all_loaded, check_weights, quiet_transformers
from see_in_pairs.errors import InputError, first_line

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


def load_vlm(config: ModelConfig) -> VisionLanguageModel:
    """Load model, processor and family.

    Parameters
    ----------
    config : ModelConfig
        Name, revision, number format, device and image processing of the model.

    Returns
    -------
    VisionLanguageModel
        Model, processor and family, ready for scoring.

    Raises
    ------
    InputError
        When the model cannot be found, is of an unknown family, has no or damaged safetensors weights, is an adapter with missing tensors
        or without effect, or was finetuned with different inputs than it would get now (`empirical.vlm.input_spec`).
    """
    name, config = resolve(config.name), pin_revision(config)
    base = _base_of(name, config)
    training = training_record(name)
    model = _load_weights(resolve((base or config).name), base or config)
    if base is not None:
        model = attach_adapter(model, Path(name))
    family = family_of(model.config)
    family.fast_vision(model, config.fast_vision)
    processor = load_processor(name, config)
    for setting, value in family.image_processor_settings.items():
        setattr(processor.image_processor, setting, value)
    change_image_processor(processor, config)
    vlm = VisionLanguageModel(model.to(device_of(config)).eval(), processor, family, config, training)
    trained = {part: value for part, value in training.get("parity", {}).items() if value != ""}  # older records do not have the commit
    now = input_spec(vlm) | ({"base_weights": weights_hash(base.name, base.revision)} if base is not None else {})
    check_input_spec(trained, now, config.name, config.allow_mismatch)
    return vlm


def device_of(config: ModelConfig) -> torch.device:
    """Return the device: the GPU if asked for, or under ``auto`` if there is one."""
    import torch

    if config.device == "cuda" and not torch.cuda.is_available():
        raise InputError("device: cuda was asked for, but torch sees no GPU; use 'auto' or install a CUDA build of torch")
    gpu = config.device != "cpu" and torch.cuda.is_available()
    return torch.device("cuda" if gpu else "cpu")


def dtype_of(config: ModelConfig) -> torch.dtype:
    """Return the number format of the weights; ``auto`` is bfloat16 on a GPU, float32 on a CPU."""
    import torch

    if config.dtype != "auto":
        return getattr(torch, config.dtype)
    return torch.bfloat16 if device_of(config).type == "cuda" else torch.float32


def _base_of(name: str, config: ModelConfig) -> ModelConfig | None:
    """Return the config of an adapter's base model, or None if the model is not an adapter."""
    found = adapter_base(name)
    if found is None:
        return None
    base = config.model_copy(update={"name": found[0], "revision": found[1]})
    return pin_revision(base)


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
        with quiet_transformers():
            model, info = load(name, dtype=dtype_of(config), output_loading_info=True, **options)
    except Exception as error:  # a malformed config.json can raise almost anything
        raise InputError(f"model '{name}': cannot be loaded ({first_line(error)})") from None
    check_all_loaded(name, info)
    return model
