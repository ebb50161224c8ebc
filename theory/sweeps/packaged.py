"""The studies that come with this package: YAML files in ``theory/sweeps/studies``, found by name."""

from __future__ import annotations

from pathlib import Path

from see_in_pairs.errors import InputError

FOLDER = Path(__file__).parent / "studies"


def packaged_studies() -> dict[str, Path]:
    """List the simulation studies that come with this package.

    Returns
    -------
    dict of str to Path
        Name of each study, as `Study.load` takes it, and its YAML file, in alphabetical order.

    Examples
    --------
    >>> "site_shift" in packaged_studies()
    True
    """
    return {path.stem: path for path in sorted(FOLDER.glob("*.yaml"))}


def find_design(name: Path | str) -> Path:
    """Find a design by its path, or a packaged one by its name.

    Examples
    --------
    >>> find_design("gain").name
    'gain.yaml'
    """
    path, known = Path(name), packaged_studies()
    if path.is_file() or (path.suffix in (".yaml", ".yml") and str(name) not in known):
        return path
    if str(name) not in known:
        raise InputError(f"{name}: neither a file nor a packaged study ({', '.join(known)})")
    return known[str(name)]
