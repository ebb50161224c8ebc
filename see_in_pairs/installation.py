"""Whether the four packages come from one installation: PyPI has another ``empirical``, and users have folders called ``theory``."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from see_in_pairs.errors import InputError

PACKAGES = ("see_in_pairs", "theory", "empirical", "paper_figures")


def check_installation() -> None:
    """Stop if a package is missing or comes from another place than this one; the check imports nothing."""
    home = Path(__file__).resolve().parents[1]
    for name in PACKAGES:
        spec = find_spec(name)
        if spec is None:
            raise InputError(f"package '{name}' of see-in-pairs is not installed beside {home}; install see-in-pairs again")
        if spec.origin is None or Path(spec.origin).resolve().parents[1] != home:
            where = spec.origin or next(iter(spec.submodule_search_locations or ["?"]))
            raise InputError(
                f"package '{name}' comes from {where}, the rest of see-in-pairs from {home}: rename that folder or leave its parent, or "
                f"install see-in-pairs into an environment without another '{name}'"
            )
