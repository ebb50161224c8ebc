"""Configs that are part of the packages, found by name: ``finetune pair-lora``.

The first comment of a packaged config describes it, and a line ``see-in-pairs COMMAND NAME ...`` gives its command.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from see_in_pairs.errors import InputError, did_you_mean, first_few

YAML = (".yaml", ".yml")


@dataclass(frozen=True)
class PackagedConfig:
    """A config by its name, the command that takes it, and a line of description."""

    name: str
    command: str
    summary: str
    path: Path


def packaged_paths(folder: Path) -> dict[str, Path]:
    """Name and path of each config of a folder, in alphabetical order; no file is opened."""
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def packaged_config(path: Path) -> PackagedConfig:
    """Read a packaged config's comments."""
    lines = [line[1:].strip() for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    name = re.escape(path.stem)
    example = re.search(rf"see-in-pairs ((?:[a-z-]+ )+)(?:[A-Z]+ )?(?:--[a-z]+ )?{name}(?![\w-])", " ".join(lines))
    return PackagedConfig(path.stem, example[1].strip() if example else "", lines[0] if lines else "", path)


def find_config(word: Path | str, folder: Path, command: str) -> Path:
    """Find a config by its name on the command line.

    A word with a suffix or a slash is a file. Any other word is a packaged config's name, or else a file without a suffix.

    Raises
    ------
    InputError
        When it is neither, or the packaged config of that name belongs to another command.
    """
    text, path, known = str(word), Path(word), packaged_paths(folder)
    if path.suffix or os.sep in text or (os.altsep or os.sep) in text:
        if path.stem in known and path.suffix in YAML and not path.exists():
            raise InputError(f"{path}: no such config file; did you mean '{path.stem}'? (packaged, without suffix)")
        return path
    if text in known:
        found = packaged_config(known[text])
        if found.command != command:
            raise InputError(f"'{text}' is a config of 'see-in-pairs {found.command}', not of '{command}'")
        return found.path
    if path.is_file():
        return path
    fitting = [name for name, place in known.items() if packaged_config(place).command == command]
    raise InputError(f"{text}: neither a packaged config nor a file{did_you_mean(text, fitting)} (packaged: {first_few(fitting, 12)})")
