"""Arm ``single``: the query alone, the baseline of every comparison."""

from empirical.arms.base import Arm

ARM = Arm(name="single", shows="the query alone", isolates="nothing: it is the baseline", wording="single")
