"""The studies in this package: YAML files in ``theory/sweeps/studies``, found by name."""

from __future__ import annotations

from pathlib import Path

from see_in_pairs.packaged import find_config, packaged_paths

FOLDER = Path(__file__).parent / "studies"


def packaged_studies() -> dict[str, Path]:
    """List the simulation studies in this package.

    Returns
    -------
    dict of str to Path
        Name of each study, for `Study.load`, and its YAML file, in alphabetical order.

    Examples
    --------
    >>> "site_shift" in packaged_studies()
    True
    """
    return packaged_paths(FOLDER)


def find_design(name: Path | str) -> Path:
    """Find a design: a word with a suffix or a slash is a file, any other a packaged study.

    Examples
    --------
    >>> find_design("gain").name
    'gain.yaml'
    """
    return find_config(name, FOLDER, "sweep")
