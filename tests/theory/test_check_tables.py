"""The check tables of the theory's specification: closed forms to the printed digits, raw simulation within 4 standard errors."""

from __future__ import annotations

import pytest

from theory.montecarlo import stream
from theory.statements import statement
from theory.verification import Point, simulate

SIGMA, CROSS = [[1, 0.3], [0.3, 1.5]], [[0.5, 0.1], [0.2, 0.6]]
T1B = {"Sigma": SIGMA, "C": CROSS, "Sr": SIGMA, "delta": [1, 0.6]}
TWO = {"d": 1, "rho": 0.4}

# statement, quantity, parameters, printed closed form, its decimals
TABLE = [
    ("T1", "error", {"d": 1, "rho": 0, "rule": "single"}, 0.30854, 5),
    ("T1", "auc", {"d": 1, "rho": 0, "rule": "single"}, 0.76025, 5),
    ("T1", "error", {"d": 1, "rho": 0.3, "rule": "difference"}, 0.33630, 5),
    ("T1", "auc", {"d": 1, "rho": 0.3, "rule": "difference"}, 0.72495, 5),
    ("T1", "error", {"d": 1, "rho": 0.3, "rule": "optimal"}, 0.30009, 5),
    ("T1", "auc", {"d": 1, "rho": 0.3, "rule": "optimal"}, 0.77073, 5),
    ("T1", "error", {"d": 1, "rho": 0.7, "rule": "difference"}, 0.25930, 5),
    ("T1", "auc", {"d": 1, "rho": 0.7, "rule": "difference"}, 0.81934, 5),
    ("T1", "error", {"d": 1, "rho": 0.7, "rule": "optimal"}, 0.24192, 5),
    ("T1", "auc", {"d": 1, "rho": 0.7, "rule": "optimal"}, 0.83895, 5),
    ("T1", "error", {"d": 1, "rho": 0.7, "rule": "optimal", "pi": 0.1}, 0.09122, 5),
    ("T1", "error", {"d": 1, "rho": 0.7, "rule": "single", "pi": 0.1}, 0.09866, 5),
    ("T1", "error", {"d": 1, "rho": -0.4, "rule": "optimal"}, 0.29269, 5),
    ("T1b", "error", {**T1B, "rule": "single"}, 0.30303, 5),
    ("T1b", "error", {**T1B, "rule": "difference"}, 0.30398, 5),
    ("T1b", "error", {**T1B, "rule": "joint"}, 0.27594, 5),
    ("T2", "auc", {**TWO, "rho_rr": 0.4, "m": 1, "rule": "meandiff"}, 0.74070, 5),
    ("T2", "auc", {**TWO, "rho_rr": 0.4, "m": 4, "rule": "meandiff"}, 0.79289, 5),
    ("T2", "auc", {**TWO, "rho_rr": 0.4, "m": 4, "rule": "optimal"}, 0.79947, 5),
    ("T2", "auc", {**TWO, "rho_rr": 0.8, "m": 4, "rule": "meandiff"}, 0.75492, 5),
    ("T2", "auc", {**TWO, "rho_rr": 0.2, "m": 8, "rule": "optimal"}, 0.84969, 5),
]

rows = pytest.mark.parametrize(
    ("identifier", "name", "params", "printed", "decimals"), TABLE, ids=[f"{row[0]}-{row[1]}-{i}" for i, row in enumerate(TABLE)]
)


@rows
def test_closed_form_to_the_printed_digits(identifier, name, params, printed, decimals):
    assert statement(identifier).quantity(name).value(**params) == pytest.approx(printed, abs=0.5000001 * 10**-decimals)


@rows
def test_raw_simulation_agrees(identifier, name, params, printed, decimals):
    quantity = statement(identifier).quantity(name)
    bound = quantity.bind(params)
    size = max(2, 400_000 // quantity.draws(bound))
    estimate = simulate(Point(identifier, quantity, bound), seed=0, replicates=size)
    closed = quantity.value(**params)
    assert abs(estimate.z_against(closed, quantity.stated_error(closed))) < 4


@rows
def test_fast_sampler_agrees(identifier, name, params, printed, decimals):
    quantity = statement(identifier).quantity(name)
    if quantity.fast is None:
        pytest.skip("no sufficient statistics to sample")
    bound, tally = quantity.bind(params), quantity.tally()
    tally.add(quantity.fast(bound, 50_000, stream(0, "fast", identifier, name)))
    closed = quantity.value(**params)
    assert abs(tally.estimate().z_against(closed, quantity.stated_error(closed))) < 4
