"""Tests that link theory and experiment, figures, claims and the report."""
