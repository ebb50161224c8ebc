"""Power analysis of a paired reader study (``see-in-pairs plan``).

`analysis` computes the expected gain and the patients needed, from `evidence` (a correlation, or variance components) or a `pilot` (scores
of both arms). `options`, `outcome` and `cli` make the command.
"""
