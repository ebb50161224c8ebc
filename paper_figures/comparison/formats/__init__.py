"""The files that people bring to a comparison, one module a format: tables, and the logs of four evaluation harnesses."""
