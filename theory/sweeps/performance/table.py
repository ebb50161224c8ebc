"""How well methods did in a study: a tidy table of performance measures, each with its Monte Carlo standard error.

The replicates are read twice, block by block, and nothing but sums is kept: memory does not grow with their number, and the numbers
are the same to the last bit in whatever order the blocks come (`theory.sweeps.performance.accumulators`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from see_in_pairs.errors import InputError
from theory.sweeps.performance.accumulators import RunningMoments
from theory.sweeps.performance.batches import Slice, paired, slices
from theory.sweeps.performance.measures import MEAN, MEASURES, MethodSummary, PerformanceMeasure, measure_of

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.05
COUNTS = ("wanted", "attempted", "done", "failed", "stopped")


class Source(Protocol):
    """What performance is worked out from; `theory.sweeps.storage.results.Results` is one."""

    @property
    def cells(self) -> pd.DataFrame:
        """One row per cell: ``cell``, its factors, ``truth`` and, where they are known, the counts ``attempted``, ``done``, ``failed``."""
        ...

    def batches(self) -> Iterable[pd.DataFrame]:
        """Yield replicates, whole blocks at a time: ``cell, block, replicate, method`` and result columns."""
        ...


@dataclass(frozen=True)
class Table:
    """Replicates that are in memory already, from wherever.

    Examples
    --------
    >>> import pandas as pd
    >>> replicates = pd.DataFrame({"method": "mean", "estimate": [1.0, 2.0, 6.0]})
    >>> performance(Table(replicates, truth=2.0), ["bias"])[["measure", "value", "completed"]].to_dict("records")
    [{'measure': 'bias', 'value': 1.0, 'completed': 3}]
    """

    replicates: pd.DataFrame  # columns ``method``, ``estimate`` and, where there are any, ``cell, block, replicate, se, lower, upper, p``
    truth: float = math.nan  # the true value, the same in all cells

    @property
    def cells(self) -> pd.DataFrame:
        """One row per cell, in the order they first occur."""
        import pandas as pd

        names = self._completed["cell"].drop_duplicates()
        return pd.DataFrame({"cell": names.to_numpy(), "truth": self.truth})

    def batches(self) -> Iterator[pd.DataFrame]:
        """Yield the replicates in one piece."""
        yield self._completed

    @property
    def _completed(self) -> pd.DataFrame:
        table = self.replicates
        if "replicate" not in table:
            keys = [name for name in ("cell", "method") if name in table]
            table = table.assign(replicate=table.groupby(keys).cumcount() if keys else range(len(table)))
        return table.assign(**{name: "" if name == "cell" else 0 for name in ("cell", "block") if name not in table})


@dataclass
class _First:
    """What the first reading leaves of a method in a cell."""

    estimates: RunningMoments = field(default_factory=RunningMoments)
    squared_errors: RunningMoments = field(default_factory=RunningMoments)
    columns: set[str] = field(default_factory=set)
    rows: int = 0

    def add(self, piece: Slice) -> None:
        self.rows += len(piece)
        self.columns |= piece.present
        self.estimates.add(piece.usable("estimate")["estimate"])
        self.squared_errors.add(np.square(piece.usable("se")["se"]))


@dataclass
class _Pair:
    """The estimates of two methods on the replicates that both completed."""

    own: RunningMoments = field(default_factory=RunningMoments)
    other: RunningMoments = field(default_factory=RunningMoments)

    def add(self, piece: Slice) -> None:
        both = piece.usable("estimate", "other")
        self.own.add(both["estimate"])
        self.other.add(both["other"])


@dataclass
class _Second:
    """What the second reading leaves of a measure: how many replicates could count, and the moments of their scores."""

    completed: int = 0
    scores: RunningMoments = field(default_factory=RunningMoments)


Key = tuple[Any, str]
Scores = dict[tuple[Any, str, str], _Second]


def performance(
    results: Source,
    measures: Sequence[str] | None = None,
    truth: str = "truth",
    *,
    alpha: float = LEVEL,
    null: float | None = None,
    versus: str | None = None,
) -> pd.DataFrame:
    """Work out performance measures with their MCSEs.

    Returns tidy: the columns of the cells, then ``method, measure, value, mcse, completed, failed, note``. ``completed`` counts the
    replicates that the number rests on, ``failed`` the others that were begun. Where there is no number, value and MCSE are missing and
    ``note`` says why.

    Notes
    -----
    The formulas are in `theory.sweeps.performance.measures`.

    References
    ----------
    Morris TP, White IR, Crowther MJ (2019), *Statistics in Medicine* 38:2074-2102.
    """
    chosen = [measure_of(name) for name in measures or MEASURES]
    null = getattr(_study(results), "null", None) if null is None else null
    versus = _rival(results, versus)
    extra = tuple(name.removeprefix(MEAN) for name in measures or () if name.startswith(MEAN))
    first, pairs = _read_once(results, versus, extra)
    facts = _facts(first, pairs, _truths(results, truth), math.nan if null is None else float(null))
    scores = _read_again(results, chosen, facts, versus, alpha, extra)
    return _tidy(results, truth, chosen, first, facts, scores, versus)


def _study(results: Source) -> Any:
    return getattr(results, "study", None)


def _rival(results: Source, versus: str | None) -> str:
    """The method that precision is compared with: the one named, else the first of the study, else of the table."""
    uses = getattr(_study(results), "methods", None)
    if versus is None and not uses:
        return next((str(batch["method"].iloc[0]) for batch in results.batches() if len(batch) and "method" in batch), "")
    known = [use.name for use in uses or ()]
    if versus is not None and known and versus not in known:
        raise InputError(f"method '{versus}': not in this study (there are {', '.join(known)})")
    return known[0] if versus is None else versus


def _truths(results: Source, truth: str) -> dict[Any, float]:
    cells = results.cells
    if truth not in cells:
        raise InputError(f"truth '{truth}': no such column of the cells (there are {', '.join(map(str, cells.columns))})")
    return {cell: math.nan if value is None else float(value) for cell, value in zip(cells["cell"], cells[truth], strict=True)}


def _read_once(results: Source, versus: str, extra: Sequence[str]) -> tuple[dict[Key, _First], dict[Key, _Pair]]:
    first: dict[Key, _First] = {}
    pairs: dict[Key, _Pair] = {}
    for batch in results.batches():
        for block in slices(batch, extra):
            for method, piece in block.items():
                first.setdefault((piece.cell, method), _First()).add(piece)
            for method, piece in paired(block, versus):
                pairs.setdefault((piece.cell, method), _Pair()).add(piece)
    if not first:
        raise InputError("no replicate is complete yet: nothing to measure (run the study first)")
    return first, pairs


def _facts(
    first: dict[Key, _First], pairs: dict[Key, _Pair], truths: dict[Any, float], null: float
) -> dict[Key, tuple[MethodSummary, MethodSummary]]:
    """What is known of each method alone, and of it beside the method it is compared with."""
    found = {}
    for key, seen in first.items():
        truth, pair = truths.get(key[0], math.nan), pairs.get(key, _Pair())
        alone = MethodSummary(truth, null, seen.estimates.n, seen.estimates.mean, seen.estimates.deviation, seen.squared_errors.mean)
        beside = MethodSummary(truth, null, pair.own.n, pair.own.mean, pair.own.deviation, math.nan, pair.other.mean, pair.other.deviation)
        found[key] = alone, beside
    return found


def _read_again(
    results: Source,
    chosen: Sequence[PerformanceMeasure],
    facts: dict[Key, tuple[MethodSummary, MethodSummary]],
    versus: str,
    alpha: float,
    extra: Sequence[str],
) -> Scores:
    alone, beside = [item for item in chosen if not item.paired], [item for item in chosen if item.paired]
    scores: Scores = {}
    for batch in results.batches():
        for block in slices(batch, extra):
            for method, piece in block.items():
                own = facts[piece.cell, method][0]
                _score(scores, alone, piece.with_rejections(own.null, alpha), own, method)
            for method, piece in paired(block, versus):
                _score(scores, beside, piece, facts[piece.cell, method][1], method)
    return scores


def _score(scores: Scores, chosen: Sequence[PerformanceMeasure], piece: Slice, facts: MethodSummary, method: str) -> None:
    for measure in chosen:
        second = scores.setdefault((piece.cell, method, measure.name), _Second())
        columns = piece.usable(*measure.needs)
        second.completed += len(columns[measure.needs[0]])
        if not measure.obstacle(facts):
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                second.scores.add(measure.score(columns, facts))


def _tidy(
    results: Source,
    truth: str,
    chosen: Sequence[PerformanceMeasure],
    first: dict[Key, _First],
    facts: dict[Key, tuple[MethodSummary, MethodSummary]],
    scores: Scores,
    versus: str,
) -> pd.DataFrame:
    import pandas as pd

    cells = results.cells.rename(columns={truth: "truth"})
    about = cells.drop(columns=[name for name in COUNTS if name in cells]).to_dict("records")
    methods = [use.name for use in getattr(_study(results), "methods", None) or ()] or list(dict.fromkeys(name for _, name in first))
    rows: list[dict[str, Any]] = []
    for named, counts in zip(about, cells.to_dict("records"), strict=True):
        cell: dict[str, Any] = {str(name): value for name, value in named.items()}
        begun = _begun(counts, [first[cell["cell"], name].rows for name in methods if (cell["cell"], name) in first])
        for method, measure in itertools.product(methods, chosen):
            if measure.paired and method == versus:
                continue
            key = (cell["cell"], method)
            known = facts[key][measure.paired] if key in facts else None
            found = _finished(measure, known, scores.get((*key, measure.name), _Second()), first.get(key, _First()).columns)
            rows.append({**cell, "method": method, "measure": measure.name, **found, "failed": begun - found["completed"]})
    table = pd.DataFrame(rows)
    return table[[name for name in table if name != "note"] + ["note"]]


def _begun(counts: dict[Hashable, Any], rows: Sequence[int]) -> int:
    """How many replicates of a cell were begun: those that were kept and those that raised."""
    if "attempted" in counts:
        return int(counts["attempted"])
    return max(int(counts.get("done", 0)), *rows, 0) + int(counts.get("failed", 0))


def _finished(measure: PerformanceMeasure, facts: MethodSummary | None, second: _Second, columns: set[str]) -> dict[str, Any]:
    """The number, or why there is none."""
    value = mcse = math.nan
    note = _why_missing(measure, facts, second.completed, columns)
    if not note and facts is not None:
        value, mcse = measure.finish(facts, second.scores)
        if not (math.isfinite(value) and math.isfinite(mcse)):
            value, mcse, note = math.nan, math.nan, "overflow: estimates beyond what doubles hold"
    return {"value": value, "mcse": mcse, "completed": second.completed, "note": note}


def _why_missing(measure: PerformanceMeasure, facts: MethodSummary | None, n: int, columns: set[str]) -> str:
    lacking = [name for name in measure.needs if name not in columns | {"other", "rejects"}]
    if "rejects" in measure.needs and not columns & {"p"} and not {"lower", "upper"} <= columns:
        lacking = ["p", "lower and upper"]
    if facts is None:
        return "no replicate is complete"
    if lacking:
        return f"the method gives no {' or '.join(lacking)}"
    obstacle = measure.obstacle(facts)
    if obstacle:
        return obstacle
    return "" if n >= measure.least else f"needs {measure.least} completed replicates, {n} there"
