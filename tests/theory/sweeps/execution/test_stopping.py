"""Sequential stopping: looks at fixed counts, decisions from the first blocks only, a precision that is reached, a cap that holds."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from see_in_pairs.errors import InputError
from theory.sweeps import Results, Study, run
from theory.sweeps.execution.stopping import decide, look_sizes, looks
from theory.sweeps.performance.table import Table, performance

MakeStudy = Callable[..., Study]
Same = Callable[[Results, Results], None]


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


PRECISE: dict[str, Any] = {"grid": {"mean": [0.0], "n": [8, 64]}, "fixed": None, "replicates": 20, "methods": ["simple_mean"]}


def with_stop(make_study: MakeStudy, mcse: float, cap: int, **changes: Any) -> Study:
    return make_study(**{**PRECISE, "stop": {"measure": "bias", "mcse": mcse, "cap": cap}, **changes})


def test_it_stops_at_the_first_look_that_is_precise_enough(make_study: MakeStudy, tmp_path: Path) -> None:
    study = with_stop(make_study, 0.03, 400)
    results = run(study, tmp_path / "a")
    assert set(results.cells["done"]) <= set(look_sizes(study))
    assert results.cells["done"].iloc[0] > results.cells["done"].iloc[1] == 20  # 1/8 against 1/64 of the variance
    error = performance(results, ["bias"]).set_index("cell")["mcse"]
    for cell, replicates in zip(results.cells["cell"], results.cells["done"], strict=True):
        assert error[cell] <= 0.03
        earlier = [step for step in look_sizes(study) if step < replicates]
        if earlier:
            assert performance(results.prefix(cell, earlier[-1]), ["bias"])["mcse"].item() > 0.03


def test_the_cap_holds_and_can_be_raised(make_study: MakeStudy, same: Same, tmp_path: Path) -> None:
    capped = run(with_stop(make_study, 0.01, 45), tmp_path / "a")
    assert capped.cells["done"].tolist() == [45, 45] == capped.cells["wanted"].tolist()
    raised = run(with_stop(make_study, 0.01, 95), tmp_path / "a")
    assert raised.cells["done"].tolist() == [95, 95]
    same(raised, run(with_stop(make_study, 0.01, 95), tmp_path / "b"))
    with pytest.raises(InputError, match=r"stop\.cap is 95 there, 45 now"):
        run(with_stop(make_study, 0.01, 45), tmp_path / "a")
    with pytest.raises(InputError, match="may grow, not shrink"):
        run(with_stop(make_study, 0.02, 95), tmp_path / "a")


def test_workers_do_not_change_when_it_stops(make_study: MakeStudy, same: Same, tmp_path: Path) -> None:
    one, two = (run(with_stop(make_study, 0.03, 400), tmp_path / str(workers), workers=workers) for workers in (1, 2))
    same(one, two)
    assert one.cells["done"].tolist() == two.cells["done"].tolist()


def test_a_finer_aim_goes_on_from_what_is_there(make_study: MakeStudy, same: Same, tmp_path: Path) -> None:
    run(with_stop(make_study, 0.05, 400), tmp_path / "a")
    finer = run(with_stop(make_study, 0.03, 400), tmp_path / "a")
    same(finer, run(with_stop(make_study, 0.03, 400), tmp_path / "b"))
    before = finer.to_frame()
    again = run(with_stop(make_study, 0.03, 400), tmp_path / "a")
    assert len(again.to_frame()) == len(before)


def test_failures_stop_a_cell_that_is_not_precise(make_study: MakeStudy, tmp_path: Path) -> None:
    failing = {"generate": "simple_failing", "grid": {"mean": [0.0], "n": [8], "share": [0.5]}, "max_failures": 20}
    results = run(with_stop(make_study, 0.001, 4000, **failing), tmp_path / "a")
    assert results.cells["stopped"].tolist() == [True] and results.cells["attempted"].item() < 100


def test_more_replicates_than_the_cap_are_refused(make_study: MakeStudy, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="below 'replicates'"):
        run(with_stop(make_study, 0.01, 45), tmp_path / "a", replicates=50)
