"""Serial = two workers = shuffled cells = killed and resumed = Dask, bit for bit; and what a kill costs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from see_in_pairs.errors import InputError
from theory.sweeps import Results, Study, registry, run
from theory.sweeps.storage.folder import locked

MakeStudy = Callable[..., Study]
Same = Callable[[Results, Results], None]

PAUSE, BLOCK, REPLICATES = 0.01, 2, 140
GRID = {"mean": [0, 0.5]}


def study_for(folder: Path) -> dict[str, Any]:
    """Blocks of 20 ms, and a log outside the engine of the time at which each replicate was finished."""
    methods = ["simple_mean", "simple_jitter", {"name": "log", "use": "simple_log", "log": str(folder / "log")}]
    return {"fixed": {"n": 8, "pause": PAUSE}, "grid": GRID, "replicates": REPLICATES, "block": BLOCK, "methods": methods}


@contextmanager
def running(config: Path, out: Path, workers: int) -> Iterator[subprocess.Popen[bytes]]:
    words = ["sweep", str(config), "--out", str(out), "--workers", str(workers), "--quiet"]
    process = subprocess.Popen([sys.executable, "-m", "paper_figures.cli", *words], start_new_session=True)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def finished(log: Path) -> list[float]:
    return [float(line) for line in log.read_text().split()] if log.exists() else []


def kill_after(config: Path, out: Path, log: Path, workers: int, seconds: float) -> tuple[float, int]:
    """Kill a run some time after its first replicate; tell when, and how many replicates were finished before it began."""
    before = len(finished(log))
    with running(config, out, workers) as process:
        while len(finished(log)) == before:
            assert process.poll() is None
            time.sleep(0.01)
        time.sleep(seconds)
        os.kill(process.pid, signal.SIGKILL)
        killed = time.time()
        process.wait()
        assert gone(process.pid)
        return killed, before


def gone(group: int) -> bool:
    """Tell whether a killed process has left no worker behind, some seconds later."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def stored(out: Path) -> int:
    """Replicates that the index has, whether or not an earlier block is missing yet."""
    return sum(location.entry.attempted for blocks in Results.open(out).block_index.values() for location in blocks.values())


@pytest.fixture(scope="module")
def serial(make_study: MakeStudy, tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, Path]:
    folder = tmp_path_factory.mktemp("serial")
    return run(make_study(**study_for(folder)), folder / "out"), folder


def test_killed_and_resumed_is_as_if_nothing_had_happened(
    serial: tuple[Results, Path], same: Same, write_study: Callable[..., Path], make_study: MakeStudy, tmp_path: Path
) -> None:
    config, out, log = write_study(**study_for(tmp_path)), tmp_path / "out", tmp_path / "log"
    already = 0
    for workers, seconds in [(1, 1.5), (2, 0.4)]:
        killed, before = kill_after(config, out, log, workers, seconds)
        in_time = sum(moment < killed - 1 for moment in finished(log)[before:])
        whole = max(in_time - workers * (BLOCK - 1), 0)
        assert (in_time > 20) == (workers == 1)  # else the test would show nothing
        assert already + whole <= stored(out) < 2 * REPLICATES
        already = stored(out)
    assert already == len(Results.open(out).to_frame().query("method == 'log'")) or Results.open(out).cells["done"].sum() < already
    resumed = run(make_study(**{**study_for(tmp_path), "grid": {"mean": [0.5, 0]}}), out)
    same(resumed, serial[0])
    assert resumed.cells["done"].tolist() == [REPLICATES] * 2
    rerun = len(finished(log)) - 2 * REPLICATES
    assert 0 <= rerun <= 1.5 / PAUSE + 2 * 1.5 / PAUSE  # what the two kills cost: a second for each worker, and what was under way


def test_two_workers_are_one(serial: tuple[Results, Path], same: Same, make_study: MakeStudy, tmp_path: Path) -> None:
    study = make_study(**{**study_for(tmp_path), "grid": {"mean": [0.5, 0]}})
    same(run(study, tmp_path / "out", workers=2), serial[0])


def test_dask_is_one(serial: tuple[Results, Path], same: Same, make_study: MakeStudy, tmp_path: Path) -> None:
    distributed = pytest.importorskip("dask.distributed", reason="needs dask[distributed]")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        study = make_study(**study_for(tmp_path))
        assert len(client.scheduler_info()["workers"]) == 2
        same(run(study, tmp_path / "out", backend="dask"), serial[0])
        names = set(client.run(os.getpid))
    assert len(names) == 2


def test_a_finished_sweep_runs_nothing(serial: tuple[Results, Path], make_study: MakeStudy) -> None:
    results, folder = serial
    before = len(finished(folder / "log"))
    run(make_study(**study_for(folder)), folder / "out", workers=2)
    assert len(finished(folder / "log")) == before == results.cells["done"].sum()


def test_one_process_at_a_time(make_study: MakeStudy, tmp_path: Path) -> None:
    with locked(tmp_path / "a"), pytest.raises(InputError, match="another process is running"):
        run(make_study(), tmp_path / "a")


def test_a_design_may_grow(make_study: MakeStudy, same: Same, tmp_path: Path) -> None:
    run(make_study(), tmp_path / "a")
    larger = {"grid": {"mean": [1, 0.5, 0], "n": [8, 4]}, "fixed": None, "replicates": 33, "aims": "more", "max_failures": 7}
    same(run(make_study(**larger), tmp_path / "a"), run(make_study(**larger), tmp_path / "b"))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"grid": {"mean": [0, 0.6]}}, r"cells that this design has not: \(n=8, mean=0.5\)"),
        ({"fixed": {"n": 9}}, "cells that this design has not"),
        ({"block": 5}, "config.block: 10 there, 5 now"),
        ({"entropy": 8}, "seed: 7 there, 8 now"),
        ({"methods": ["simple_mean"]}, "methods.simple_trimmed"),
        ({"methods": ["simple_mean", {"name": "simple_trimmed", "use": "simple_trimmed", "trim": 2}]}, "trim: None there, 2 now"),
        ({"generate": "simple_failing", "fixed": {"n": 8, "share": 0}}, "generate: 'simple_normal' there, 'simple_failing' now"),
        ({"estimand": 0}, "estimand"),
        ({"name": "other"}, "config.study: 'simple' there, 'other' now"),
        ({"replicates": 20}, "replicates is 25 there, 20 now"),
    ],
)  # fmt: skip
def test_a_changed_design_is_refused_with_what_differs(make_study: MakeStudy, tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    before = run(make_study(), tmp_path / "a").to_frame()
    kept = (tmp_path / "a" / "study.yaml").read_text()
    with pytest.raises(InputError, match=says):
        run(make_study(**changes), tmp_path / "a")
    assert (tmp_path / "a" / "study.yaml").read_text() == kept
    pd.testing.assert_frame_equal(Results.open(tmp_path / "a").to_frame(), before, check_exact=True)


@pytest.mark.parametrize(("code", "refused"), [("data", False), ("data  # as before", False), ("data + 1", True)])
def test_changed_code_is_a_changed_design(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, refused: bool) -> None:
    def with_code(text: str) -> Study:
        monkeypatch.setattr(registry, "_REGISTRY", {})
        file = tmp_path / f"pieces{len(list(tmp_path.iterdir()))}.py"  # a file is imported once in a process
        file.write_text(CODE.replace("RESULT", text))
        return Study(name="code", pieces=[str(file)], generate="code_draw", methods=["code_same"], cells=[{}], replicates=5)

    run(with_code("data"), tmp_path / "out")
    with pytest.raises(InputError, match=r"config.code.code_same") if refused else nullcontext():
        run(with_code(code), tmp_path / "out")


CODE = """
from theory.sweeps import generator, method

@generator("code_draw")
def draw(*, rng):
    return rng.random()

@method("code_same")
def same(data):
    return dict(estimate=(
        RESULT
    ))
"""


def test_a_folder_of_something_else_is_refused(make_study: MakeStudy, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "thesis.tex").touch()
    with pytest.raises(InputError, match="not a sweep"):
        run(make_study(), tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "study.yaml").write_text("a user's own")
    with pytest.raises(InputError, match="not a sweep"):
        run(make_study(), tmp_path / "b")
    assert (tmp_path / "b" / "study.yaml").read_text() == "a user's own"
    with pytest.raises(InputError, match="is a file"):
        run(make_study(), tmp_path / "a" / "thesis.tex")
