"""How often the tests of `paper_figures.statistics` reject when they should not, and when they should: simulation studies.

``accuracy``, ``auroc``, ``paired_areas``, ``references`` and ``training`` make data, on whole blocks of which ``item_tests``,
``clustered_accuracy`` and the others run the closed-form tests; ``resampled`` runs bootstrap and sign-flip; ``factors`` has the studies of
all random factors at once, ``critical_values`` what their critical value costs. The designs, for the sweep engine, are ``studies/*.yaml``;
``tables`` and ``figure`` make what the docs show; ``python -m paper_figures.error_rates`` does all of it. A test is written here a second
time, on whole blocks of replicates, for speed: the test suite holds it to the package's own, replicate by replicate.
"""
