"""``python -m paper_figures.calibration``."""

import sys

from paper_figures.calibration.cli import app
from see_in_pairs.console import run_app

if __name__ == "__main__":
    sys.exit(run_app(app))
