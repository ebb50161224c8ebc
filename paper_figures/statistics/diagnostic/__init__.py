"""What a paper on a diagnostic test reports of two arms: operating points, partial areas, ROC bands, flips and net benefit."""
