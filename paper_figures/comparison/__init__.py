"""Everything that is computed when two arms are compared.

``score_tables`` reads an arm by its ``formats``, ``pairing`` joins two as an ``item_table``, ``blocks`` runs every test within
its ``limits``, ``recommendation`` names the one to report, ``result`` stores and shows everything; ``compare_arms`` is the call.
"""

from paper_figures.comparison.compare_arms import compare_arms
from paper_figures.comparison.families.two_tables import compare_tables
from paper_figures.comparison.result import Comparison

__all__ = ["Comparison", "compare_arms", "compare_tables"]


def __dir__() -> list[str]:
    return sorted(__all__)
