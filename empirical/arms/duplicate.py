"""Control ``duplicate``: the query again, in the place of the reference."""

from empirical.arms.base import Arm

ARM = Arm(
    name="duplicate",
    shows="the query twice",
    isolates="(iii) prompt and tokens: as many tokens and the same words without information; a gain that remains is not comparison",
    images=lambda query, references, task: (query,),
)
