"""References: which healthy image is shown beside a query.

``pool`` says who may serve whom, ``random`` and ``demographic`` are the strategies, ``balance`` tells how alike queries and references are.
"""

from empirical.references.assignment import Assignment
from empirical.references.choose import choose_references
from empirical.references.config import ReferenceConfig

__all__ = ["Assignment", "ReferenceConfig", "choose_references"]
