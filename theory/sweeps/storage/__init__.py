"""What a sweep's folder holds, and how it survives.

`folder` checks that a design has only grown; `writer` writes finished blocks twice a second, as the files of `parquet`; `completion` says
which blocks are missing and which count; `results` reads them back.
"""
