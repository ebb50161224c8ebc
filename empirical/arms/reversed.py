"""Control ``reversed``: the images in the other order."""

from empirical.arms.base import Arm, by_strategy

ARM = Arm(
    name="reversed",
    shows="the query, and after it the healthy reference",
    isolates="(iii) prompt and tokens: information does not depend on the order of the images; a difference is due to where tokens stand",
    wording="reversed",
    find=by_strategy,
    takes_references=True,
)
