"""Whether a file of weights is whole, and whether an adapter is all there and does something."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from empirical.vlm.lora_precision import in_base_format
from see_in_pairs.errors import InputError, first_few, first_line

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

ADAPTER_WEIGHTS = "adapter_model.safetensors"


def check_weights(folder: Path) -> None:
    """Stop at a file of weights that is cut off or no safetensors file; of each only the head is read."""
    for file in sorted(folder.glob("*.safetensors")) if folder.is_dir() else []:
        tensors_of(file)


def tensors_of(file: Path) -> list[str]:
    """List the tensors in a file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as stream:
            return list(stream.keys())
    except (SafetensorError, OSError) as error:
        raise InputError(f"{file}: not a whole safetensors file ({first_line(error)}); copy or download it again") from None


def require_all_loaded(name: str, info: dict[str, Any]) -> None:
    """Stop where tensors of a model were not among its weights: transformers fills them with random numbers and goes on."""
    missing = sorted(info.get("missing_keys", ()))
    if missing:
        raise InputError(
            f"model '{name}': its files lack {len(missing)} of the weights ({first_few(missing)}), which would be random; get them whole"
        )


def put_on(model: PreTrainedModel, folder: Path) -> PeftModel:
    """Put an adapter on its base, all of it or none.

    Returns the base with the adapter.
    """
    from peft import PeftModel, get_peft_model_state_dict

    file = folder / ADAPTER_WEIGHTS
    if not file.is_file():
        raise InputError(f"model '{folder}': the adapter's weights, {ADAPTER_WEIGHTS}, are not there")
    found = set(tensors_of(file))
    try:
        with peft_is_behind(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Found missing adapter keys")  # pages of them; here that is an error, below
            wrapped = PeftModel.from_pretrained(model, str(folder), use_safetensors=True)
    except Exception as error:  # of an adapter_config.json with other content almost anything
        raise InputError(f"model '{folder}': the adapter does not fit its base '{_name(model)}' ({first_line(error)})") from None
    expected = get_peft_model_state_dict(wrapped, save_embedding_layers=False)
    missing, strange = sorted(set(expected) - found), sorted(found - set(expected) - {key for key, _ in wrapped.named_parameters()})
    for what, keys in (("lacks", missing), ("has, and its base has no place for,", strange)):
        if keys:
            raise InputError(f"{file}: {what} {len(keys)} tensors ({first_few(keys)}); copy it again, or train the adapter again")
    if does_nothing(expected):
        raise InputError(f"{file}: this adapter does nothing (each of its lora_B is zero); evaluate '{_name(model)}' itself")
    return in_base_format(wrapped)


def does_nothing(tensors: dict[str, Any]) -> bool:
    """Tell an adapter that leaves its base as it is."""
    second = [tensor for name, tensor in tensors.items() if "lora_B" in name or "lora_embedding_B" in name]
    lora_only = all("lora_" in name for name in tensors)
    return lora_only and bool(second) and not any(bool(tensor.any()) for tensor in second)


@contextmanager
def only_errors() -> Iterator[None]:
    """Keep transformers' table of missing weights off the screen: that they are missing is an error here, and one line.

    Returns while transformers loads a model.
    """
    import transformers

    before = transformers.utils.logging.get_verbosity()
    transformers.utils.logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers.utils.logging.set_verbosity(before)


@contextmanager
def peft_is_behind() -> Iterator[None]:
    """Silence one warning: peft asks a model for ``is_gradient_checkpointing``, which transformers has renamed; users can do nothing.

    Returns while peft wraps a model.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        yield


def _name(model: PreTrainedModel) -> str:
    return str(model.config._name_or_path)
