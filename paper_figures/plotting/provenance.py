"""Saved figures: PNG and PDF with their provenance inside, and the data of each as CSV beside it."""

from __future__ import annotations

import base64
import binascii
import json
import os
import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from see_in_pairs import __version__
from see_in_pairs.errors import InputError
from see_in_pairs.files import atomic_path, sha256, to_json
from see_in_pairs.runs import git_commit
from see_in_pairs.source_code import source_hash

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

KEY = "see-in-pairs"
PDF_MARK = re.compile(rb"see-in-pairs-provenance:([A-Za-z0-9+/=]+)")
SUFFIXES = (".png", ".pdf")


@dataclass(frozen=True)
class Provenance:
    """The origin of a figure, as embedded in its files.

    Parameters
    ----------
    name : str
        File name without suffix; the CSV beside the figure has the same.
    title, caption : str
        What it shows, on how much data, with what uncertainty.
    claim : str
        The claims it is about, as in ``'C2, C3'``; ``''`` if there are none.
    data_sha256 : str
        SHA-256 of the CSV beside it.
    version, commit : str
        Version and commit of this package; ``commit`` is ``''`` outside a git checkout.
    modules : dict of str to str
        The modules that drew it, each with a hash of its code without comments, docstrings and layout.
    config_hash : str
        Hash of the config that made the output folder; ``''`` if there is none.
    seed : int or None
        Seed of the bootstrap and of simulated points; None if nothing is random.
    sources : dict of str to str
        The input files, relative to its folder, with their SHA-256.
    python : str, default ''
        Version of Python; hashes of code can be compared within one minor version.
    """

    name: str
    title: str
    caption: str
    claim: str
    data_sha256: str
    version: str
    commit: str
    modules: dict[str, str]
    config_hash: str
    seed: int | None
    sources: dict[str, str] = field(default_factory=dict)
    python: str = ""


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
        The finished figure; the style it was drawn in must still be in force (`plotting.style.house_style`).
    data : pandas.DataFrame
        Every number that it shows; written with ten significant digits.
    name : str
        File name without suffix.
    out : Path or str
        The folder; it is made if it is missing.
    title, caption : str
        What it shows, on how much data, with what uncertainty; embedded, and printed by the report.
    claim : str
        The claims it is about, for example ``'C2, C3'``.
    seed : int or None
        Seed of its random choices; None if there are none.
    config_hash : str
        Hash of the config that made the output folder.
    sources : iterable of Path or str
        The input files of the figure.
    modules : iterable of module
        The modules that drew it.

    Returns
    -------
    Path
        The PNG. The same figure, data and code give the same bytes: no time of day is written.
    """
    folder = Path(out)
    table = folder / f"{name}.csv"
    with atomic_path(table) as temporary:
        data.to_csv(temporary, index=False, float_format="%.10g", lineterminator="\n")
    provenance = Provenance(
        name, title, caption, claim, sha256(table), __version__, git_commit() or "", code_hashes(modules), config_hash, seed,
        {os.path.relpath(path, folder): sha256(path) for path in sources}, platform.python_version(),
    )  # fmt: skip
    for suffix, metadata in ((".png", _png_metadata(provenance)), (".pdf", _pdf_metadata(provenance))):
        with atomic_path(folder / f"{name}{suffix}") as temporary:
            figure.savefig(temporary, metadata=metadata)
    return folder / f"{name}.png"


def code_hashes(modules: Iterable[ModuleType]) -> dict[str, str]:
    """Hash the code of each module, in the order of their names."""
    return {module.__name__: source_hash(module) or "" for module in sorted(modules, key=lambda module: module.__name__)}


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
    """Read the provenance embedded in a figure.

    Parameters
    ----------
    path : Path or str
        A PNG or PDF that `save_figure` wrote.

    Returns
    -------
    Provenance
        As of when the figure was saved; `check_figure` compares it with the present files.

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
        if isinstance(content["modules"], list):  # drawn before every module had its own hash
            content["modules"] = dict.fromkeys(content["modules"], "")
        if not isinstance(content["modules"], dict) or not isinstance(content.get("sources", {}), dict):
            raise TypeError("modules and sources are mappings")
        known = {item.name for item in fields(Provenance)}
        return Provenance(**{name: value for name, value in content.items() if name in known})
    except (ValueError, RecursionError, KeyError, TypeError):
        raise InputError(f"{path}: carries no provenance of see-in-pairs (made by another program, or saved again by one)") from None


def _from_png(path: Path) -> str:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            image.load()  # text may stand after the pixels
            return str(image.info.get(KEY, ""))
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError):
        raise InputError(f"{path}: cannot be read as a PNG; draw it again with 'see-in-pairs figures'") from None


def _from_pdf(path: Path) -> str:
    found = PDF_MARK.search(path.read_bytes())
    try:
        return base64.b64decode(found.group(1)).decode() if found else ""
    except (binascii.Error, UnicodeDecodeError):
        return ""
