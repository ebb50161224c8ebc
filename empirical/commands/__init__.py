"""The commands of the empirical part, one file for each group; shared options are in ``options``."""
