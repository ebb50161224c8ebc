"""Control ``noise``: white noise in the place of the reference, with the query's own mean and spread of gray levels."""

from empirical.arms.base import Arm
from empirical.arms.images import made_up

ARM = Arm(
    name="noise",
    shows="white noise of the query's mean and spread, said to be a healthy reference, and the query",
    isolates="(iii) prompt and tokens: a second image whose tokens vary from item to item and say nothing",
    images=lambda query, references, task: (made_up("noise", query, task.seed),),
)
