"""The program: ``see-in-pairs``, or ``python -m see_in_pairs``."""

from __future__ import annotations

import importlib
import os
import signal
import sys

from see_in_pairs.errors import InputError
from see_in_pairs.installation import check_installation


def main() -> None:
    """Check the installation, then run the command line; an interrupt or a request to end is one line from the first import on."""
    os.environ["MPLBACKEND"] = "Agg"  # figures are files: no screen is needed, and a backend that is not there does no harm
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # not that of SIGINT, which a script's background jobs ignore
    try:
        check_installation()
        importlib.import_module("paper_figures.cli").main()  # by name: the package that all others stand on imports none of them
    except InputError as error:
        print(f"see-in-pairs: error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("see-in-pairs: error: interrupted; run the same command again to resume", file=sys.stderr)
        sys.exit(130)
    finally:  # Python only waits for threads and workers that end by themselves; an interrupt there is a traceback
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    main()
