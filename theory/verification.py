"""Compare every statement three ways: symbolic form = closed form = raw simulation, within Monte Carlo error."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from see_in_pairs.files import to_json
from see_in_pairs.processes import exit_with_parent, interrupts_deferred
from theory.numerics.gaussian import two_sided_bound
from theory.numerics.montecarlo import MonteCarloEstimate, stream
from theory.statements import Statement, all_statements, statement
from theory.statements.base import Params, Quantity

if TYPE_CHECKING:
    import pandas as pd

FALSE_ALARM = 1e-4  # probability for a whole run in which everything is right
CORE_SECONDS = 5.0  # per point, at most
DRAWS_PER_BATCH = 2**20  # random numbers: 8 MiB at a time
FEWEST_DATA_SETS = 8  # where a replicate is a whole data set: enough for a standard error; z takes its few degrees of freedom into account
COLUMNS = ("statement", "quantity", "params", "symbolic", "closed_form", "simulated", "mcse", "z", "agrees")

Progress = Callable[[Iterable[Any], int], Iterator[Any]]  # passes outcomes on and reports how many of the total there are


@dataclass(frozen=True)
class CheckPoint:
    """One quantity of a statement at one set of parameters."""

    statement: str
    quantity: Quantity
    params: Params  # defaults filled in


@dataclass(frozen=True)
class CheckOutcome:
    """The three values at a point."""

    point: CheckPoint
    symbolic: float
    closed_form: float
    simulated: MonteCarloEstimate

    def z(self) -> float:
        """Distance of the simulation from the closed form in MCSEs, beyond the stated error of the closed form."""
        return self.simulated.z_against(self.closed_form, self.point.quantity.stated_error(self.point.params, self.closed_form))

    def agrees(self, bound: float) -> bool:
        """Whether all three values agree: symbolic and closed form within the tolerance, and abs(z) at most the bound."""
        slack = self.point.quantity.symbolic_tolerance * max(1.0, abs(self.closed_form))
        return bool(abs(self.symbolic - self.closed_form) <= slack and abs(self.z()) <= bound)

    def row(self, bound: float) -> dict[str, Any]:
        """The outcome as a row, in the order of `COLUMNS`."""
        point, estimate = self.point, self.simulated
        values = (
            point.statement,
            point.quantity.name,
            point.params,
            self.symbolic,
            self.closed_form,
            estimate.value,
            estimate.mcse,
            self.z(),
        )
        return dict(zip(COLUMNS, (*values, self.agrees(bound)), strict=True))


def points_of(statements: Sequence[str | Statement] | None) -> list[CheckPoint]:
    """Points of the named statements (by default of all), in the order of the statements."""
    chosen = (
        list(all_statements().values()) if not statements else [statement(item) if isinstance(item, str) else item for item in statements]
    )
    unique = {item.id: item for item in chosen}.values()
    return [
        CheckPoint(item.id, quantity, quantity.bind(params))
        for item in unique
        for quantity in item.quantities
        for params in quantity.points
    ]


def simulate(point: CheckPoint, seed: int, replicates: int | None = None) -> MonteCarloEstimate:
    """Simulate a point in batches, until the wanted replicates, or else the quantity's standard error or the time limit."""
    quantity, tally, started, done, batch = point.quantity, point.quantity.tally(), time.process_time(), 0, 0
    if replicates is not None and quantity.block > 1:
        replicates = max(FEWEST_DATA_SETS, replicates // quantity.block)
    size = max(2, DRAWS_PER_BATCH // quantity.draws(point.params))
    while True:
        count = size if replicates is None else min(size, replicates - done)
        # the stream is named after the point, so its numbers depend neither on what else is verified nor on the workers
        rng = stream(seed, point.statement, quantity.name, to_json(dict(sorted(point.params.items())), indent=None), batch=batch)
        tally.add(quantity.simulate(point.params, count, rng))
        done, batch = done + count, batch + 1
        if replicates is None:
            estimate = tally.estimate()
            if estimate.mcse <= quantity.mcse or time.process_time() - started >= CORE_SECONDS:
                return estimate
        elif done >= replicates:
            return tally.estimate()


def check(point: CheckPoint, seed: int, replicates: int | None = None) -> CheckOutcome:
    """All three values at a point."""
    quantity, params = point.quantity, point.params
    return CheckOutcome(point, float(quantity.symbolic(**params)), float(quantity.closed_form(**params)), simulate(point, seed, replicates))


def _check_in_worker(parent: int, point: CheckPoint, seed: int, replicates: int | None) -> CheckOutcome:
    exit_with_parent(parent)
    return check(point, seed, replicates)


def verify_rows(
    statements: Sequence[str | Statement] | None = None,
    replicates: int | None = None,
    seed: int = 0,
    workers: int = -1,
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    r"""Rows of `verify`, one per point, keyed by `COLUMNS`.

    Notes
    -----
    A row agrees when symbolic and closed form differ by at most 1e-12 (1e-8 where an integral is computed by quadrature) and
    :math:`|z|` is at most the normal quantile at :math:`10^{-4}/(2 \times rows)`: Bonferroni, so that a run in which everything
    is right raises a false alarm with probability at most 1e-4. Where a proportion is rare, z comes from the exact binomial tail.
    """
    from joblib import Parallel, delayed

    points = points_of(statements)
    parallel = Parallel(n_jobs=workers, batch_size=1, return_as="generator")
    with interrupts_deferred():  # the first points go out here, and start the workers
        outcomes = parallel(delayed(_check_in_worker)(os.getpid(), point, seed, replicates) for point in points)
    bound = two_sided_bound(FALSE_ALARM, len(points))
    return [outcome.row(bound) for outcome in (progress(outcomes, len(points)) if progress else outcomes)]


def verify(
    statements: Sequence[str | Statement] | None = None,
    replicates: int | None = None,
    seed: int = 0,
    workers: int = -1,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Check statements at all their points: symbolic form = closed form = raw simulation.

    Parameters
    ----------
    statements : sequence of str or Statement, optional
        Statements or their ids, for example ``'T1b'``; all of them when not given.
    replicates : int, optional
        Simulated patients per point; by default as many as the wanted standard error needs, for at most 5 core-seconds.
    seed : int, default 0
        Seed of the simulations; each point has a stream of its own.
    workers : int, default -1
        Processes, as joblib counts them: -1 is one per usable core.
    progress : callable, optional
        For a progress bar: takes the outcomes and their number, and yields the same outcomes.

    Returns
    -------
    pandas.DataFrame
        One row per point, with the columns of `theory.verification.COLUMNS`; the parameters are JSON text.

    Raises
    ------
    InputError
        When a given id is not that of a statement.
    """
    return to_table(verify_rows(statements, replicates, seed, workers, progress))


def to_table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Rows as a table, with the parameters as JSON text so that it fits a Parquet file."""
    import pandas as pd

    return pd.DataFrame([{**row, "params": to_json(row["params"], indent=None)} for row in rows], columns=list(COLUMNS))
