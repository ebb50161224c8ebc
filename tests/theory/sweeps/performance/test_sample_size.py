"""Replicates needed: published numbers, inverse of the MCSE that a study then shows, and a pilot's own uncertainty."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from see_in_pairs.errors import InputError
from theory.sweeps.performance.measures import MEASURES
from theory.sweeps.performance.sample_size import replicates_from_pilot, replicates_needed
from theory.sweeps.performance.table import Table, performance


def test_morris_white_and_crowthers_examples() -> None:
    """Var = 0.04 and an MCSE of bias of 0.005; 95 % coverage, then the worst case, to half a per cent."""
    assert replicates_needed("bias", 0.005, sd=0.2).replicates == 1600
    assert replicates_needed("coverage", 0.005, share=0.95).replicates == 1900
    assert replicates_needed("coverage", 0.005).replicates == 10_000


@given(st.floats(0.01, 0.99), st.floats(0.001, 0.1))
def test_it_is_the_smallest_number(share: float, mcse: float) -> None:
    n = replicates_needed("coverage", mcse, share=share).replicates
    assert math.sqrt(share * (1 - share) / n) <= mcse * (1 + 1e-9)
    assert n == 2 or math.sqrt(share * (1 - share) / (n - 1)) >= mcse * (1 - 1e-6)


def study(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Normal estimates with standard errors on 6 degrees of freedom; B shares half its variance with A."""
    own, se2 = rng.standard_normal((2, n)), rng.chisquare(6, n) / 6
    estimate = {"A": 0.3 + 2 * own[0], "B": 0.3 + 3 * (np.sqrt(0.5) * own[0] + np.sqrt(0.5) * own[1])}
    parts = []
    for method, scale in (("A", 2), ("B", 3)):
        se = scale * np.sqrt(se2)
        values = {"estimate": estimate[method], "se": se, "lower": estimate[method] - se, "upper": estimate[method] + se}
        parts.append(pd.DataFrame({"method": method, "replicate": np.arange(n), "block": np.arange(n) // 100, **values}))
    return pd.concat(parts)


ASSUMED = {
    "bias": {"sd": 3.0},
    "relative_bias": {"sd": 3.0, "truth": 0.1},
    "empirical_se": {"sd": 3.0},
    "mse": {"sd": 3.0, "bias": 0.2},
    "rmse": {"sd": 3.0, "bias": 0.2},
    "coverage": {"share": 0.644},
    "bias_eliminated_coverage": {"share": 0.644},
    "power": {"share": 0.358},
    "model_se": {"model_se": 3.0, "cv": math.sqrt(2 / 6)},
    "relative_se_error": {"cv": math.sqrt(2 / 6)},
    "relative_precision": {"ratio": 4 / 9, "correlation": math.sqrt(0.5)},
}


@pytest.fixture(scope="module")
def large() -> pd.DataFrame:
    return performance(Table(study(np.random.default_rng(1), 20_000), 0.1), null=0.0).set_index(["method", "measure"])


@pytest.mark.parametrize("measure", ASSUMED)
def test_a_study_of_that_size_has_that_mcse(large: pd.DataFrame, measure: str) -> None:
    shown = large.loc[("B", measure), "mcse"]
    assert replicates_needed(measure, shown, **ASSUMED[measure]).replicates == pytest.approx(20_000, rel=0.06)


def test_every_measure_can_be_planned() -> None:
    assert set(ASSUMED) | {"type_1_error"} == set(MEASURES)
    assert replicates_needed("type_1_error", 0.002, share=0.05).replicates == 11_875


def test_a_pilot_plans_the_study() -> None:
    pilot = performance(Table(study(np.random.default_rng(2), 200), 0.1), null=0.0)
    for measure, wanted in (("bias", 0.02), ("coverage", 0.005)):
        row = replicates_from_pilot(pilot, measure, wanted).set_index("method").loc["B"]
        truth = replicates_needed(measure, wanted, **ASSUMED[measure]).replicates
        assert row["replicates_low"] < truth < row["replicates_high"]
        assert row["replicates_low"] < row["replicates"] < row["replicates_high"]
    twice = replicates_from_pilot(pilot, "mse", 0.1)["replicates"] / replicates_from_pilot(pilot, "mse", 0.2)["replicates"]
    np.testing.assert_allclose(twice, 4, rtol=1e-3)


def test_intervals_of_a_pilot_hold_their_level() -> None:
    rng, pilots, n = np.random.default_rng(3), 400, 80
    size = pilots * n
    values = {"estimate": 3 * rng.standard_normal(size), "p": np.where(rng.random(size) < 0.2, 0.01, 0.5)}
    measured = performance(Table(pd.DataFrame({"cell": np.arange(size) // n, "method": "B", **values}), 1.0), ["bias", "power"], null=0.0)
    for name, variance in {"bias": 9.0, "power": 0.2 * 0.8}.items():
        rows, truth = replicates_from_pilot(measured, name, 0.01), math.ceil(variance / 1e-4)
        share = ((rows["replicates_low"] <= truth) & (truth <= rows["replicates_high"])).mean()
        assert share > 0.95 - 4 * math.sqrt(0.95 * 0.05 / pilots) - 0.01, name


def test_bad_input_is_one_line() -> None:
    for measure, assumed, message in (
        ("biass", {}, "measure 'biass': unknown"),
        ("bias", {}, "'bias' needs sd=...: assume a value, or give a pilot"),
        ("coverage", {"sd": 1.0}, "sd: 'coverage' does not depend on it \\(it takes share\\)"),
        ("coverage", {"share": 1.5}, "share = 1.5: lies between 0 and 1"),
        ("relative_bias", {"sd": 1.0, "truth": 0.0}, "truth = 0: a bias relative to it does not exist"),
        ("bias", {"sd": -1.0}, "sd = -1.0: must be above 0"),
    ):
        with pytest.raises(InputError, match=message):
            replicates_needed(measure, 0.1, **assumed)
    with pytest.raises(InputError, match="mcse"):
        replicates_needed("bias", 0.0, sd=1.0)
    with pytest.raises(InputError, match="'mse': not in the pilot"):
        replicates_from_pilot(performance(Table(pd.DataFrame({"method": "A", "estimate": [1.0, 2.0]}), 0.0), ["bias"]), "mse", 0.1)
