"""Performance of the methods of a sweep: measures with their Monte Carlo standard errors, and numbers of replicates to plan.

`measures` holds the formulas, `table` applies them to replicates in two passes, cut into blocks by `batches` and summed exactly by
`accumulators`; `sample_size` inverts the standard errors; `cli` has the commands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from see_in_pairs.lazy import lazy_exports

if TYPE_CHECKING:
    from theory.sweeps.performance.sample_size import replicates_from_pilot, replicates_needed
    from theory.sweeps.performance.table import Table, performance

__all__ = ["Table", "performance", "replicates_from_pilot", "replicates_needed"]

__getattr__, __dir__ = lazy_exports(
    __name__, {"sample_size": ["replicates_from_pilot", "replicates_needed"], "table": ["Table", "performance"]}
)
