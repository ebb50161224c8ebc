"""The kinds of image sets, and the options of the reader for each.

The reader of a kind is the function ``import_KIND(root, out, *, ..., **settings)`` of the module of that name, imported when it is used.
Its keyword-only parameters are its options; those without a default must be given.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from see_in_pairs.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from empirical.cohorts.cohort import Cohort

PUBLIC_SETS = ("nih", "chexpert", "ham10000")  # layout, labels and their names are fixed by the set
OWN_IMAGES = ("folder", "medmnist", "table", "dicom", "vqa", "fundus")  # the user names the labels and their words
KINDS = (*PUBLIC_SETS, *OWN_IMAGES)
LABELS = {"healthy", "positive", "positive_name", "no_label"}  # options that name labels
SPELLED = {"columns": "--column", "label_names": "--label-name"}  # repeated options, each KEY=VALUE, with a singular name


def import_kind(kind: str, root: Path | str, out: Path | str, options: Mapping[str, Any]) -> Cohort:
    """Import an image set by its kind; `options` are those of its reader and of the import (`ImportSettings`), by parameter."""
    if kind not in KINDS:
        raise InputError(f"--kind {kind}: must be one of {', '.join(KINDS)}{did_you_mean(kind, KINDS)}")
    takes = _options(kind)
    for name in options.keys() - takes.keys():
        others = [other for other in KINDS if name in _options(other)]
        raise InputError(f"{_spell(name)}: is not for --kind {kind} (it is for {', '.join(others)})")
    missing = [name for name, needed in takes.items() if needed and name not in options]
    if missing:
        raise InputError(f"--kind {kind}: needs {_spell(missing[0])}")
    from empirical.cohorts.images import is_text

    for name in LABELS & options.keys():
        texts = [options[name]] if isinstance(options[name], str) else options[name]
        if odd := [text for text in texts if not is_text(text)]:
            raise InputError(f"{_spell(name)} {odd[0]!a}: is not UTF-8, so it cannot be written to a table; rename the label")
    given = dict(options)
    one_label = isinstance(inspect.signature(_reader(kind)).parameters["positive"].default, str)
    if one_label and "positive" in given:
        if len(given["positive"]) > 1:
            raise InputError(f"--kind {kind}: takes one --positive")
        (given["positive"],) = given["positive"]
    return _reader(kind)(Path(root), Path(out), **given)


def import_cohort(kind: str, root: Path | str, out: Path | str, **options: Any) -> Cohort:
    """Read an image set from a folder and save it as a cohort.

    Parameters
    ----------
    kind : str
        Kind of image set, for example ``'folder'``, ``'table'``, ``'dicom'`` or ``'nih'``; as in ``cohort import --kind``.
    root, out : Path or str
        Folder of the image set, and folder of the cohort to make.
    **options : object
        Options of the reader, named like those of ``cohort import``, with ``_`` instead of ``-``.

    Returns
    -------
    Cohort
        The cohort, saved in `out`.

    Raises
    ------
    InputError
        When an option is missing, or is not for this kind; and as the reader says.
    """
    return import_kind(kind, root, out, options)


def _reader(kind: str) -> Callable[..., Cohort]:
    reader: Callable[..., Cohort] = getattr(import_module(f"empirical.cohorts.readers.{kind}"), f"import_{kind}")
    return reader


def _options(kind: str) -> dict[str, bool]:
    """List the options of a reader, those of its ``**settings: Unpack[...]`` included, and whether each must be given."""
    takes: dict[str, bool] = {}
    for parameter in inspect.signature(_reader(kind), eval_str=True).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY:
            takes[parameter.name] = parameter.default is parameter.empty
        elif parameter.kind is parameter.VAR_KEYWORD:
            (settings,) = get_args(parameter.annotation)
            takes |= dict.fromkeys(settings.__annotations__, False)
    return takes


def _spell(name: str) -> str:
    return SPELLED.get(name, f"--{name.replace('_', '-')}")
