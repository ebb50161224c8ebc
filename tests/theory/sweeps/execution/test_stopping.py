"""Sequential stopping: looks at fixed counts, a decision that is a function of the first blocks only, and a precision that is reached."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from see_in_pairs.errors import InputError
from theory.sweeps.execution.stopping import decide, looks
from theory.sweeps.performance.table import Table, performance


@given(st.integers(1, 500), st.integers(0, 20_000), st.integers(1, 300))
def test_looks_rise_from_the_first_to_the_cap(first: int, more: int, block: int) -> None:
    found = looks(first, first + more, block)
    assert found[0] == math.ceil(first / block)
    assert found[-1] == math.ceil((first + more) / block)
    assert all(earlier < later <= math.ceil(1.5 * earlier) for earlier, later in itertools.pairwise(found))


def test_impossible_looks_are_refused() -> None:
    for numbers in ((0, 10, 1), (10, 5, 1), (5, 10, 0)):
        with pytest.raises(InputError, match="give 1 or more, and a cap not below the first"):
            looks(*numbers)


def table(estimates: np.ndarray, method: str = "A", **columns: object) -> pd.DataFrame:
    return pd.DataFrame({"method": method, "replicate": np.arange(len(estimates)), "estimate": estimates, **columns})


def test_a_cell_runs_until_its_worst_method_is_precise() -> None:
    rng = np.random.default_rng(1)
    good, poor = rng.normal(0, 1, 400), rng.normal(0, 3, 400)
    measured = performance(Table(pd.concat([table(good), table(poor, "B")]), 0.0), ["bias"])
    worst = poor.std(ddof=1) / 20
    assert decide(measured, "bias", worst * 1.001).finished
    going_on = decide(measured, "bias", worst * 0.999)
    assert not going_on.finished
    assert going_on.mcse == pytest.approx(worst)
    assert decide(measured, "bias", worst * 0.999, at_cap=True).finished


def test_it_waits_for_what_is_not_known_yet() -> None:
    few = performance(Table(table(np.array([1.0])), 0.0), ["bias"])
    assert not decide(few, "bias", 100.0).finished
    assert decide(few, "bias", 100.0, at_cap=True).finished


def test_all_covered_does_not_stop_at_once() -> None:
    sure = performance(Table(table(np.zeros(20), lower=-1.0, upper=1.0), 0.0), ["coverage"])
    assert not decide(sure, "coverage", 0.005).finished


def test_a_measure_that_can_never_be_had_is_an_error() -> None:
    measured = performance(Table(table(np.arange(9.0)), 0.0), ["coverage"])
    with pytest.raises(InputError, match="no method can have the measure 'coverage' \\(the method gives no lower or upper\\)"):
        decide(measured, "coverage", 0.1)
    with pytest.raises(InputError, match="measure 'speed': unknown"):
        decide(measured, "speed", 0.1)


def test_a_method_that_cannot_have_it_does_not_hold_the_others_up() -> None:
    both = pd.concat([table(np.zeros(2000), lower=-1.0, upper=1.0), table(np.zeros(2000), "B")])
    assert decide(performance(Table(both, 0.0), ["coverage"]), "coverage", 0.01).finished


def test_a_stopped_coverage_is_a_little_too_high_and_no_more() -> None:
    """Its MCSE falls as the share rises, so lucky cells stop first; the module says by how much."""
    rng, cells, wanted = np.random.default_rng(3), 3000, 0.008
    counts = np.array(looks(300, 20_000, 100)[:8]) * 100
    covered = np.cumsum(rng.random((cells, counts[-1])) < 0.95, axis=1)[:, counts - 1] / counts
    precise = np.sqrt(covered * (1 - covered) / counts) <= wanted
    assert precise.any(axis=1).all()
    ends = covered[np.arange(cells), precise.argmax(axis=1)]
    excess, slack = ends.mean() - 0.95, 4 * ends.std() / math.sqrt(cells)
    assert excess + slack > 0
    assert excess - slack < 0.25 * wanted
    assert ends.std() < wanted * 1.1


def test_stopping_reaches_the_precision_it_promises_without_bias() -> None:
    """The spread of the bias over studies that each stop when its MCSE is 0.05 is 0.05, and its mean is 0."""
    rng, ends, sizes = np.random.default_rng(2), [], []
    for _ in range(400):
        estimates = rng.normal(0, 1, 3000)
        for count in looks(200, 3000, 50):
            seen = estimates[: 50 * count]
            spread = seen.std(ddof=1) / math.sqrt(len(seen))
            if spread <= 0.05:
                break
        ends.append(seen.mean())
        sizes.append(len(seen))
    assert abs(np.mean(ends)) < 4 * np.std(ends) / 20
    assert np.std(ends) < 0.05 * (1 + 4 / math.sqrt(800))  # looks are discrete: a little more precise than asked
    assert np.mean(sizes) == pytest.approx(450, rel=0.1)  # 1 / .05^2 = 400 replicates are enough; looks come at 300, 450 and 700
