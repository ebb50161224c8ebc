"""Many comparisons as one declared family: the pairs of three or more arms, and the tasks of an evaluation harness."""
