"""The bootstrap over clusters: ``cluster_weights`` resamples, ``intervals`` makes percentile, basic and BCa intervals of the values.

``paired`` is the complete bootstrap for two arms, ``multinomial`` its short cut for an accuracy difference of independent items.
"""
