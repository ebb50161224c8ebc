"""The pieces of the packaged studies, one file each; their designs are in ``theory/sweeps/studies``.

A reference is worth what an experiment can show of it. So each study lets a researcher's experiment happen many times: patients are
drawn, both arms judged, the gain estimated with an interval; and the truth that the estimate is held to is the closed form of a statement.
"""
