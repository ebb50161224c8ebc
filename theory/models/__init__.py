"""Models that several statements and both sister packages share.

`ideal_observers` (images of known covariance), `discriminant` (a linear rule learned from few cases), `variance_components` (from
logits to correlation and expected gain).
"""
