"""The program: ``see-in-pairs``, or ``python -m see_in_pairs``."""

from __future__ import annotations

import importlib
import sys

from see_in_pairs.errors import InputError
from see_in_pairs.installation import check_installation


def main() -> None:
    """Check the installation, then run the command line."""
    try:
        check_installation()
    except InputError as error:
        print(f"see-in-pairs: error: {error}", file=sys.stderr)
        sys.exit(2)
    importlib.import_module("paper_figures.cli").main()  # by name: the package that all others stand on imports none of them


if __name__ == "__main__":
    main()
