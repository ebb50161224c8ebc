"""Input files of a comparison, one module per format: tables, and the logs of four evaluation harnesses."""
