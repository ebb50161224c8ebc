"""Fast samplers of sufficient statistics: the same distribution as the raw simulation, and a good deal faster."""

from __future__ import annotations

import time

import numpy as np
import pytest

from theory.numerics.montecarlo import stream
from theory.statements import all_statements, statement
from theory.statements.base import Params, Quantity

FAST = [(owner.id, quantity) for owner in all_statements().values() for quantity in owner.quantities if quantity.fast]
POINTS = [(owner, quantity, index) for owner, quantity in FAST for index in range(len(quantity.points))]


def _raw_params(quantity: Quantity, index: int) -> Params:
    params = quantity.bind(quantity.points[index])
    return {**params, "M": 20_000} if "M" in params else params  # a smaller pool: no worse than .003 here


@pytest.mark.parametrize(("owner", "quantity", "index"), POINTS, ids=[f"{owner}-{q.name}-{index}" for owner, q, index in POINTS])
def test_fast_agrees_with_raw_within_their_standard_errors(owner, quantity, index):
    params = _raw_params(quantity, index)
    raw, fast = quantity.tally(), quantity.tally()
    raw.add(quantity.simulate(params, max(200, 200_000 // quantity.draws(params)), stream(1, "raw", owner, quantity.name, str(index))))
    fast.add(quantity.fast(params, 20_000, stream(1, "fast", owner, quantity.name, str(index))))
    one, other = raw.estimate(), fast.estimate()
    allowance = quantity.stated_error(params, other.value) if "M" in params else 0.0
    assert abs(one.value - other.value) - allowance <= 5 * np.hypot(one.mcse, other.mcse)


@pytest.mark.parametrize("identifier", ["T1", "T1b", "T2", "T3", "T4", "T5", "T6", "T7"])
def test_where_the_specification_gives_a_fast_recipe_there_is_one(identifier):
    assert any(quantity.fast for quantity in statement(identifier).quantities)


def test_a_learning_curve_is_faster_from_five_scalars_than_from_training_sets():
    quantity = statement("T4").quantity("error")
    params = quantity.bind({"p": 10, "n_per_class": 20, "Delta2": 2, "rho": 0.6, "rep": "concat", "cov": "pooled"})

    def seconds_per_set(sample, replicates):
        started = time.process_time()
        sample(params, replicates, stream(0, "time"))
        return (time.process_time() - started) / replicates

    assert seconds_per_set(quantity.simulate, 2000) > 10 * seconds_per_set(quantity.fast, 20_000)
