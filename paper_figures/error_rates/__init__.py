"""Simulation studies of how often the tests of `paper_figures.statistics` reject, under the null hypothesis and the alternative.

``accuracy``, ``auroc``, ``paired_areas``, ``references`` and ``training`` make data, on whole blocks of which ``item_tests``,
``clustered_accuracy`` and the others run the closed-form tests; ``resampled`` runs bootstrap and sign-flip; ``factors`` has the studies of
all random factors, ``critical_values`` the cost of their critical value. The designs, for the sweep engine, are ``studies/*.yaml``;
``tables`` and ``figure`` serve the docs; ``python -m paper_figures.error_rates`` runs everything. A test is written here a second
time, on whole blocks of replicates, for speed: the test suite compares it with the package's own, replicate by replicate.
"""
