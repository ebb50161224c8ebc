"""Whether a figure still stands for the data, the sources, the config and the code that it was made from."""

from __future__ import annotations

import importlib
from dataclasses import asdict, dataclass
from pathlib import Path

from paper_figures.plotting.provenance import Provenance, code_hash, read_provenance
from see_in_pairs import __version__
from see_in_pairs.files import read_json, sha256
from see_in_pairs.runs import git_commit

OURS = ("paper_figures.", "theory.")


@dataclass(frozen=True)
class Freshness:
    """Whether a figure still stands for the files it was made from."""

    provenance: Provenance  # what is embedded in it
    reasons: tuple[str, ...]  # why it is stale; empty when it is fresh
    notes: tuple[str, ...]  # what differs without making it stale

    @property
    def fresh(self) -> bool:
        """Whether nothing has changed."""
        return not self.reasons

    def to_dict(self) -> dict[str, object]:
        """Give everything by name, as for JSON.

        Returns the provenance, ``stale``, ``reasons`` and ``notes``.
        """
        return {**asdict(self.provenance), "stale": not self.fresh, "reasons": list(self.reasons), "notes": list(self.notes)}


def check_figure(path: Path | str) -> Freshness:
    """Hold a figure against the files that it was made from.

    Parameters
    ----------
    path : Path or str
        The PNG or PDF, in its place.

    Returns
    -------
    Freshness
        Stale when its CSV, a source, the output folder's config or the code that draws it has changed or is gone.

    Raises
    ------
    InputError
        When it is no figure of ours.
    """
    path = Path(path)
    provenance = read_provenance(path)
    files = {f"{provenance.name}.csv": provenance.data_sha256, **provenance.sources}
    reasons = [reason for name, digest in files.items() if (reason := _changed(path.parent, name, digest))]
    reasons += _changed_config(path.parent.parent / "manifest.json", provenance)
    return Freshness(provenance, (*reasons, *_changed_code(provenance)), _notes(provenance))


def _changed(folder: Path, name: str, digest: str) -> str:
    if not (folder / name).is_file():
        return f"{name} is gone"
    return "" if sha256(folder / name) == digest else f"{name} has changed since"


def _changed_config(manifest: Path, provenance: Provenance) -> list[str]:
    if not (provenance.config_hash and manifest.is_file()):
        return []
    now = read_json(manifest).get("config_hash")
    return [] if now == provenance.config_hash else [f"the output folder is of another config now ({now}, then {provenance.config_hash})"]


def _changed_code(provenance: Provenance) -> list[str]:
    """Compare the drawing modules; only modules of this package are ever imported, whatever a file names."""
    try:
        modules = [importlib.import_module(name) for name in provenance.modules if name.startswith(OURS)]
    except ImportError as error:
        return [f"the module that drew it is gone ({error.name})"]
    same = len(modules) == len(provenance.modules) and code_hash(modules) == provenance.code_sha256
    return [] if same else ["the code that draws it has changed since"]


def _notes(provenance: Provenance) -> tuple[str, ...]:
    then, now = (provenance.version, provenance.commit or "unknown"), (__version__, git_commit() or "unknown")
    return () if then == now else (f"made by version {then[0]}, commit {then[1]}; this is {now[0]}, {now[1]}",)
