"""Power analysis of a paired reader study (``see-in-pairs plan``).

`analysis` (expected gain and patients needed), `evidence` (a correlation, or variance components) and `pilot` (scores of both arms)
that it rests on; `options`, `outcome` and `cli` make the command of it.
"""
