"""From the ideal observer to the model: what observers of rising generality learn from n patients of a cohort.

`config` says what is compared, `ladder` computes it, `figure` draws it. The command is ``see-in-pairs observers``.
"""
