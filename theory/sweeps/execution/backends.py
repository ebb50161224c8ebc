"""Where blocks run: here, in processes of this machine (loky), or on a cluster through joblib (Dask, Ray)."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from see_in_pairs.errors import InputError
from theory.sweeps.execution.chunk import Chunk, ChunkTask, died, run_remotely, run_task, work_of
from theory.sweeps.execution.pickling import SharedPayload, pickled
from theory.sweeps.resolved import ResolvedStudy

BACKENDS = ("loky", "dask", "ray")


@dataclass
class Pool:
    """Workers that stay for a whole study."""

    plan: ResolvedStudy
    backend: str
    workers: int  # how many at a time
    sent: SharedPayload | None = None  # what all cells share, pickled; None where everything runs in this process
    _out: dict[ChunkTask, None] = field(default_factory=dict)

    def run(self, tasks: Iterable[ChunkTask]) -> Generator[Chunk | str, None, None]:
        """Run tasks, giving each result as soon as it is there.

        Returns in the order in which they finish; a text where a piece is at fault as a whole.
        """
        if self.sent is None:
            common = work_of(self.plan)
            yield from (run_task(common, task) for task in tasks)
            return
        waiting = self._note(tasks)
        while True:
            try:
                yield from self._together(waiting)
                return
            except Exception as error:
                _refuse_what_cannot_be_imported(error)
                if not _says_a_worker_died(error):
                    raise
                if self.backend != "loky":
                    raise InputError(
                        f"--backend {self.backend}: a worker died ({error}); what is finished is kept: run the same command again"
                    ) from None
            yield from self._one_by_one()

    def _note(self, tasks: Iterable[ChunkTask]) -> Iterator[ChunkTask]:
        """Note what is sent out, to know what a dead worker had."""
        for task in tasks:
            self._out[task] = None
            yield task

    def _together(self, tasks: Iterator[ChunkTask]) -> Iterator[Chunk | str]:
        import joblib

        assert self.sent is not None
        options: dict[str, Any] = {"inner_max_num_threads": 1} if self.backend == "loky" else {}
        with joblib.parallel_config(backend=self.backend, n_jobs=self.workers, **options):
            calls = (joblib.delayed(_with_its_task)(self.sent, task) for task in tasks)
            for task, result in self._as_they_finish(calls):
                self._out.pop(task)
                yield result

    def _as_they_finish(self, calls: Iterator[Any]) -> Iterator[tuple[ChunkTask, Chunk | str]]:
        import joblib
        from joblib.parallel import get_active_backend

        if getattr(get_active_backend()[0], "supports_return_generator", False):
            yield from joblib.Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch="2*n_jobs")(calls)
            return
        with joblib.Parallel(batch_size=1) as parallel:  # Ray: a few at a time, since it gives nothing before all are done
            while some := list(itertools.islice(calls, 2 * self.workers)):
                yield from parallel(some)

    def _one_by_one(self) -> Iterator[Chunk | str]:
        """Run what was out when a worker died, block by block, each in a process that may die alone."""
        from joblib.externals.loky import ProcessPoolExecutor

        assert self.sent is not None
        for task in list(self._out):
            for block in task.blocks:
                single = ChunkTask(task.cell, (block,))
                with ProcessPoolExecutor(max_workers=1) as alone:
                    try:
                        yield alone.submit(run_remotely, self.sent, single).result()
                    except Exception as error:
                        if not _says_a_worker_died(error):
                            raise
                        yield died(work_of(self.plan, task.cell), single)
            self._out.pop(task)


def _with_its_task(common: SharedPayload, task: ChunkTask) -> tuple[ChunkTask, Chunk | str]:
    return task, run_remotely(common, task)


def _says_a_worker_died(error: Exception) -> bool:
    return any(kind.__name__ in ("TerminatedWorkerError", "KilledWorker", "WorkerCrashedError") for kind in type(error).__mro__)


def _refuse_what_cannot_be_imported(error: Exception) -> None:
    if isinstance(error, ImportError) or "un-serialize" in str(error):
        reason = str(error.__cause__ or error).strip('" \n').splitlines()[-1]
        raise InputError(f"a worker cannot import a piece ({reason}); install its module there, or name the file under 'pieces'") from None


@contextlib.contextmanager
def open_pool(plan: ResolvedStudy, workers: int, backend: str) -> Iterator[Pool]:
    """Make workers ready."""
    workers = check_backend(backend, workers)
    if backend == "loky" and workers == 1:
        yield Pool(plan, backend, 1)
        return
    sent = pickled(plan, work_of(plan), parent=os.getpid() if backend == "loky" else None)
    if backend == "loky":
        yield Pool(plan, backend, workers, sent)
        return
    with _dask(workers) if backend == "dask" else _ray(workers) as there:
        yield Pool(plan, backend, there, sent)


def check_backend(backend: str, workers: int) -> int:
    """Check a backend and the number of workers."""
    if backend not in BACKENDS:
        raise InputError(f"--backend {backend}: choose one of {', '.join(BACKENDS)}")
    if workers == 0 or workers < -1:
        raise InputError(f"--workers {workers}: give 1 or more, or -1 for one per usable core")
    return usable_cores() if workers == -1 else workers


def usable_cores() -> int:
    """Count the cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def _dask(workers: int) -> Iterator[int]:
    """Use the client of this process, else the scheduler that Dask's configuration names, else a cluster on this machine."""
    try:
        import dask
        from dask.distributed import Client, LocalCluster, default_client
    except ImportError:
        raise InputError("--backend dask: is not installed; install it with: pip install 'dask[distributed]'") from None
    with contextlib.ExitStack() as stack:
        try:
            client = default_client()
        except ValueError:  # there is none
            address = dask.config.get("scheduler-address", None)
            if address is None:
                options = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None}
                address = stack.enter_context(LocalCluster(**options))
            client = stack.enter_context(_connected(Client, address))
        yield max(sum(client.nthreads().values()), 1)


@contextlib.contextmanager
def _connected(client: Any, address: Any) -> Iterator[Any]:
    try:
        connected = client(address)
    except OSError as error:
        raise InputError(f"--backend dask: no scheduler answers at {address} ({error})") from None
    with connected:
        yield connected


@contextlib.contextmanager
def _ray(workers: int) -> Iterator[int]:
    """Use the cluster that RAY_ADDRESS names or this process is connected to, else one on this machine."""
    try:
        import ray  # type: ignore[import-not-found]
        from ray.util.joblib import register_ray  # type: ignore[import-not-found]
    except ImportError:
        raise InputError("--backend ray: is not installed; install it with: pip install ray") from None
    register_ray()
    connected, address = ray.is_initialized(), os.environ.get("RAY_ADDRESS")
    if not connected:
        ray.init(address=address, log_to_driver=False, **({} if address else {"num_cpus": workers}))
    try:
        yield max(int(ray.cluster_resources().get("CPU", 1)), 1)
    finally:
        if not connected:
            ray.shutdown()
