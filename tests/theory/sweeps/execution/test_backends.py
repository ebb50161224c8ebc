"""Where blocks run, what cannot be sent there, and how runs are paced. (That all give the same numbers is in ``test_resume``.)"""

from __future__ import annotations

import io
import pickle
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from joblib._parallel_backends import ThreadingBackend

from see_in_pairs.errors import InputError
from see_in_pairs.processes import usable_cores
from theory.sweeps import Results, Study, generator, method, run
from theory.sweeps.execution.backends import Pool, check_backend
from theory.sweeps.execution.pickling import pickled
from theory.sweeps.execution.runner import Tasks
from theory.sweeps.execution.tasks import BlockEntry, Chunk, ChunkTask, work_of
from theory.sweeps.resolved import resolve
from theory.sweeps.scenarios import Cell

MakeStudy = Callable[..., Study]
Same = Callable[[Results, Results], None]


def test_what_cannot_be_pickled_is_one_line(tmp_path: Path) -> None:
    lock = threading.Lock()

    @generator("locked draws")
    def draw(*, rng: np.random.Generator, n: int) -> float:
        with lock:
            return rng.normal(size=n).mean()

    @method("locked draws as they are")
    def itself(data: float) -> dict[str, float]:
        return {"estimate": data}

    study = Study(name="lock", generate=draw, methods=[itself], grid={"n": [1, 2]}, replicates=3)
    with pytest.raises(InputError, match=r"generator 'locked draws' cannot be sent to a worker .*lock") as caught:
        run(study, tmp_path / "a", workers=2)
    assert "\n" not in str(caught.value)
    assert run(study, tmp_path / "a").cells["done"].tolist() == [3, 3]  # here nothing needs to be sent


def test_functions_of_a_script_reach_the_workers(same: Same, tmp_path: Path) -> None:
    shift = 3.0

    def draw(*, rng: np.random.Generator, n: int) -> np.ndarray:
        return rng.normal(shift, 1, n)

    def mean(data: np.ndarray) -> dict[str, float]:
        return {"estimate": data.mean()}

    study = Study(name="closure", generate=draw, methods=[mean], grid={"n": [2, 4]}, replicates=300)
    same(run(study, tmp_path / "a", workers=2), run(study, tmp_path / "b"))


UFUNC = """
from scipy.special import stdtrit
from theory.sweeps import generator, method

@generator("ufunc draws")
def draw(*, rng):
    return stdtrit(5.0, rng.random())

@method("ufunc as is")
def as_is(data):
    return dict(estimate=data)
"""


def test_a_file_that_imports_a_ufunc_reaches_the_workers(tmp_path: Path) -> None:
    """Pickle looks through all modules, in the order of import, for the home of a ufunc: that must not be a file which workers lack."""
    (tmp_path / "ufunc.py").write_text(UFUNC)
    plan = resolve(Study(name="u", pieces=[str(tmp_path / "ufunc.py")], generate="ufunc draws", methods=["ufunc as is"], cells=[{}]))
    for name in [name for name in sys.modules if name.startswith("scipy.special")]:
        sys.modules[name] = sys.modules.pop(name)  # as in a process that imports the file before scipy
    homes: list[str] = []

    class Reader(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> object:
            homes.append(module)
            return super().find_class(module, name)

    Reader(io.BytesIO(pickled(plan, work_of(plan)).content)).load()
    assert len(homes) > 5
    assert not any(home.startswith("sweep_pieces_") for home in homes)


@pytest.mark.parametrize(("backend", "module"), [("ray", "ray"), ("dask", "dask.distributed")])
def test_a_backend_that_is_not_installed_is_one_line(
    make_study: MakeStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=rf"--backend {backend}: is not installed; install it with: pip install"):
        run(make_study(), tmp_path / "a", backend=backend)


def test_a_backend_that_gives_nothing_before_all_is_done(make_study: MakeStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray's: tasks go out a few at a time."""
    asked = []

    def tasks(cells: list[Cell]) -> Iterator[ChunkTask]:
        for number, cell in enumerate(cells * 4):
            asked.append(number)
            yield ChunkTask(cell, ((number // 2, 10),))

    monkeypatch.setattr(ThreadingBackend, "supports_return_generator", False)
    plan = resolve(make_study())
    pool = Pool(plan, "threading", 2, pickled(plan, work_of(plan)))
    made = pool.run(tasks(plan.study.all_cells))
    first = next(made)
    assert asked == [0, 1, 2, 3]
    entries = [chunk.entries[0][:3] for chunk in [first, *made] if isinstance(chunk, Chunk)]
    assert sorted(entries) == sorted((cell.hash, block, 10) for cell in plan.study.all_cells for block in range(4))


def test_a_scheduler_that_does_not_answer_is_one_line(make_study: MakeStudy, tmp_path: Path) -> None:
    dask = pytest.importorskip("dask", reason="needs dask[distributed]")
    pytest.importorskip("dask.distributed", reason="needs dask[distributed]")
    settings = {"scheduler-address": "tcp://127.0.0.1:1", "distributed.comm.timeouts.connect": "200ms"}
    with dask.config.set(settings), pytest.raises(InputError, match=r"no scheduler answers at tcp://127\.0\.0\.1:1"):
        run(make_study(), tmp_path / "a", backend="dask")


def test_workers_and_backends_are_checked() -> None:
    assert check_backend("loky", -1) == usable_cores() >= 1
    for backend, workers in [("slurm", 1), ("loky", 0), ("loky", -2)]:
        with pytest.raises(InputError):
            check_backend(backend, workers)


def test_tasks_are_as_long_as_a_fifth_of_a_second() -> None:
    cell, other = Cell("a" * 16, {}), Cell("b" * 16, {})
    tasks = Tasks({cell: [(number, 10) for number in range(100)], other: [(0, 10)]}, workers=2, most=50)
    made = iter(tasks)
    assert next(made).blocks == ((0, 10),)  # nothing is known yet
    tasks.note_duration(Chunk([BlockEntry(cell.hash, 0, 10, 0, 0.02)], table=None))
    assert next(made).blocks == tuple((number, 10) for number in range(1, 11))
    tasks.note_duration(Chunk([BlockEntry(cell.hash, 1, 10, 0, 5.0)], table=None))
    assert next(made).blocks == ((11, 10),)
    rest: list[ChunkTask] = list(made)
    assert [number for task in rest if task.cell is cell for number, _ in task.blocks] == list(range(12, 100))
    assert rest[-1] == ChunkTask(other, ((0, 10),))
