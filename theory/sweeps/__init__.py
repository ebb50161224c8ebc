"""An engine for simulation studies: registered pieces, a design, replicates in blocks with their own random streams, safe results.

`registry` (generator, method, estimand), `scenarios` (cells) and `study` define the simulation; `resolved` finds the pieces; `execution`
runs blocks of replicates and `storage` keeps them; `performance` measures the methods. `packaged` finds the studies that come with the
package: pieces in `ready`, designs in ``studies``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from see_in_pairs.lazy import lazy_exports

if TYPE_CHECKING:
    from theory.sweeps import performance
    from theory.sweeps.execution.replay import replay
    from theory.sweeps.execution.runner import run
    from theory.sweeps.packaged import packaged_studies
    from theory.sweeps.registry import estimand, generator, method
    from theory.sweeps.storage.results import Results, read_results
    from theory.sweeps.study import Study

__all__ = [
    "Results", "Study", "estimand", "generator", "method", "packaged_studies", "performance", "read_results", "replay", "run",
]  # fmt: skip

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "execution.replay": ["replay"],
        "execution.runner": ["run"],
        "packaged": ["packaged_studies"],
        "registry": ["estimand", "generator", "method"],
        "storage.results": ["Results", "read_results"],
        "study": ["Study"],
    },
    ["performance"],
)
