"""What raises, takes too long, takes too much memory or kills its worker: caught, counted, kept, replayed."""

from __future__ import annotations

import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from see_in_pairs.errors import InputError
from see_in_pairs.files import read_json
from see_in_pairs.limits import TimeLimit
from theory.sweeps import Results, Study, run
from theory.sweeps.cli import format_status
from theory.sweeps.execution.limits import limited
from theory.sweeps.execution.replay import replay
from theory.sweeps.study import BlockLimits

MakeStudy = Callable[..., Study]
Same = Callable[[Results, Results], None]


def test_without_failures_the_list_is_empty(make_study: MakeStudy, tmp_path: Path) -> None:
    failures = run(make_study(), tmp_path / "a").failures()
    assert failures.empty and {"cell", "block", "replicate", "method", "replicates", "error", "message", "trace", "key"} == set(failures)


def test_failed_replicates_are_kept_with_their_stream(make_study: MakeStudy, tmp_path: Path) -> None:
    study = make_study(generate="simple_failing", fixed={"n": 8, "share": 0.2})
    results = run(study, tmp_path / "a")
    failures, cells = results.failures(), results.cells
    assert 0 < len(failures) == cells["failed"].sum()
    assert (cells["done"] + cells["failed"] == 25).all() and (cells["attempted"] == 25).all()
    for row in failures.itertuples():
        assert np.random.default_rng(np.random.SeedSequence(7, spawn_key=row.key)).random() < 0.2
        assert row.error == "ValueError" and "drew badly" in row.message and "simple_pieces.py" in row.trace and "block.py" not in row.trace
    completed = results.to_frame().groupby(["cell", "method"]).size()
    assert sorted(completed.unique()) == sorted(cells["done"].unique())


def test_a_method_that_fails_leaves_the_others_their_results(make_study: MakeStudy, tmp_path: Path) -> None:
    results = run(make_study(methods=["simple_mean", "simple_picky"]), tmp_path / "a")
    frame = results.to_frame().set_index(["cell", "replicate"])
    means = frame.query("method == 'simple_mean'")["estimate"]
    picky = frame.query("method == 'simple_picky'")["estimate"]
    pd.testing.assert_series_equal(picky, means[means >= 0], check_exact=True)
    assert results.cells["failed"].sum() == (means < 0).sum() == len(results.failures())


def test_a_failure_can_be_replayed_alone(make_study: MakeStudy, tmp_path: Path) -> None:
    results = run(make_study(methods=["simple_mean", "simple_picky"]), tmp_path / "a")
    failure = results.failures().iloc[0]
    again = replay(results, failure["cell"], failure["replicate"])
    assert [(f.method, f.message, f.key) for f in again.failures] == [("simple_picky", "below zero", tuple(failure["key"]))]
    with pytest.raises(ArithmeticError, match="below zero"):
        replay(results, failure["cell"][:6], failure["replicate"], catch=False)
    with pytest.raises(InputError, match="no cell begins with this"):
        replay(results, "zz", 0)


@pytest.mark.parametrize("vectorised", [False, True])
def test_a_replayed_replicate_gives_what_it_gave(make_study: MakeStudy, tmp_path: Path, vectorised: bool) -> None:
    use = {"generate": "simple_block", "methods": ["simple_block_mean", "simple_mean"]} if vectorised else {}
    results = run(make_study(**use), tmp_path / "a")
    cell = results.study.all_cells[1].hash
    stored = results.to_frame().query("cell == @cell and replicate == 17")["estimate"].tolist()
    assert [columns["estimate"][0] for _, _, columns in replay(results, cell, 17).rows] == stored


def test_too_many_failures_stop_the_cell_and_not_the_study(make_study: MakeStudy, same: Same, tmp_path: Path) -> None:
    cells = [{"mean": 0, "share": 1.0}, {"mean": 0, "share": 0.0}]
    study = make_study(generate="simple_failing", grid=None, cells=cells, replicates=95, max_failures=14)
    alone = run(study, tmp_path / "a")
    assert alone.cells[["attempted", "done", "failed", "stopped"]].values.tolist() == [[20, 0, 20, True], [95, 95, 0, False]]
    same(alone, run(study, tmp_path / "b", workers=2))  # blocks that another worker had begun by then do not count
    assert Results.open(tmp_path / "b").cells["failed"].tolist() == [20, 0]
    more = run(study.model_copy(update={"max_failures": 1000}), tmp_path / "a")
    assert more.cells["attempted"].tolist() == [95, 95] and len(more.failures()) == 95


def test_a_block_of_failures_is_not_carried_on(make_study: MakeStudy, tmp_path: Path) -> None:
    study = make_study(generate="simple_failing", fixed={"n": 8, "share": 1.0}, block=1000, replicates=1000, max_failures=3)
    results = run(study, tmp_path / "a")
    assert results.cells["failed"].tolist() == [4, 4] and len(results.failures()) == 8
    assert run(study.model_copy(update={"max_failures": 6}), tmp_path / "a").cells["failed"].tolist() == [7, 7]


def test_vectorised_pieces_fail_as_a_block(make_study: MakeStudy, tmp_path: Path) -> None:
    study = make_study(generate="simple_block", methods=["simple_block_mean", "simple_block_wrong"])
    results = run(study, tmp_path / "a")
    assert results.cells["failed"].tolist() == [25, 25]
    assert set(results.failures()["replicates"]) == {5, 10} and set(results.failures()["replicate"]) == {-1}
    assert "shape" in results.failures()["message"][0]
    assert (results.to_frame().groupby("cell").size() == 25).all()  # the other method keeps its results


def test_a_generator_that_returns_nothing_is_one_line(make_study: MakeStudy, tmp_path: Path) -> None:
    study = make_study(generate="simple_nothing", fixed={"n": 4}, grid={"mean": [1]}, methods=["simple_mean"])
    with pytest.raises(InputError, match=r"generator 'simple_nothing' returned nothing .* must return the data"):
        run(study, tmp_path / "a")


def test_a_block_that_takes_too_long_is_a_failure(make_study: MakeStudy, tmp_path: Path) -> None:
    cells = [{"n": 5, "seconds": 0.0}, {"n": 5, "seconds": 0.2}]
    use = {"generate": "simple_slow", "estimand": None, "fixed": None, "grid": None, "cells": cells, "block": 2, "replicates": 4}
    study = make_study(**use, limits={"seconds": 0.1}, max_failures=1)
    results = run(study, tmp_path / "a")
    assert results.cells[["done", "failed"]].values.tolist() == [[4, 0], [0, 2]]
    assert results.failures()["error"].tolist() == ["TimeLimit"]
    higher = run(make_study(**use, limits={"seconds": 30}, max_failures=1), tmp_path / "a")  # tried again, since the limit is another
    assert higher.cells[["done", "failed"]].values.tolist() == [[4, 0], [4, 0]]
    assert higher.failures().empty


def test_a_limit_of_time_holds_outside_the_main_thread_too() -> None:
    """A worker of Dask runs blocks in another thread, which gets no signals."""
    ended: list[str] = []

    def work(seconds: float) -> None:
        try:
            with limited(BlockLimits(seconds=0.1)):
                until = time.monotonic() + seconds
                while time.monotonic() < until:
                    pass
        except TimeLimit:
            ended.append("limit")
        else:
            ended.append("done")
        time.sleep(0.15)  # a limit that came too late would be raised here

    for seconds in (5.0, 0.01):
        thread = threading.Thread(target=work, args=(seconds,))
        thread.start()
        thread.join(10)
    assert ended == ["limit", "done"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is limited on Linux only")
def test_a_block_that_takes_too_much_memory_is_a_failure(make_study: MakeStudy, tmp_path: Path) -> None:
    cells = [{"n": 5, "megabytes": 1}, {"n": 5, "megabytes": 4000}]
    use = {"generate": "simple_hungry", "estimand": None, "fixed": None, "grid": None, "cells": cells, "block": 2, "replicates": 2}
    results = run(make_study(**use, limits={"megabytes": 500}), tmp_path / "a")
    assert results.cells[["done", "failed"]].values.tolist() == [[2, 0], [0, 2]]
    assert all(error.endswith("MemoryError") for error in results.failures()["error"])


def test_a_dead_worker_costs_its_block_alone(make_study: MakeStudy, same: Same, tmp_path: Path) -> None:
    lives = tmp_path / "lives"
    study = make_study(generate="simple_deadly", fixed={"n": 8, "lives": str(lives)}, grid={"mean": [0]}, replicates=60, max_failures=60)
    results = run(study, tmp_path / "a", workers=2)
    failures = results.failures()
    assert len(failures) and set(failures["error"]) == {"WorkerDied"} and set(failures["replicates"]) == {10}
    assert (results.cells["done"] + results.cells["failed"] == 60).all()
    lives.touch()
    mended = run(study, tmp_path / "a")  # tried again, since the machine may be at fault
    assert mended.failures().empty
    same(mended, run(study, tmp_path / "b"))


@pytest.mark.parametrize("workers", [1, 2])
def test_warnings_are_counted_by_cell(tmp_path: Path, workers: int, recwarn: pytest.WarningsRecorder) -> None:
    study = Study(
        name="warns", generate=_draw, methods=[_warns], fixed={"n": 1}, grid={"often": [0, 1, 3]}, replicates=25, block=10, entropy=1
    )
    results = run(study, tmp_path / "a", workers=workers)
    first, second, third = (cell.hash for cell in study.all_cells)
    assert results.warnings == {second: 25, third: 75} and first not in results.warnings
    assert "100 warnings were raised: 25 in cell" in format_status(results)
    assert read_json(tmp_path / "a" / "manifest.json")["counts"]["warnings"] == 100
    assert run(study.with_replicates(30), tmp_path / "a").warnings == {second: 30, third: 90}
    assert len(recwarn) <= 3  # each is shown once, and counted as often as it is raised


def test_a_filter_that_makes_errors_of_warnings_is_left_alone(tmp_path: Path) -> None:
    study = Study(name="warns", generate=_draw, methods=[_warns], fixed={"n": 1, "often": 1}, replicates=5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        results = run(study, tmp_path / "a")
    assert results.cells["failed"].item() == 5 and results.warnings == {}


def _draw(*, rng: np.random.Generator, n: int) -> float:
    return float(rng.normal())


def _warns(data: float, *, often: int) -> dict[str, float]:
    for number in range(often):
        warnings.warn(f"odd {number} {data}", RuntimeWarning, stacklevel=1)
    return {"estimate": data}
