"""Areas under correlated ROC curves: ``delong``, ``clustered_delong``, and ``cluster_jackknife`` for few clusters or two kinds of them."""
