"""From examples to scores.

``encoder`` makes tensors of prompts, images and answers; ``prefetch`` has the threads that prepare batches ahead of the model. ``scoring``
computes the log-probabilities of answers in the plain way, the yardstick of every faster way; ``generation`` generates replies and
parses them. ``batch_scorer`` scores many examples with as little work as possible: cached features, prompts sorted by length, and a
shared prefix read once (``prefix_cache``), after which replies are read or generated (``kv_cache``).
"""
