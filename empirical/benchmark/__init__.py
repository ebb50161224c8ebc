"""How fast the harness is, compared with a plain transformers loop in the same run, and whether its fast paths are as exact.

`suite` runs the rows of `config`: `evaluation` and `training` time the paths (against `trl_baseline`), `precision` compares them with
float32. `shapes` builds models of true shapes with random weights, `items` their inputs, `flops` and `activation_memory` count what
a step needs, `timing` measures, `row_store` keeps rows; `table`, `targets` and `report` make the page. `padding` counts a run's padding.
"""
