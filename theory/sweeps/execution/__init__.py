"""How a study is run, from a replicate up to a cluster.

`rng` gives every block and replicate its stream; `block` runs one block under its `limits`, with `outcome` as its result; `tasks` is what a
worker is sent and returns, `pickling` how its functions travel; `backends` are the workers; `runner` hands blocks out until `stopping` has
enough; `replay` runs one replicate again.
"""
