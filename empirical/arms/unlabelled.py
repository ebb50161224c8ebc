"""Control ``unlabelled``: the same healthy reference, not said to be healthy."""

from empirical.arms.base import Arm, by_strategy

ARM = Arm(
    name="unlabelled",
    shows="a healthy reference, not said to be healthy, and the query",
    isolates="(v) known-healthy label, hidden: what is lost is the worth of knowing that the reference is healthy",
    wording="unlabelled",
    find=by_strategy,
    takes_references=True,
)
