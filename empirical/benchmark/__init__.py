"""How fast the harness is, against a plain transformers loop in the same run, and whether its fast paths say the same.

``shapes`` builds models of true shapes with random weights, ``items`` what they are shown, ``evaluation`` and ``training`` time the
paths, ``flops`` counts what a step needs, ``suite`` runs all of it for one machine.
"""
