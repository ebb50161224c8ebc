"""References: which healthy image is shown beside a query.

``pool`` says who may serve whom and ``stock`` how often; the strategies are ``random``, ``demographic`` (with ``optimal`` where a reference
may serve a limited number of queries), ``embedding`` (with ``vectors``), ``cross_center`` and ``prior``. ``choose`` is the one way in,
``balance`` tells how alike queries and references are, ``love_plot`` and ``pair_sheet`` show it.
"""

from empirical.references.assignment import Assignment
from empirical.references.config import ReferenceConfig
from empirical.references.selection import choose_references

__all__ = ["Assignment", "ReferenceConfig", "choose_references"]
