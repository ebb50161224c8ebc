"""Verification: it passes what is right, finds what is wrong, and its numbers do not depend on what else is verified."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from see_in_pairs.errors import InputError
from theory.statements import Statement, all_statements, statement
from theory.verification import COLUMNS, FEWEST_DATA_SETS, points_of, simulate, to_table, verify, verify_rows


def _only(identifier: str, name: str, **changes: object) -> Statement:
    original = statement(identifier)
    quantity = dataclasses.replace(original.quantity(name), **changes)
    return dataclasses.replace(original, quantities=(dataclasses.replace(quantity, points=quantity.points[:3]),))


def test_table_has_the_agreed_columns():
    table = verify([_only("T1", "error")], replicates=2000, workers=1)
    assert tuple(table.columns) == COLUMNS
    assert table["agrees"].all()
    assert json.loads(table["params"][0])["pi"] == 0.5


@pytest.mark.parametrize("identifier", list(all_statements()))
def test_every_point_has_equal_symbolic_and_closed_form(identifier):
    for point in points_of([identifier]):  # without the simulation, which other tests compare
        symbolic, closed = (float(form(**point.params)) for form in (point.quantity.symbolic, point.quantity.closed_form))
        tolerance = point.quantity.symbolic_tolerance
        assert symbolic == pytest.approx(closed, abs=tolerance, rel=tolerance), (point.quantity.name, point.params)


def test_replicates_count_patients_where_a_replicate_is_a_study():
    point = next(point for point in points_of(["T12"]) if point.quantity.name == "n_for_sensitivity")
    assert simulate(point, 0, replicates=2_000).replicates == FEWEST_DATA_SETS
    assert simulate(point, 0, replicates=10 * point.quantity.block).replicates == 10


def test_a_wrong_closed_form_is_found_by_both_sides():
    right = statement("T1").quantity("auc").closed_form

    def wrong(**params: object) -> float:
        return float(right(**params)) + 0.01

    rows = verify_rows([_only("T1", "auc", closed_form=wrong)], replicates=200_000, workers=1)
    assert not any(row["agrees"] for row in rows)
    assert all(abs(row["symbolic"] - row["closed_form"]) > 1e-3 and abs(row["z"]) > 5 for row in rows)


def test_a_wrong_simulation_is_found():
    rows = verify_rows([_only("T1", "auc", simulate=lambda params, size, rng: rng.random(size) < 0.5)], replicates=10_000, workers=1)
    assert not any(row["agrees"] for row in rows)


def test_a_value_that_is_no_number_never_agrees():
    rows = verify_rows([_only("T1", "auc", closed_form=lambda **params: float("nan"))], replicates=100, workers=1)
    assert not any(row["agrees"] for row in rows)


def test_numbers_do_not_depend_on_what_else_is_verified_or_on_workers():
    alone = verify_rows([_only("T1", "auc")], replicates=500, workers=1)
    beside = verify_rows([_only("T2", "auc"), _only("T1", "auc")], replicates=500, workers=2)
    assert [row["simulated"] for row in alone] == [row["simulated"] for row in beside[3:]]
    other = verify_rows([_only("T1", "auc")], replicates=500, seed=1, workers=1)
    assert [row["simulated"] for row in alone] != [row["simulated"] for row in other]


def test_points_reach_the_edges():
    params = [point.params for point in points_of(["T1", "T2"])]
    rhos, sizes, priors = ({p[name] for p in params if name in p} for name in ("rho", "m", "pi"))
    assert min(rhos) < -0.9
    assert max(rhos) > 0.99
    assert {0.0, 1e-6} <= rhos
    assert 1 in sizes
    assert max(sizes) >= 50
    assert min(priors) <= 0.001
    assert max(priors) >= 0.999


def test_a_statement_named_twice_is_checked_once():
    assert len(points_of(["T1", "t1"])) == len(points_of(["T1"]))


def test_unknown_statement_is_refused():
    with pytest.raises(InputError, match="T1, T1b, T2"):
        points_of(["T99"])


def test_table_survives_parquet(tmp_path):
    rows = verify_rows([_only("T1b", "error"), _only("T1", "error")], replicates=50, workers=1)
    to_table(rows).to_parquet(tmp_path / "rows.parquet")
    assert np.isfinite(to_table(rows)["z"]).all()
