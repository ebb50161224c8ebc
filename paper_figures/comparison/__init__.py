"""Everything that is computed when two arms are compared: tables read and paired, every test run, one recommended, all of it shown."""

from paper_figures.comparison.compare_arms import compare_arms
from paper_figures.comparison.result import Comparison

__all__ = ["Comparison", "compare_arms"]
