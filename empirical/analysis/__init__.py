"""What is read off records, and out of models.

Of records: `agreement` (of both scorers), `calibration` (a temperature), `reliability` and `reliability_plot`; `reports` writes them beside
an evaluation. Out of models: `alignment` of images and answers and `attribution` to the lesion, which `arms` measures in every arm;
`crossed` scores patients x references x seeds. `patients` holds the intervals over patients.
"""
