"""References: which healthy image is shown beside a query.

`selection` is the one way in and `config` lists the strategies, each a file in `strategies`. `candidates` decides who may serve whom and
how often, `assignment` holds the choice, `rules` checks it. `matching` finds who lies within calipers, `min_cost_flow` assigns optimally
where references can run out, `embeddings` computes and keeps vectors of images, `diagnostics` shows how similar queries and references are.
"""

from empirical.references.assignment import Assignment
from empirical.references.config import ReferenceConfig
from empirical.references.selection import choose_references

__all__ = ["Assignment", "ReferenceConfig", "choose_references"]


def __dir__() -> list[str]:
    return sorted(__all__)
