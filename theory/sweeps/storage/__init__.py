"""The content of a sweep's folder, and how it survives crashes.

`folder` checks that a design has only grown; `writer` writes finished blocks twice a second, as files of `parquet`; `completion` says which
blocks are missing and which count; `results` reads them.
"""
