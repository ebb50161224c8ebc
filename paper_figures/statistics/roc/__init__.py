"""Areas under correlated ROC curves.

``delong``, ``clustered_delong``; ``cluster_jackknife`` for few clusters or two kinds of them; ``permutation`` for few independent items.
``adjusted`` compares patients who are alike in site and covariates; ``leak`` is what the areas of query and reference alone say of the
signal that references carry.
"""
