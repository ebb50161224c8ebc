"""Arm ``pair``: one healthy reference, and the query."""

from empirical.arms.base import Arm, by_strategy

ARM = Arm(
    name="pair",
    shows="one healthy reference and the query",
    isolates="the claim: a gain by any of the explanations together. With 'random' references nothing of the patient is shared, "
    "with 'cross_center' (same, other) the site is or is not: (i)",
    find=by_strategy,
    takes_references=True,
)
