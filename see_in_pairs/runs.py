"""A run folder: one command, one config, one ``manifest.json`` that records how its content was made."""

from __future__ import annotations

import functools
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from see_in_pairs import __version__
from see_in_pairs.errors import InputError, write_failure
from see_in_pairs.files import content_hash, read_json, sha256, write_json
from see_in_pairs.locks import LOCK, lock_folder, unlock_folder

if TYPE_CHECKING:
    from filelock import BaseFileLock

LIBRARIES = ("numpy", "scipy", "pandas", "statsmodels", "matplotlib", "sympy", "torch", "transformers", "peft", "accelerate")

SHOWN = 100
"""Most characters of a setting that an error line shows."""

PREPARED = ("references", "plan.parquet", "short_of_memory")
"""Files, besides the manifest, of a command before its work begins or when it fails; a run with no other files produced nothing."""


@dataclass
class RunFolder:
    """The output folder of one command, with its manifest.

    A folder with the run of another command or config is refused, unless that run failed before it produced anything. Opening the folder
    of the same run again resumes it. While a process works in a folder, other processes are refused.

    Examples
    --------
    >>> import tempfile
    >>> with RunFolder(Path(tempfile.mkdtemp()), "demo", {"n": 3}, seed=1) as run:
    ...     run.count("unreadable", 2)
    >>> run.manifest["counts"]
    {'unreadable': 2}
    """

    path: Path  # the folder; made when missing
    command: str  # the command's name, for example ``'finetune'``
    config: dict[str, Any]  # everything that decides the result, JSON-able
    seed: int | None = None
    inputs: Iterable[Path] = ()  # files that were read; their hashes are recorded
    manifest: dict[str, Any] = field(init=False)
    _lock: BaseFileLock | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        self.path = Path(self.path)
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"--out {self.path}: is a file, not a folder")
        identity = run_identity(self.command, self.config, self.seed)
        config_hash = content_hash(identity)
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = lock_folder(self.path)
        before = self._refuse_another(identity, config_hash)
        # Other recorded keys (an audit, hashes of weights) are kept, so that resuming a finished run does not compute them again.
        self.manifest = before | {
            "package": "see-in-pairs",
            "version": __version__,
            "git_commit": git_commit(),
            "command": self.command,
            "command_line": [Path(sys.argv[0]).name, *sys.argv[1:]],
            "config": self.config,
            "config_hash": config_hash,
            "seed": self.seed,
            "libraries": library_versions(),
            "hardware": self._hardware(before),
            "inputs": {str(path): sha256(path) for path in self.inputs},
            "started": before.get("started", _now()),
            "resumed": [*before.get("resumed", []), _now()] if before else [],
            "finished": None,
            "counts": dict(before.get("counts", {})),
        }
        self.save()

    def _refuse_another(self, identity: dict[str, Any], config_hash: str) -> dict[str, Any]:
        """Return the manifest of an earlier start of the same run; refuse that of another run."""
        before = begun_before(self.path)
        if not before or before.get("config_hash") == config_hash:
            return before
        if not before.get("finished") and self._produced_nothing():
            return {}
        what = _difference({key: before.get(key) for key in identity}, identity)
        raise InputError(f"--out {self.path}: holds the run of another config ({what}); choose another folder, or delete this one")

    def _hardware(self, before: dict[str, Any]) -> dict[str, Any]:
        """Describe the machine; if torch is not imported, for example in a finished run, keep the recorded GPU."""
        now, known = hardware(), before.get("hardware")
        if "torch" not in sys.modules and isinstance(known, dict):
            now["gpu"] = known.get("gpu")
        return now

    def _produced_nothing(self) -> bool:
        """Whether there are only preparations, which are then removed, so that a failed first attempt does not block the folder."""
        mine = ("manifest.json", LOCK, *PREPARED)
        if any(file.is_file() for entry in self.path.iterdir() if entry.name not in mine for file in (entry, *entry.rglob("*"))):
            return False
        for name in PREPARED:
            if (entry := self.path / name).is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)
        return True

    def save(self, *, durable: bool = False) -> None:
        """Write the present manifest."""
        write_json(self.path / "manifest.json", self.manifest, durable=durable)

    def count(self, name: str, number: int) -> None:
        """Record a count in the manifest, for example of unreadable images."""
        self.manifest["counts"][name] = int(number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.manifest["finished"] = _now()
            self.manifest["hardware"] = self._hardware(self.manifest)  # once more: a GPU is visible only after torch is imported
            self.save(durable=True)  # from here on the run counts as finished
        if self._lock is not None:
            unlock_folder(self._lock)
            self._lock = None
        if error is not None and (what := write_failure(error)) and not getattr(error, "filename", None):
            raise InputError(f"{self.path}: {what}") from error


def run_identity(command: str, config: dict[str, Any], seed: int | None) -> dict[str, Any]:
    """Command and config of a run folder; their hash is the manifest's ``config_hash``."""
    return {"command": command, "config": config, "seed": seed}


def is_unfinished(folder: Path) -> bool:
    """Whether a run in a folder was begun but not finished, so that its manifest may be incomplete."""
    return begun_before(folder).get("finished", "") is None


def begun_before(folder: Path) -> dict[str, Any]:
    """Read the manifest of a run folder; empty where there is none."""
    file = folder / "manifest.json"
    if not file.is_file():
        return {}
    content = read_json(file)
    kinds = {"config_hash": str, "counts": dict, "resumed": list}
    whole = isinstance(content, dict) and all(isinstance(content.get(key, kind()), kind) for key, kind in kinds.items())
    if not whole or "config_hash" not in content:
        raise InputError(f"{file}: is not the manifest of a run; choose another folder, or delete this one")
    return content


def _difference(before: Any, now: Any, key: str = "") -> str:
    """Name the first key in which two nested configs differ."""
    if isinstance(before, dict) and isinstance(now, dict):
        for name in dict.fromkeys([*before, *now]):
            if content_hash(before.get(name)) != content_hash(now.get(name)):
                return _difference(before.get(name), now.get(name), f"{key}.{name}" if key else name)
    return f"{key}: {_shown(before)} there, {_shown(now)} now" if key else "its config_hash does not fit its config"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@functools.cache
def git_commit() -> str | None:
    """Read the commit of this package's git checkout, with ``-dirty`` where tracked files are changed; None outside a checkout."""
    here = Path(__file__).resolve().parent.parent
    if not (here / ".git").exists():
        return None
    try:
        output = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=here,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return output.stdout.strip()


@functools.cache
def library_versions() -> dict[str, str]:
    """List the versions of Python and of libraries that affect results, by name, without importing them."""
    versions = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def hardware() -> dict[str, Any]:
    """Describe the machine: operating system, usable cores, memory in GiB, and the GPU when torch has been imported and sees one."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30 if hasattr(os, "sysconf") else None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    torch = sys.modules.get("torch")
    gpu = torch.cuda.get_device_name(0) if torch is not None and torch.cuda.is_available() else None
    return {
        "machine": platform.machine(),
        "system": platform.system(),
        "cores": cores,
        "memory_gib": memory and round(memory, 1),
        "gpu": gpu,
    }
