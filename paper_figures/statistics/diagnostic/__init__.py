"""Results of two arms for a paper on a diagnostic test: operating points, partial areas, ROC bands, flips and net benefit."""
