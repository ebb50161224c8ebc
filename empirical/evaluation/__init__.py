"""Scores a model on held-out items, in one or more arms, and writes the records.

Read `evaluate` from top to bottom: `config` has the settings, `examples` what each arm shows, `image_integrity` checks that images are the
imported ones, `shards` does the scoring, which survives a kill, `records` is the table. It knows no analysis: reports on records
are in `empirical.analysis`.
"""
