"""Analyses of records and of models.

Records: `agreement` (of both scorers), `calibration` (a temperature), `reliability` and `reliability_plot`; `reports` writes them beside
an evaluation. Models: `alignment` of images and answers and `attribution` to the lesion, which `arms` measures in every arm;
`crossed` scores patients x references x seeds. `patients` has the intervals over patients.
"""
