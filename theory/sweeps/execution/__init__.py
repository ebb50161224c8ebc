"""Execution of a study, from one replicate to a cluster.

`rng` gives every block and replicate its stream; `block` runs one block under its `limits`, with `outcome` as its result; `tasks` are the
input and output of a worker, `pickling` sends its functions; `backends` are the workers; `runner` distributes blocks until `stopping` says
enough; `replay` runs one replicate again.
"""
