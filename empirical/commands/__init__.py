"""The commands of the empirical part.

``models`` (finetune, evaluate, pretrain, doctor), ``cohort`` (with ``cohort_import``), ``references``, ``analyse`` and ``benchmark``; shared options
are in ``options``.
"""
