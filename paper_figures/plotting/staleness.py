"""Whether a saved figure still agrees with its data, its sources, the config and the code that drew it."""

from __future__ import annotations

import importlib
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

from paper_figures.plotting.provenance import Provenance, code_hashes, read_provenance
from see_in_pairs import __version__
from see_in_pairs.files import read_json_object, sha256
from see_in_pairs.runs import git_commit

OURS = ("paper_figures.", "theory.")
STYLE = "paper_figures.plotting.style"


@dataclass(frozen=True)
class Freshness:
    """The result of `check_figure`: a figure's provenance, and the changes since it was saved."""

    provenance: Provenance  # embedded in the figure
    reasons: tuple[str, ...]  # why it is stale; empty if it is fresh
    notes: tuple[str, ...]  # differences that do not make it stale

    @property
    def fresh(self) -> bool:
        """Whether nothing has changed."""
        return not self.reasons

    def to_dict(self) -> dict[str, object]:
        """The fields of the provenance with ``stale``, ``reasons`` and ``notes``, as for JSON."""
        return {**asdict(self.provenance), "stale": not self.fresh, "reasons": list(self.reasons), "notes": list(self.notes)}


def check_figure(path: Path | str) -> Freshness:
    """Compare a figure with its input files and its code.

    Parameters
    ----------
    path : Path or str
        The PNG or PDF in its original place: its CSV, its sources and the manifest are found relative to it.

    Returns
    -------
    Freshness
        Stale if its CSV, a source, the output folder's config or the code that draws it has changed or is missing.

    Raises
    ------
    InputError
        When the file is missing or was not made by `save_figure`.
    """
    path = Path(path)
    provenance = read_provenance(path)
    files = {f"{provenance.name}.csv": provenance.data_sha256, **provenance.sources}
    reasons = [reason for name, digest in files.items() if (reason := _changed(path.parent, name, digest))]
    reasons += _changed_config(path.parent.parent / "manifest.json", provenance)
    stale_code, code_notes = _compare_code(provenance)
    return Freshness(provenance, (*reasons, *stale_code), (*_notes(provenance), *code_notes))


def _changed(folder: Path, name: str, digest: str) -> str:
    if not (folder / name).is_file():
        return f"{name} is gone"
    return "" if sha256(folder / name) == digest else f"{name} has changed since"


def _changed_config(manifest: Path, provenance: Provenance) -> list[str]:
    if not (provenance.config_hash and manifest.is_file()):
        return []
    now = read_json_object(manifest).get("config_hash")
    return [] if now == provenance.config_hash else [f"the output folder is of another config now ({now}, then {provenance.config_hash})"]


def _compare_code(provenance: Provenance) -> tuple[list[str], list[str]]:
    """Reasons and notes about the drawing modules; only modules of this package are imported, whatever names a file contains."""
    try:
        now = code_hashes(importlib.import_module(name) for name in provenance.modules if name.startswith(OURS))
    except ImportError as error:
        return [f"the module that drew it is gone ({error.name})"], []
    changed = [name for name, digest in provenance.modules.items() if now.get(name) != digest]
    then, today = provenance.python, platform.python_version()
    if changed and then and then.rpartition(".")[0] != today.rpartition(".")[0]:
        # Minor versions of Python unparse a syntax tree in slightly different ways, so a difference is not always a change.
        return [], [f"drawn under Python {then}: whether its code has changed cannot be told under {today}"]
    what = {STYLE: "the style that all figures share has changed since; the numbers have not"}
    return [what.get(name, f"the code that draws it has changed since ({name})") for name in changed], []


def _notes(provenance: Provenance) -> tuple[str, ...]:
    then, now = (provenance.version, provenance.commit or "unknown"), (__version__, git_commit() or "unknown")
    return () if then == now else (f"made by version {then[0]}, commit {then[1]}; this is {now[0]}, {now[1]}",)
