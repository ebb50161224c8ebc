"""How often the tests of `paper_figures.statistics` reject when they should not, and when they should: simulation studies.

``sizes`` says how large clusters are; ``accuracy``, ``auroc``, ``mixed``, ``references`` and ``training`` make data, on whole blocks of
which ``item_tests``, ``clustered_accuracy`` and the others run the closed-form tests, ``resampled`` bootstrap and sign-flip. The designs,
for the engine, are ``studies/*.yaml``; ``tables`` and ``figure`` make what the docs show, ``python -m paper_figures.error_rates`` all.
"""
