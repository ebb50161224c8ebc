"""What output folders hold, and the estimates that claims, figures and the report share.

`runs` reads a folder (`RunResults`); `estimates` gives areas, and what follows from them, with their intervals;
`ideal_observer` says what no model can pass, `predicted_gain` what theory predicts beside what was observed, `variance_components`
what a crossed scoring says of the quantities that the theory takes in.
"""
