"""Numerical tools of the statements.

`gaussian` (error and AUROC of a normal score), `quadrature`, `symbolic` (sympy), `montecarlo` (estimates with their error),
`sampling` (fast samplers), `validation` (of parameters), `vectorize` (scalar formulas over arrays).
"""
