"""Model names (bundled models, folders, Hub ids) and hashes of model files."""

from __future__ import annotations

import contextlib
import stat
from functools import cache
from pathlib import Path, PureWindowsPath
from typing import Any

from empirical.vlm.hub import BUNDLED, commit_of, local_path
from empirical.vlm.pocket import random_pocket_path
from see_in_pairs.errors import InputError, did_you_mean, first_few, first_line
from see_in_pairs.files import MOST_BYTES, read_json, sha256

ADAPTER = "adapter_config.json"
TEXTS = (".json", ".jinja", ".txt")
RECORDED: dict[str, type] = {
    "train_arm": str,
    "train_strategy": str,
    "train_seed": int,
    "n_train": int,
    "references_per_query": int,
    "base_model": str,
    "base_revision": str,
    "method": str,
    "parity": dict,
    "prompt_hash": str,
    "cohort_hash": str,
    "config_hash": str,
    "files": dict,
}
"""The keys of ``training.json`` and their types; each may be null."""
POCKET = Path(__file__).parent / "pocket" / "weights"
"""The bundled model: config, weights, tokenizer, processor, chat template and card."""


def resolve(name: str) -> str:
    """Turn the names ``pocket`` and ``pocket-random`` into folders; leave folders and Hub ids as they are."""
    if name == "pocket":
        return str(POCKET)
    if name == "pocket-random":
        return str(random_pocket_path())
    looks_local = name.startswith((".", "/", "~")) or name.count("/") > 1
    path = local_path(name)
    there = path.is_dir()
    if looks_local and not there:
        raise InputError(f"model '{name}': no such folder{did_you_mean(name.strip('./~'), BUNDLED)}")
    if there and not ((path / "config.json").is_file() or (path / ADAPTER).is_file()):
        raise InputError(f"model '{name}': the folder contains neither a config.json nor an {ADAPTER}")
    if there:
        _refuse_endless_files(path)
    return str(path) if there else name


def _refuse_endless_files(folder: Path) -> None:
    """Refuse files that libraries would read forever: devices, pipes, texts of gigabytes."""
    for file in folder.iterdir():
        with contextlib.suppress(OSError):  # a broken link counts as a missing file
            status = file.stat()
            if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
                raise InputError(f"{file}: is a device or a pipe; a model's files must be regular files")
            if file.suffix in TEXTS and status.st_size > MOST_BYTES["JSON"]:
                raise InputError(f"{file}: has {status.st_size:,} bytes, too many for a text file of a model; copy it again")


def training_record(name: str) -> dict[str, Any]:
    """Read the ``training.json`` that ``finetune`` wrote beside a model; empty for a model from elsewhere."""
    file = local_path(name) / "training.json"
    if not file.is_file():
        return {}
    content = read_json(file)
    wrong = [] if isinstance(content, dict) else ["it is not a JSON object"]
    for key, kind in RECORDED.items() if isinstance(content, dict) else ():
        value = content.get(key)
        too_large = isinstance(value, int) and abs(value) >= 2**63
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool) or too_large):
            wrong.append(key)
    if wrong:
        raise InputError(f"{file}: is not what 'finetune' writes ({first_few(wrong)}); copy the model again")
    return {key: value for key, value in content.items() if value is not None}


def adapter_base(name: str) -> tuple[str, str | None] | None:
    """Return name and revision of an adapter's base, as ``finetune`` recorded them, else from the adapter's own config.

    None if the model is not an adapter.
    """
    folder = local_path(name)
    if not (folder / ADAPTER).is_file():
        return None
    settings, training = read_json(folder / ADAPTER), training_record(name)
    if training.get("base_model"):
        base, revision = training["base_model"], training.get("base_revision")
    else:
        named = settings if isinstance(settings, dict) else {}
        base, revision = named.get("base_model_name_or_path"), named.get("revision")
    if not (isinstance(base, str) and base and isinstance(revision, str | None)):
        raise InputError(f"model '{name}': is an adapter that does not name its base model; copy it again, or train it again")
    if (local_path(base) / ADAPTER).is_file():  # itself, too
        raise InputError(f"model '{name}': its base '{base}' is itself an adapter; an adapter on another adapter is not supported")
    return base, revision


def weights_hash(name: str, revision: str | None = None) -> str:
    """Identify a model's weights: 16 hexadecimal digits of each safetensors file's SHA-256, or the commit of a Hub id.

    For an adapter, ``+`` and the same of its base follow. Never empty: weights that cannot be identified are an `InputError`.
    """
    folder = Path(resolve(name))
    if not folder.is_dir():
        return _known_commit(name, revision)
    own = "-".join(_file_hash(file, file.stat().st_mtime_ns)[:16] for file in weight_files(folder))
    if not own:
        raise InputError(f"model '{name}': the folder contains no weights (*.safetensors); copy or download it again")
    base = adapter_base(str(folder))
    return own if base is None else f"{own}+{weights_hash(*base)}"


def files_hash(name: str, revision: str | None = None) -> dict[str, str]:
    """Map each file of a model (weights, configs, tokenizer, chat template; ``base/...`` under an adapter) to its SHA-256.

    For a Hub id the only entry is ``commit``.
    """
    folder = Path(resolve(name))
    if not folder.is_dir():
        return {"commit": _known_commit(name, revision)}
    kept = {file for file in folder.iterdir() if file.suffix in (".safetensors", ".json", ".jinja", ".model", ".txt")}
    files = sorted(kept | set(weight_files(folder)))
    base = adapter_base(str(folder))
    base_files = {} if base is None else {f"base/{file}": hashed for file, hashed in files_hash(*base).items()}
    return {file.relative_to(folder).as_posix(): _file_hash(file, file.stat().st_mtime_ns) for file in files} | base_files


def weight_files(folder: Path) -> list[Path]:
    """List the safetensors files that a model may be loaded from: those in its folder, and shards that an index names below it."""
    files, indexes = set(folder.glob("*.safetensors")), set(folder.glob("*.safetensors.index.json"))
    config = read_json(folder / "config.json") if (folder / "config.json").is_file() else {}
    if isinstance(config, dict) and (named := config.get("transformers_weights")) is not None:  # transformers reads it before any other
        (indexes if str(named).endswith(".index.json") else files).add(_inside(folder, named, folder / "config.json"))
    for index in (index for index in indexes if index.is_file()):
        content = read_json(index)
        shards = content.get("weight_map") if isinstance(content, dict) else None
        if not isinstance(shards, dict):
            raise InputError(f"{index}: is not an index of weights (it has no 'weight_map'); copy or download it again")
        files |= {_inside(folder, shard, index) for shard in shards.values()}
    return sorted(file for file in files if file.is_file())  # the loader reports files of an index that are missing


def _inside(folder: Path, name: object, source: Path) -> Path:
    """Give the path of a weights file named in a model's own files, unless it leads out of the model's folder or is a pickle."""
    path = PureWindowsPath(str(name))  # accepts both kinds of slash
    if not isinstance(name, str) or path.anchor or ".." in path.parts:
        raise InputError(f"{source}: names weights outside of the model's folder ('{str(name)[:80]}'); put them into the folder")
    if not name.endswith((".safetensors", ".safetensors.index.json")):
        raise InputError(f"{source}: names weights that are not a safetensors file ('{name[:80]}'); convert them")
    return folder / name


def _known_commit(name: str, revision: str | None) -> str:
    """Give the commit of a Hub id; without it, changed weights would be mistaken for those scored before."""
    if commit := commit_of(name, revision):
        return commit
    raise InputError(f"model '{name}': the Hub does not say which commit this is; name it (model.revision), or download it into a folder")


@cache
def _file_hash(file: Path, modified: int) -> str:
    """Hash a file; cached until its modification time changes, since weights are large and hashed often."""
    if file.suffix == ".safetensors":
        tensor_names(file)  # refuse incomplete files here: an empty file of a terabyte would be read for an hour
    return sha256(file)


def tensor_names(file: Path) -> list[str]:
    """List the tensors in a safetensors file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="np") as stream:
            return list(stream.keys())
    except (SafetensorError, OSError) as error:
        raise InputError(f"{file}: not a complete safetensors file ({first_line(error)}); copy or download it again") from None
