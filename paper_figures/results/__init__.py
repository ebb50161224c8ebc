"""The content of output folders, and the estimates that claims, figures and the report share.

`runs` reads a folder (`RunResults`); `estimates` gives areas, and functions of them, with their intervals;
`ideal_observer` gives the bounds that no model can pass, `predicted_gain` predicted beside observed gains, `variance_components`
estimates the theory's parameters from a crossed scoring.
"""
