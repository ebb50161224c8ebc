"""What output folders hold, and the estimates that claims, figures and the report share.

`runs` reads a folder (`RunResults`); `estimates` and `patient_bootstrap` give areas and differences with their intervals;
`ideal_observer` says what no model can pass, `predicted_gain` what theory predicts beside what was observed, `variance_components`
what a crossed scoring says of the quantities that the theory takes in.
"""
