"""How often the tests of `paper_figures.statistics` reject when they should not, and when they should: simulation studies.

``sizes`` says how large clusters are; ``accuracy``, ``auroc``, ``mixed``, ``references`` and ``training`` make data; closed-form tests run on
whole blocks of replicates at once, ``resampled`` runs the bootstrap and the sign-flip test. ``studies/*.yaml`` are the designs, for the
sweep engine; ``tables`` and ``figure`` make of the results what the docs show. ``python -m paper_figures.calibration`` makes all again.
"""
