"""The program: ``see-in-pairs``, or ``python -m see_in_pairs``."""

from __future__ import annotations

import importlib
import os
import signal
import sys

from see_in_pairs.errors import InputError
from see_in_pairs.installation import check_installation


def main() -> None:
    """Check the installation, then run the command line; from the first import on, an interrupt or SIGTERM gives only one line."""
    os.environ["MPLBACKEND"] = "Agg"  # figures are files: no screen is needed, and a missing backend does no harm
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # not the handler of SIGINT, which background jobs of a script ignore
    try:
        check_installation()
        importlib.import_module("paper_figures.cli").main()  # by name, since this package must not import the packages that use it
    except InputError as error:
        print(f"see-in-pairs: error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("see-in-pairs: error: interrupted; run the same command again to resume", file=sys.stderr)
        sys.exit(130)
    finally:  # at its end Python only waits for threads and workers; an interrupt there would print a traceback
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    main()
