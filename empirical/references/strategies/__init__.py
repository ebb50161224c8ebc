"""One file for each strategy in `empirical.references.config.STRATEGIES`, each with a function ``choose(request) -> Assignment``."""
