"""Areas under correlated ROC curves.

``delong``, ``clustered_delong``; ``cluster_jackknife`` for few clusters or two kinds of them; ``permutation`` for few independent items.
``adjusted`` compares patients with the same site and covariates; ``leak`` estimates, from areas of query and reference alone, the share of
the signal that references carry.
"""
