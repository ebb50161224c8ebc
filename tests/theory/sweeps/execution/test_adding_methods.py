"""Methods that are added to a folder with results: they run on the replicates that are there, and leave the others' results as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from see_in_pairs.errors import InputError
from see_in_pairs.files import read_json
from theory.sweeps import Results, Study, run
from theory.sweeps.execution.runner import Tasks
from theory.sweeps.registry import register
from theory.sweeps.storage import writer
from theory.sweeps.storage.writer import BlockWriter

calls: list[str] = []


def draws(*, rng, n):
    value = rng.normal(size=n)
    if value[0] > 1.3:
        raise ValueError("too large")
    return value


def mean(data):
    calls.append("mean")
    return {"estimate": data.mean(), "se": data.std()}


def median(data):
    calls.append("median")
    return {"estimate": float(np.median(data))}


def drawn(data, *, rng):
    """A method with a stream of its own, that fails now and then, and gives a result that no other has."""
    calls.append("drawn")
    if data[0] < -1:
        raise ZeroDivisionError("too small")
    return {"estimate": rng.random(), "draw": rng.random()}


def vectors(*, rng, replicates, n):
    return rng.normal(size=(replicates, n))


def row_means(data):
    return {"estimate": data.mean(axis=1)}


def row_maxima(data, *, rng):
    return {"estimate": data.max(axis=1) + rng.random(len(data))}


def design(*methods, **changes) -> Study:
    base = {
        "name": "growing",
        "generate": draws,
        "methods": list(methods),
        "estimand": 0.0,
        "grid": {"n": [3, 4]},
        "replicates": 47,
        "block": 10,
    }
    return Study(**(base | changes))


def same(one: Results, other: Results) -> None:
    pd.testing.assert_frame_equal(by_method(one), by_method(other), check_exact=True)
    pd.testing.assert_frame_equal(one.cells, other.cells)
    columns = ["cell", "block", "replicate", "method", "error", "message"]
    pd.testing.assert_frame_equal(*(found.failures()[columns].sort_values(columns, ignore_index=True) for found in (one, other)))


def by_method(results: Results) -> pd.DataFrame:
    return results.to_frame().sort_values(["cell", "method", "replicate"], ignore_index=True).sort_index(axis=1)


@pytest.mark.parametrize("order", [(mean, drawn), (drawn, mean)], ids=["behind", "before"])
def test_an_added_method_runs_alone_and_gives_what_it_gives_from_the_start(tmp_path: Path, order) -> None:
    before = run(design(mean), tmp_path / "a")
    calls.clear()
    after = run(design(*order), tmp_path / "a")
    assert set(calls) == {"drawn"}
    old = by_method(after).query("method == 'mean'")[by_method(before).columns].reset_index(drop=True)
    pd.testing.assert_frame_equal(old, by_method(before), check_exact=True)
    same(after, run(design(mean, drawn), tmp_path / "b"))
    assert after.cells["failed"].sum() > before.cells["failed"].sum() > 0
    calls.clear()
    run(design(*order), tmp_path / "a")
    assert not calls and read_json(tmp_path / "a" / "manifest.json")["methods_added"] == [["drawn"]]


def test_methods_are_added_twice_and_replicates_beside_them(tmp_path: Path) -> None:
    run(design(mean), tmp_path / "a")
    run(design(mean, median), tmp_path / "a")
    grown = design(mean, median, drawn, grid={"n": [3, 4, 5]}, replicates=95)
    same(run(grown, tmp_path / "a"), run(grown, tmp_path / "b"))


def test_vectorised_methods_are_added_to_short_blocks_too(tmp_path: Path) -> None:
    for function in (row_means, row_maxima):
        register("method", function.__name__, function, vectorised=True)
    register("generator", "vectors", vectors, vectorised=True)
    first = run(design("row_means", generate="vectors"), tmp_path / "a")
    after = run(design("row_means", "row_maxima", median, generate="vectors"), tmp_path / "a")
    same(after, run(design("row_means", "row_maxima", median, generate="vectors"), tmp_path / "b"))
    assert len(after.to_frame()) == 3 * len(first.to_frame()) == 3 * 94


class Killed(BaseException):
    """As a signal: no handler of errors catches it."""


def test_a_kill_while_methods_are_added_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    same_as = run(design(mean, median, drawn), tmp_path / "b")
    run(design(mean), tmp_path / "a")
    for study, most in ((design(mean, median), 3), (design(mean, median, drawn), 5)):
        begun: list[int] = []

        def interrupted(self, chunk, add=BlockWriter.add, begun=begun, most=most):
            begun.append(1)
            if len(begun) == most:
                raise Killed
            add(self, chunk)
            self.flush()

        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(BlockWriter, "add", interrupted)
            patch.setattr(Tasks, "_how_many", lambda *_: 1)
            run(study, tmp_path / "a")
        unfinished = Results.open(tmp_path / "a")
        assert unfinished.cells["attempted"].sum() < 94  # a block counts when all methods have run in it
        assert set(unfinished.to_frame().groupby(["cell", "replicate"]).size().value_counts().index) <= {1, 2, 3}
    same(run(design(mean, median, drawn), tmp_path / "a"), same_as)


def test_merged_files_keep_blocks_that_lack_methods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(design(mean), tmp_path / "a")
    monkeypatch.setattr(writer, "MERGE", 2)
    monkeypatch.setattr(Tasks, "_how_many", lambda *_: 1)
    add = BlockWriter.add
    monkeypatch.setattr(BlockWriter, "add", lambda self, chunk: (add(self, chunk), self.flush()))
    same(run(design(mean, drawn), tmp_path / "a"), run(design(mean, drawn), tmp_path / "b"))


def test_an_added_method_is_to_be_as_precise_as_the_others(tmp_path: Path) -> None:
    stop = {"measure": "bias", "mcse": 0.12, "cap": 400}
    before = run(design(mean, stop=stop, replicates=20), tmp_path / "a")
    after = run(design(mean, median, stop=stop, replicates=20), tmp_path / "a")
    same(after, run(design(mean, median, stop=stop, replicates=20), tmp_path / "b"))
    assert after.cells["attempted"].sum() > before.cells["attempted"].sum()


@pytest.mark.parametrize(
    "changed",
    [
        lambda: design(median),
        lambda: design({"name": "mean", "use": "other"}, median),
        lambda: design(mean, median, block=5),
        lambda: design(mean, median, entropy=1),
        lambda: design(mean, median, estimand=1.0),
    ],
    ids=["one taken away", "one changed", "block", "entropy", "estimand"],
)
def test_nothing_else_may_change_with_it(tmp_path: Path, changed) -> None:
    register("method", "other", lambda data: {"estimate": 0.0})
    before = run(design(mean), tmp_path / "a").to_frame()
    with pytest.raises(InputError, match="holds the run of another config"):
        run(changed(), tmp_path / "a")
    pd.testing.assert_frame_equal(run(design(mean), tmp_path / "a").to_frame(), before)


def test_workers_add_methods_too(tmp_path: Path) -> None:
    run(design(mean), tmp_path / "a")
    same(run(design(mean, drawn), tmp_path / "a", workers=2), run(design(mean, drawn), tmp_path / "b"))
