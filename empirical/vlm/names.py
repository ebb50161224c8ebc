"""Names of models: the bundled ones, folders, Hub ids; and hashes of what a folder holds."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from empirical.vlm.pocket import random_pocket_path
from see_in_pairs.errors import InputError
from see_in_pairs.files import sha256

ADAPTER = "adapter_config.json"
POCKET = Path(__file__).parent / "pocket" / "weights"
"""The bundled model: config, weights, tokenizer, processor, chat template and card."""


def resolve(name: str) -> str:
    """Turn the names ``pocket`` and ``pocket-random`` into folders; leave folders and Hub ids as they are.

    Parameters
    ----------
    name : str
        ``pocket`` (the bundled model, which has learned to compare), ``pocket-random`` (one of its shape that has learned nothing), a
        folder or a Hub id.

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


def weights_hash(name: str) -> str:
    """Hash the weights of a local model.

    Parameters
    ----------
    name : str
        ``pocket``, ``pocket-random``, a folder, or a Hub id.

    Returns
    -------
    str
        The SHA-256 over its safetensors files; '' for a Hub id, whose revision stands for it.
    """
    folder = Path(resolve(name))
    files = sorted(folder.glob("*.safetensors")) if folder.is_dir() else []
    return "-".join(_file_hash(file, file.stat().st_mtime_ns)[:16] for file in files)


def files_hash(name: str) -> dict[str, str]:
    """Hash what a local model is made of: weights or adapter, configs, tokenizer, chat template.

    Parameters
    ----------
    name : str
        ``pocket``, ``pocket-random``, a folder, or a Hub id.

    Returns
    -------
    dict of str to str
        File name to SHA-256; empty for a Hub id, whose revision stands for it.
    """
    folder = Path(resolve(name))
    if not folder.is_dir():
        return {}
    files = sorted(file for file in folder.iterdir() if file.suffix in (".safetensors", ".json", ".jinja", ".model", ".txt"))
    return {file.name: _file_hash(file, file.stat().st_mtime_ns) for file in files}


@cache
def _file_hash(file: Path, changed: int) -> str:
    """Hash a file once, for as long as it is not written to: weights are large, and their hash is asked for often."""
    return sha256(file)
