"""Names of models: the bundled ones, folders, Hub ids; and hashes of what a folder holds."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from empirical.vlm.hub import commit_of
from empirical.vlm.pocket import random_pocket_path
from see_in_pairs.errors import InputError
from see_in_pairs.files import read_json, sha256

ADAPTER = "adapter_config.json"
POCKET = Path(__file__).parent / "pocket" / "weights"
"""The bundled model: config, weights, tokenizer, processor, chat template and card."""


def resolve(name: str) -> str:
    """Turn the names ``pocket`` and ``pocket-random`` into folders; leave folders and Hub ids as they are."""
    if name == "pocket":
        return str(POCKET)
    if name == "pocket-random":
        return str(random_pocket_path())
    looks_local = name.startswith((".", "/", "~")) or name.count("/") > 1
    path = Path(name).expanduser()
    if looks_local and not path.is_dir():
        raise InputError(f"model '{name}': no such folder")
    if path.is_dir() and not ((path / "config.json").is_file() or (path / ADAPTER).is_file()):
        raise InputError(f"model '{name}': the folder holds neither a config.json nor an {ADAPTER}")
    return str(path) if path.is_dir() else name


def adapter_base(name: str) -> tuple[str, str | None] | None:
    """Say which model an adapter sits on.

    Returns name and revision of the base, as ``finetune`` recorded them, else as the adapter's own config says; None for what is no
    adapter.
    """
    folder = Path(name).expanduser()
    if not (folder / ADAPTER).is_file():
        return None
    settings, record = read_json(folder / ADAPTER), folder / "training.json"
    training = read_json(record) if record.is_file() else {}
    if training.get("base_model"):
        return training["base_model"], training.get("base_revision")
    if not (isinstance(settings, dict) and settings.get("base_model_name_or_path")):
        raise InputError(f"model '{name}': an adapter that does not name its base model")
    return settings["base_model_name_or_path"], settings.get("revision")


def weights_hash(name: str, revision: str | None = None) -> str:
    """Say which weights a model has, with those of the base under an adapter.

    Returns the SHA-256 over a folder's safetensors files, for an adapter followed by ``+`` and the same of its base; the commit of a Hub
    id.
    """
    folder = Path(resolve(name))
    if not folder.is_dir():
        return commit_of(name, revision)
    own = "-".join(_file_hash(file, file.stat().st_mtime_ns)[:16] for file in sorted(folder.glob("*.safetensors")))
    base = adapter_base(str(folder))
    return own if base is None else f"{own}+{weights_hash(*base)}"


def files_hash(name: str, revision: str | None = None) -> dict[str, str]:
    """Hash what a model is made of: weights or adapter, configs, tokenizer, chat template; under an adapter those of the base, too.

    Returns file name to SHA-256; for a Hub id its commit.
    """
    folder = Path(resolve(name))
    if not folder.is_dir():
        return {"commit": commit_of(name, revision)}
    files = sorted(file for file in folder.iterdir() if file.suffix in (".safetensors", ".json", ".jinja", ".model", ".txt"))
    base = adapter_base(str(folder))
    below = {} if base is None else {f"base/{file}": hashed for file, hashed in files_hash(*base).items()}
    return {file.name: _file_hash(file, file.stat().st_mtime_ns) for file in files} | below


@cache
def _file_hash(file: Path, changed: int) -> str:
    """Hash a file once, for as long as it is not written to: weights are large, and their hash is asked for often."""
    return sha256(file)
