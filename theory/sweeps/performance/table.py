"""Performance of the methods of a study: a tidy table of measures, each with its Monte Carlo standard error.

Replicates are read twice, block by block, and only sums are kept: memory does not grow with their number, and the numbers are the same
to the last bit for any order of the blocks (`theory.sweeps.performance.accumulators`).
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from see_in_pairs.errors import InputError, did_you_mean
from theory.sweeps.performance.accumulators import RunningMoments
from theory.sweeps.performance.batches import RESULTS, Slice, paired, shared, slices
from theory.sweeps.performance.measures import MEAN, MEASURES, MethodSummary, PerformanceMeasure, measure_of

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.05
COUNTS = ("wanted", "attempted", "done", "failed", "stopped")


class Source(Protocol):
    """The input of `performance`; `theory.sweeps.storage.results.Results` is one."""

    @property
    def cells(self) -> pd.DataFrame:
        """One row per cell: ``cell``, its factors, ``truth`` and, where they are known, the counts ``attempted``, ``done``, ``failed``."""
        ...

    def batches(self) -> Iterable[pd.DataFrame]:
        """Yield replicates, whole blocks at a time: ``cell, block, replicate, method`` and result columns."""
        ...


@dataclass(frozen=True)
class Table:
    """Replicates from another source, in memory, for `performance`.

    Parameters
    ----------
    replicates : pandas.DataFrame
        Columns ``method`` and ``estimate`` or ``p`` and, where there are any, ``cell, block, replicate, se, lower, upper``; one row per
        replicate and method.
    truth : float, default NaN
        The true value, the same in all cells; NaN where it is not known.

    Examples
    --------
    >>> import pandas as pd
    >>> replicates = pd.DataFrame({"method": "mean", "estimate": [1.0, 2.0, 6.0]})
    >>> performance(Table(replicates, truth=2.0), ["bias"])[["measure", "value", "completed"]].to_dict("records")
    [{'measure': 'bias', 'value': 1.0, 'completed': 3}]
    """

    replicates: pd.DataFrame
    truth: float = math.nan

    @property
    def cells(self) -> pd.DataFrame:
        """One row per cell, in the order they first occur."""
        import pandas as pd

        names = self._completed["cell"].drop_duplicates()
        return pd.DataFrame({"cell": names.to_numpy(), "truth": self.truth})

    def batches(self) -> Iterator[pd.DataFrame]:
        """Yield the replicates in one part.

        Yields
        ------
        pandas.DataFrame
            The table with the columns ``cell, block, replicate``, numbered where they were missing.
        """
        yield self._completed

    @property
    def _completed(self) -> pd.DataFrame:
        table = self.replicates
        if "estimate" not in table and "p" not in table:
            raise InputError(f"replicates: no column 'estimate' (there are {', '.join(map(str, table.columns))})")
        if "replicate" not in table:
            keys = [name for name in ("cell", "method") if name in table]
            table = table.assign(replicate=table.groupby(keys).cumcount() if keys else range(len(table)))
        return table.assign(**{name: "" if name == "cell" else 0 for name in ("cell", "block") if name not in table})


@dataclass
class _FirstPass:
    """Sums of the first pass over a method's replicates in a cell."""

    estimates: RunningMoments = field(default_factory=RunningMoments)
    squared_errors: RunningMoments = field(default_factory=RunningMoments)
    columns: set[str] = field(default_factory=set)
    rows: int = 0

    def add(self, part: Slice) -> None:
        self.rows += len(part)
        self.columns |= part.present
        self.estimates.add(part.usable("estimate")["estimate"])
        self.squared_errors.add(np.square(part.usable("se")["se"]))


@dataclass
class _PairedPass:
    """Sums of the first pass over two methods on the replicates that both completed."""

    own: RunningMoments = field(default_factory=RunningMoments)
    other: RunningMoments = field(default_factory=RunningMoments)

    def add(self, part: Slice) -> None:
        both = part.usable("estimate", "other")
        self.own.add(both["estimate"])
        self.other.add(both["other"])


@dataclass
class _MeasurePass:
    """Sums of the second pass for a measure: the replicates that count, and the moments of their scores."""

    completed: int = 0
    scores: RunningMoments = field(default_factory=RunningMoments)


Key = tuple[Any, str]
Blocks = Callable[[], Iterator[dict[str, Slice]]]
"""Reads all blocks, a slice per method each; called once a pass."""

Scores = dict[tuple[Any, str, str], _MeasurePass]


def performance(
    results: Source,
    measures: Sequence[str] | None = None,
    truth: str = "truth",
    *,
    alpha: float = LEVEL,
    null: float | None = None,
    versus: str | None = None,
    common: bool = False,
) -> pd.DataFrame:
    """Compute performance measures of a study, each with its Monte Carlo standard error (MCSE).

    Parameters
    ----------
    results : Results or Table
        A sweep's results, finished or not, or replicates from another source.
    measures : sequence of str, optional
        Names of measures, or ``mean:COLUMN`` for the mean of another result. By default all that `theory.sweeps.performance.measures`
        lists.
    truth : str, default 'truth'
        Column of the cells that holds the true value.
    alpha : float, default 0.05
        Level at or below which a p-value rejects, in [0, 1].
    null : float, optional
        Value under the null hypothesis, for power and type-I error. By default the study's.
    versus : str, optional
        Method that precision is compared with. By default the study's first.
    common : bool, default False
        Whether to count only the replicates of a cell that all methods completed, with all their results. A method that fails in difficult
        replicates is then compared with the others on the same data. ``failed`` also counts the replicates left out.

    Returns
    -------
    pandas.DataFrame
        One row per cell, method and measure: the columns of the cells, then ``method, measure, value, mcse, completed, failed, note``.
        ``completed`` counts the replicates behind the number, ``failed`` the others that were run. Where there is no number,
        value and MCSE are missing and ``note`` says why.

    Raises
    ------
    InputError
        When a measure, method or column does not exist, or no replicate is complete yet.

    Notes
    -----
    Morris TP, White IR, Crowther MJ (2019), *Statistics in Medicine* 38:2074-2102. `theory.sweeps.performance.measures` has the formulas.

    Examples
    --------
    >>> import pandas as pd
    >>> replicates = pd.DataFrame({"method": "mean", "estimate": [1.0, 2.0, 6.0]})
    >>> performance(Table(replicates, truth=2.0), ["empirical_se"])["value"].item()
    2.645751
    """
    # two passes: the scores of most measures need the mean and spread that only a first pass over all replicates gives
    chosen = [measure_of(name) for name in measures or MEASURES]
    null = getattr(_study(results), "null", None) if null is None else null
    versus = _compared_with(results, versus)
    extra = tuple(name.removeprefix(MEAN) for name in measures or () if name.startswith(MEAN))
    read = functools.partial(_blocks, results, extra)
    first, pairs = _first_pass(read, results, versus)
    if common:
        seen, read = first, functools.partial(_shared_blocks, read, first, _names_of_methods(results, first))
        first, pairs = _first_pass(read, results, versus)
        for key, found in first.items():  # what a method gives, and how often it ran, does not depend on the others
            found.columns, found.rows = seen[key].columns, seen[key].rows
    summaries = _summaries(first, pairs, _truths(results, truth), math.nan if null is None else float(null))
    scores = _second_pass(read, chosen, summaries, versus, alpha)
    return _tidy(results, truth, chosen, first, summaries, scores, versus)


def _study(results: Source) -> Any:
    return getattr(results, "study", None)


def _compared_with(results: Source, versus: str | None) -> str:
    """The method that precision is compared with: the one named, else the first of the study, else of the table."""
    uses = getattr(_study(results), "methods", None)
    if versus is None and not uses:
        return next((str(batch["method"].iloc[0]) for batch in results.batches() if len(batch) and "method" in batch), "")
    known = [use.name for use in uses or ()]
    if versus is not None and known and versus not in known:
        raise InputError(f"method '{versus}': not in this study (there are {', '.join(known)}){did_you_mean(versus, known)}")
    return known[0] if versus is None else versus


def _truths(results: Source, truth: str) -> dict[Any, float]:
    cells = results.cells
    if truth not in cells:
        raise InputError(f"truth '{truth}': no such column of the cells (there are {', '.join(map(str, cells.columns))})")
    return {cell: math.nan if value is None else float(value) for cell, value in zip(cells["cell"], cells[truth], strict=True)}


def _blocks(results: Source, extra: Sequence[str]) -> Iterator[dict[str, Slice]]:
    for batch in results.batches():
        yield from slices(batch, extra)


def _names_of_methods(results: Source, first: dict[Key, _FirstPass]) -> list[str]:
    return [use.name for use in getattr(_study(results), "methods", None) or ()] or list(dict.fromkeys(name for _, name in first))


def _shared_blocks(read: Blocks, seen: dict[Key, _FirstPass], methods: Sequence[str]) -> Iterator[dict[str, Slice]]:
    """The blocks with only the replicates that all methods completed."""
    for block in read():
        cell = next(iter(block.values())).cell
        yield shared(block, {name: frozenset(seen.get((cell, name), _FirstPass()).columns.intersection(RESULTS)) for name in methods})


def _first_pass(read: Blocks, results: Source, versus: str) -> tuple[dict[Key, _FirstPass], dict[Key, _PairedPass]]:
    first: dict[Key, _FirstPass] = {}
    pairs: dict[Key, _PairedPass] = {}
    for block in read():
        for method, part in block.items():
            first.setdefault((part.cell, method), _FirstPass()).add(part)
        for method, part in paired(block, versus):
            pairs.setdefault((part.cell, method), _PairedPass()).add(part)
    if not first:
        failed = int(results.cells["failed"].sum()) if "failed" in results.cells else 0
        if failed:
            raise InputError(f"all {failed:,} replicates failed: nothing to measure ('sweep replay' lists why)")
        raise InputError("no replicate is complete yet: nothing to measure (run the study first)")
    return first, pairs


def _summaries(
    first: dict[Key, _FirstPass], pairs: dict[Key, _PairedPass], truths: dict[Any, float], null: float
) -> dict[Key, tuple[MethodSummary, MethodSummary]]:
    """Summaries of each method alone, and together with the method it is compared with."""
    found = {}
    for key, seen in first.items():
        truth, pair = truths.get(key[0], math.nan), pairs.get(key, _PairedPass())
        alone = MethodSummary(truth, null, seen.estimates.n, seen.estimates.mean, seen.estimates.deviation, seen.squared_errors.mean)
        beside = MethodSummary(truth, null, pair.own.n, pair.own.mean, pair.own.deviation, math.nan, pair.other.mean, pair.other.deviation)
        found[key] = alone, beside
    return found


def _second_pass(
    read: Blocks, chosen: Sequence[PerformanceMeasure], summaries: dict[Key, tuple[MethodSummary, MethodSummary]], versus: str, alpha: float
) -> Scores:
    alone, beside = [item for item in chosen if not item.paired], [item for item in chosen if item.paired]
    scores: Scores = {}
    for block in read():
        for method, part in block.items():
            own = summaries[part.cell, method][0]
            _score(scores, alone, part.with_rejections(own.null, alpha), own, method)
        for method, part in paired(block, versus):
            _score(scores, beside, part, summaries[part.cell, method][1], method)
    return scores


def _score(scores: Scores, chosen: Sequence[PerformanceMeasure], part: Slice, summary: MethodSummary, method: str) -> None:
    for measure in chosen:
        second = scores.setdefault((part.cell, method, measure.name), _MeasurePass())
        columns = part.usable(*measure.needs)
        second.completed += len(columns[measure.needs[0]])
        if not measure.obstacle(summary):
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                second.scores.add(measure.score(columns, summary))


def _tidy(
    results: Source,
    truth: str,
    chosen: Sequence[PerformanceMeasure],
    first: dict[Key, _FirstPass],
    summaries: dict[Key, tuple[MethodSummary, MethodSummary]],
    scores: Scores,
    versus: str,
) -> pd.DataFrame:
    import pandas as pd

    cells = results.cells.rename(columns={truth: "truth"})
    about = cells.drop(columns=[name for name in COUNTS if name in cells]).to_dict("records")
    methods = _names_of_methods(results, first)
    rows: list[dict[str, Any]] = []
    for named, counts in zip(about, cells.to_dict("records"), strict=True):
        cell: dict[str, Any] = {str(name): value for name, value in named.items()}
        attempted = _attempted(counts, [first[cell["cell"], name].rows for name in methods if (cell["cell"], name) in first])
        for method, measure in itertools.product(methods, chosen):
            if measure.paired and method == versus:
                continue
            key = (cell["cell"], method)
            known = summaries[key][measure.paired] if key in summaries else None
            found = _finished(measure, known, scores.get((*key, measure.name), _MeasurePass()), first.get(key, _FirstPass()).columns)
            rows.append({**cell, "method": method, "measure": measure.name, **found, "failed": attempted - found["completed"]})
    table = pd.DataFrame(rows)
    return table[[name for name in table if name != "note"] + ["note"]]


def _attempted(counts: dict[Hashable, Any], rows: Sequence[int]) -> int:
    """Replicates of a cell that were run: those that completed and those that failed."""
    if "attempted" in counts:
        return int(counts["attempted"])
    return max(int(counts.get("done", 0)), *rows, 0) + int(counts.get("failed", 0))


def _finished(measure: PerformanceMeasure, summary: MethodSummary | None, second: _MeasurePass, columns: set[str]) -> dict[str, Any]:
    """The number, or the reason why it does not exist."""
    value = mcse = math.nan
    note = _why_missing(measure, summary, second.completed, columns)
    if not note and summary is not None:
        value, mcse = measure.finish(summary, second.scores)
        if not (math.isfinite(value) and math.isfinite(mcse)):
            value, mcse, note = math.nan, math.nan, "overflow: estimates beyond what doubles hold"
    return {"value": value, "mcse": mcse, "completed": second.completed, "note": note}


def _why_missing(measure: PerformanceMeasure, summary: MethodSummary | None, n: int, columns: set[str]) -> str:
    lacking = [name for name in measure.needs if name not in columns | {"other", "rejects"}]
    if "rejects" in measure.needs and not columns & {"p"} and not {"lower", "upper"} <= columns:
        lacking = ["p", "lower and upper"]
    if summary is None:
        return "no replicate is complete"
    if lacking:
        return f"the method gives no {' or '.join(lacking)}"
    obstacle = measure.obstacle(summary)
    if obstacle:
        return obstacle
    return "" if n >= measure.least else f"needs {measure.least} completed replicates, {n} there"
