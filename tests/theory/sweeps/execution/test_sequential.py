"""Run until precise enough: the same replicates whoever ran them, and never more than the cap."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from see_in_pairs.errors import InputError
from theory.sweeps import Results, Study, run
from theory.sweeps.execution.stopping import targets_of
from theory.sweeps.performance.table import performance

MakeStudy = Callable[..., Study]
Same = Callable[[Results, Results], None]

PRECISE: dict[str, Any] = {"grid": {"mean": [0.0], "n": [8, 64]}, "fixed": None, "replicates": 20, "methods": ["simple_mean"]}


def with_stop(make_study: MakeStudy, mcse: float, cap: int, **changes: Any) -> Study:
    return make_study(**{**PRECISE, "stop": {"measure": "bias", "mcse": mcse, "cap": cap}, **changes})


def test_it_stops_at_the_first_look_that_is_precise_enough(make_study: MakeStudy, tmp_path: Path) -> None:
    study = with_stop(make_study, 0.03, 400)
    results = run(study, tmp_path / "a")
    assert set(results.cells["done"]) <= set(targets_of(study))
    assert results.cells["done"].iloc[0] > results.cells["done"].iloc[1] == 20  # 1/8 against 1/64 of the variance
    error = performance(results, ["bias"]).set_index("cell")["mcse"]
    for cell, replicates in zip(results.cells["cell"], results.cells["done"], strict=True):
        assert error[cell] <= 0.03
        earlier = [step for step in targets_of(study) if step < replicates]
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
