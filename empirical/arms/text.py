"""Control ``text``: the comparative wording with the query alone."""

from empirical.arms.base import Arm

ARM = Arm(
    name="text",
    shows="the query alone, with the request to compare it with a healthy one",
    isolates="(iii) prompt: the words without a second image",
    wording="text",
)
