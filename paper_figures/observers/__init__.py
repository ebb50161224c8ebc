"""From the ideal observer to the model: what increasingly general observers learn from n patients of a cohort.

`config` says what is compared, `ladder` computes it, `figure` draws it. The command is ``see-in-pairs observers``.
"""
