"""The commands of the empirical part, a file for each group; what several of them take is in ``options``."""
