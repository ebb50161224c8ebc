"""The commands of this package: `compare`, `plan`, `study`, `components`, `sweep_plot`, and claims, figures, report and verify.

Each is a function with its options; `paper_figures.cli` mounts them beside those of theory and empirical.
"""
