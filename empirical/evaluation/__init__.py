"""Scores a model on held-out items, in one or more arms, and writes the records.

Read `evaluate` from top to bottom: `config` the settings, `examples` what each arm shows, `image_integrity` whether images are still those
that were imported, `shards` the scoring that survives a kill, `records` the table that is written. Knows no analysis: reports on records
are in `empirical.analysis`.
"""
