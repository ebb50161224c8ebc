"""The command ``see-in-pairs``: mounts the commands of theory, empirical and paper_figures."""

from __future__ import annotations

import sys

from see_in_pairs.console import new_app, run_app

app = new_app("Does showing a vision-language model a healthy reference image beside the query help, when, and why?")


def main() -> None:
    """Run the command line."""
    sys.exit(run_app(app))


if __name__ == "__main__":
    main()
