"""Figures that know where they came from: the data behind each as CSV beside it, and a page of provenance inside each file."""

from __future__ import annotations

import base64
import binascii
import inspect
import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from see_in_pairs import __version__
from see_in_pairs.errors import InputError
from see_in_pairs.files import atomic_path, content_hash, sha256, to_json
from see_in_pairs.runs import git_commit

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

KEY = "see-in-pairs"
PDF_MARK = re.compile(rb"see-in-pairs-provenance:([A-Za-z0-9+/=]+)")
SUFFIXES = (".png", ".pdf")


@dataclass(frozen=True)
class Provenance:
    """Where a figure came from, as it is embedded in its files.

    Parameters
    ----------
    name : str
        File name without suffix.
    title, caption : str
        What it shows.
    claim : str
        The claim(s) it bears on.
    data_sha256 : str
        Of the CSV beside it.
    version, commit : str
        Of this package; ``commit`` is ``''`` outside a git checkout.
    code_sha256 : str
        Of the source of the modules that drew it.
    modules : list of str
        Those modules.
    config_hash : str
        Of the config of the output folder.
    seed : int or None
        Seed of the random choices.
    sources : dict of str to str
        The files it was made from, relative to its folder, with their SHA-256.
    """

    name: str
    title: str
    caption: str
    claim: str
    data_sha256: str
    version: str
    commit: str
    code_sha256: str
    modules: list[str]
    config_hash: str
    seed: int | None
    sources: dict[str, str] = field(default_factory=dict)


def save_figure(
    figure: Figure,
    data: pd.DataFrame,
    name: str,
    out: Path | str,
    *,
    title: str,
    caption: str,
    claim: str,
    seed: int | None,
    config_hash: str,
    sources: Iterable[Path | str],
    modules: Iterable[ModuleType] = (),
) -> Path:
    """Save a figure as PNG and PDF with its data as CSV beside it and its provenance inside both.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        What was drawn.
    data : pandas.DataFrame
        Every number that it shows.
    name : str
        File name without suffix.
    out : Path or str
        The folder.
    title, caption : str
        In words.
    claim : str
        The claim(s) it bears on, for example ``'C2, C3'``.
    seed : int or None
        Seed of the random choices that went into it.
    config_hash : str
        Of the config that made the output folder.
    sources : iterable of Path or str
        The files it was made from.
    modules : iterable of module
        The modules that drew it.

    Returns
    -------
    Path
        The PNG. The same figure, data and code give the same bytes: no time of day is written.
    """
    folder, names = Path(out), sorted(modules, key=lambda module: module.__name__)
    table = folder / f"{name}.csv"
    with atomic_path(table) as temporary:
        data.to_csv(temporary, index=False, float_format="%.10g", lineterminator="\n")
    provenance = Provenance(
        name, title, caption, claim, sha256(table), __version__, git_commit() or "", code_hash(names), [item.__name__ for item in names],
        config_hash, seed, {os.path.relpath(path, folder): sha256(path) for path in sources},
    )  # fmt: skip
    for suffix, metadata in ((".png", _png_metadata(provenance)), (".pdf", _pdf_metadata(provenance))):
        with atomic_path(folder / f"{name}{suffix}") as temporary:
            figure.savefig(temporary, metadata=metadata)
    return folder / f"{name}.png"


def code_hash(modules: Iterable[ModuleType]) -> str:
    """Hash the source of some modules.

    Returns A hash of their text.
    """
    return content_hash([inspect.getsource(module) for module in modules])


def _png_metadata(provenance: Provenance) -> dict[str, str | None]:
    return {"Title": provenance.title, "Description": provenance.caption, KEY: to_json(provenance, indent=None), "Software": None}


def _pdf_metadata(provenance: Provenance) -> dict[str, str | None]:
    hidden = base64.b64encode(to_json(provenance, indent=None).encode()).decode()
    code = provenance.commit or provenance.version
    summary = f"claim {provenance.claim}; data {provenance.data_sha256[:16]}; code {code}; seed {provenance.seed}"
    return {
        "Title": provenance.title,
        "Subject": summary,
        "Keywords": f"see-in-pairs-provenance:{hidden}",
        "Creator": KEY,
        "Producer": KEY,
        "CreationDate": None,
    }


def read_provenance(path: Path | str) -> Provenance:
    """Read what is embedded in a figure.

    Parameters
    ----------
    path : Path or str
        A PNG or PDF.

    Returns
    -------
    Provenance
        Where it came from.

    Raises
    ------
    InputError
        When the file is missing, is neither PNG nor PDF, or was not made by this package.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: not a figure of ours (give a {' or '.join(SUFFIXES)} file)")
    if not path.is_file():
        raise InputError(f"{path}: no such figure; draw it with 'see-in-pairs figures'")
    text = _from_png(path) if path.suffix.lower() == ".png" else _from_pdf(path)
    try:
        content = json.loads(text)
        return Provenance(**{item.name: content[item.name] for item in fields(Provenance)})
    except (json.JSONDecodeError, KeyError, TypeError):
        raise InputError(f"{path}: carries no provenance of see-in-pairs (made by another program, or saved again by one)") from None


def _from_png(path: Path) -> str:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            image.load()  # text may stand after the pixels
            return str(image.info.get(KEY, ""))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        raise InputError(f"{path}: cannot be read as a PNG; draw it again with 'see-in-pairs figures'") from None


def _from_pdf(path: Path) -> str:
    found = PDF_MARK.search(path.read_bytes())
    try:
        return base64.b64decode(found.group(1)).decode() if found else ""
    except (binascii.Error, UnicodeDecodeError):
        return ""
