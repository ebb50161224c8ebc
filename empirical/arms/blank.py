"""Control ``blank``: a uniform gray image in the place of the reference."""

from empirical.arms.base import Arm
from empirical.arms.images import made_up

ARM = Arm(
    name="blank",
    shows="a uniform gray image, said to be a healthy reference, and the query",
    isolates="(iii) prompt and tokens: a second image without content",
    images=lambda query, references, task: (made_up("blank", query),),
)
