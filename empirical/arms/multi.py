"""Arm ``multi``: several healthy references, and the query."""

from empirical.arms.base import Arm, by_strategy

ARM = Arm(
    name="multi",
    shows="several healthy references and the query",
    isolates="(ii) unknown population mean: under it more references go on helping, also random ones",
    find=by_strategy,
    takes_references=True,
)
