"""Which reader reads which kind of set, and which options each takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from empirical.cohorts.cohort import Cohort
from empirical.cohorts.importing import ImportSettings
from see_in_pairs.errors import InputError

READERS: dict[str, tuple[str, str]] = {
    "nih": ("nih", "import_nih"),
    "chexpert": ("chexpert", "import_chexpert"),
    "ham10000": ("ham10000", "import_ham10000"),
    "folder": ("folder", "import_folder"),
    "medmnist": ("medmnist", "import_medmnist"),
    "table": ("table", "import_table"),
    "dicom": ("dicom", "import_dicom"),
}
WITHOUT_TABLE = ("folder", "medmnist")  # no rows without images there
SPELLED = {"columns": "--column", "label_names": "--label-name"}  # options that are not called as their parameter


def import_kind(kind: str, root: Path, out: Path, options: Mapping[str, Any]) -> Cohort:
    """Import a set by its kind.

    Parameters
    ----------
    kind : str
        A key of `READERS`.
    root, out : Path
        Folder of the set, folder of the cohort.
    options : mapping
        What the user gave, by the names of the readers' parameters.

    Returns
    -------
    Cohort
        The saved cohort.

    Raises
    ------
    InputError
        When an option is missing, or is not for this kind; and as the reader says.
    """
    reader = _reader(kind)
    takes = _options_of(kind)
    for name in options.keys() - takes.keys():
        others = [other for other in READERS if name in _options_of(other)]
        raise InputError(f"{_spell(name)}: is not for --kind {kind} (it is for {', '.join(others)})")
    missing = [name for name, needed in takes.items() if needed and name not in options]
    if missing:
        raise InputError(f"--kind {kind}: needs {_spell(missing[0])}")
    return reader(root, out, **_one_positive(kind, reader, options))


def _reader(kind: str) -> Callable[..., Cohort]:
    module, name = READERS[kind]
    reader: Callable[..., Cohort] = getattr(import_module(f"empirical.cohorts.readers.{module}"), name)
    return reader


def _options_of(kind: str) -> dict[str, bool]:
    """List the options of a reader, and whether each must be given."""
    named = [parameter for parameter in inspect.signature(_reader(kind)).parameters.values() if parameter.kind is parameter.KEYWORD_ONLY]
    own = {parameter.name: parameter.default is parameter.empty for parameter in named}
    common = [name for name in ImportSettings.__annotations__ if name != "only_present" or kind not in WITHOUT_TABLE]
    return own | dict.fromkeys(common, False)


def _one_positive(kind: str, reader: Callable[..., Cohort], options: Mapping[str, Any]) -> dict[str, Any]:
    """Hand over one positive label where the reader takes one."""
    default = inspect.signature(reader).parameters["positive"].default
    if "positive" not in options or not isinstance(default, str):
        return dict(options)
    if len(options["positive"]) > 1:
        raise InputError(f"--kind {kind}: takes one --positive")
    return {**options, "positive": options["positive"][0]}


def _spell(name: str) -> str:
    return SPELLED.get(name, f"--{name.replace('_', '-')}")
