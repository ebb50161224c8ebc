"""The pieces of the packaged studies, one file each; their designs are in ``theory/sweeps/studies``.

Each study repeats a researcher's experiment many times: patients are drawn, both arms judged, and the gain is estimated with an interval.
The estimate is compared with the closed form of a statement.
"""
