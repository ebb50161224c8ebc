"""``python -m paper_figures.error_rates``."""

import sys

from paper_figures.error_rates.cli import app
from see_in_pairs.console import run_app

if __name__ == "__main__":
    sys.exit(run_app(app))
