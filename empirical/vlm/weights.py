"""Checks of weights and adapters: complete files, no missing tensors, an adapter that has an effect."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from empirical.vlm.lora_precision import compute_in_base_dtype
from empirical.vlm.model_id import tensor_names, weight_files
from see_in_pairs.errors import InputError, first_few, first_line
from see_in_pairs.limits import TimeLimit, time_limit

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

ADAPTER_WEIGHTS = "adapter_model.safetensors"

ADAPTER_SECONDS = 300.0
"""Longest time to attach an adapter to a loaded model; real ones take seconds."""


def check_weights(folder: Path) -> None:
    """Raise `InputError` for a truncated or invalid safetensors file; only headers are read."""
    for file in weight_files(folder) if folder.is_dir() else []:
        tensor_names(file)


def check_all_loaded(name: str, info: dict[str, Any]) -> None:
    """Raise `InputError` if a checkpoint has missing tensors: transformers fills them with random numbers and continues."""
    missing = sorted(info.get("missing_keys", ()))
    if missing:
        raise InputError(
            f"model '{name}': {len(missing)} weights are missing ({first_few(missing)}) and would be random; copy or download it again"
        )


def attach_adapter(model: PreTrainedModel, folder: Path) -> PeftModel:
    """Attach an adapter to its base; raise `InputError` unless every tensor has its place and one of them has an effect."""
    from peft import PeftModel, get_peft_model_state_dict

    file = folder / ADAPTER_WEIGHTS
    if not file.is_file():
        raise InputError(f"model '{folder}': the adapter's weights, {ADAPTER_WEIGHTS}, are missing")
    found = set(tensor_names(file))
    try:
        with ignore_peft_deprecation(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Found missing adapter keys")  # an error below, in one line
            with time_limit(ADAPTER_SECONDS, "it"):  # adapter_config.json has patterns, and some patterns never end
                wrapped = PeftModel.from_pretrained(model, str(folder), use_safetensors=True)
    except TimeLimit:
        raise InputError(f"model '{folder}': the adapter takes more than {ADAPTER_SECONDS:g} s to be attached; train it again") from None
    except Exception as error:  # a malformed adapter_config.json can raise almost anything
        raise InputError(f"model '{folder}': the adapter does not fit its base '{_name(model)}' ({first_line(error)})") from None
    expected = get_peft_model_state_dict(wrapped, save_embedding_layers=False)
    missing, unexpected = sorted(set(expected) - found), sorted(found - set(expected) - {key for key, _ in wrapped.named_parameters()})
    for what, keys in (("lacks", missing), ("its base has no place for", unexpected)):
        if keys:
            raise InputError(f"{file}: {what} {len(keys)} tensors ({first_few(keys)}); copy it again, or train the adapter again")
    if is_noop_adapter(expected):
        raise InputError(f"{file}: this adapter has no effect (each of its lora_B is zero); evaluate '{_name(model)}' itself")
    return compute_in_base_dtype(wrapped)


def is_noop_adapter(tensors: dict[str, Any]) -> bool:
    """Whether an adapter does not change its base: every ``lora_B`` is zero."""
    second = [tensor for name, tensor in tensors.items() if "lora_B" in name or "lora_embedding_B" in name]
    lora_only = all("lora_" in name for name in tensors)
    return lora_only and bool(second) and not any(bool(tensor.any()) for tensor in second)


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Hide transformers' table of missing weights, which are an error of one line here."""
    import transformers

    before = transformers.utils.logging.get_verbosity()
    transformers.utils.logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers.utils.logging.set_verbosity(before)


@contextmanager
def ignore_peft_deprecation() -> Iterator[None]:
    """Hide one warning: peft asks a model for ``is_gradient_checkpointing``, which transformers has renamed."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        yield


def _name(model: PreTrainedModel) -> str:
    return str(model.config._name_or_path)
