"""References: which healthy image is shown beside a query.

`selection` is the entry point, and `config` lists the strategies, one file each in `strategies`. `candidates` decides which references may
be used for which query and how often, `assignment` stores the choice, `rules` checks it. `matching` finds references within calipers,
`min_cost_flow` assigns optimally where references can run out, `embeddings` computes and stores vectors of images, `diagnostics` shows how
similar queries and references are.
"""

from empirical.references.assignment import Assignment
from empirical.references.config import ReferenceConfig
from empirical.references.selection import choose_references

__all__ = ["Assignment", "ReferenceConfig", "choose_references"]


def __dir__() -> list[str]:
    return sorted(__all__)
