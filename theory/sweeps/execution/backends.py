"""Where blocks run: in this process, in processes of this machine (loky), or on a cluster through joblib (Dask, Ray)."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from see_in_pairs.errors import InputError, did_you_mean
from see_in_pairs.processes import interrupts_deferred, usable_cores
from theory.sweeps.execution.pickling import SharedPayload, pickled
from theory.sweeps.execution.tasks import Chunk, ChunkTask, chunk_of_dead_worker, run_remotely, run_task, work_of
from theory.sweeps.resolved import ResolvedStudy

BACKENDS = ("loky", "dask", "ray")


@dataclass
class Pool:
    """Workers that stay for a whole study, and the tasks they are running."""

    resolved: ResolvedStudy
    backend: str
    workers: int  # number of parallel workers
    payload: SharedPayload | None = None  # the shared data of all cells, pickled; None where everything runs in this process
    _in_flight: dict[ChunkTask, None] = field(default_factory=dict)  # ordered, unlike a set

    def run(self, tasks: Iterable[ChunkTask]) -> Generator[Chunk | str, None, None]:
        """Yield results in the order in which tasks finish; a message instead of results where a piece itself is wrong."""
        if self.payload is None:
            common = work_of(self.resolved)
            yield from (run_task(common, task) for task in tasks)
            return
        tracked = self._track(tasks)
        while True:
            try:
                yield from self._run_parallel(tracked)
                return
            except Exception as error:
                _raise_if_import_failed(error)
                if not _is_worker_death(error):
                    raise
                if self.backend != "loky":
                    raise InputError(
                        f"--backend {self.backend}: a worker died ({error}); finished blocks are kept: run the same command again"
                    ) from None
            # joblib does not say which worker died: all blocks in progress run alone, and the one that kills its worker again is the cause
            yield from self._run_isolated()

    def _track(self, tasks: Iterable[ChunkTask]) -> Iterator[ChunkTask]:
        """Remember the tasks in progress, to know those of a dead worker."""
        for task in tasks:
            self._in_flight[task] = None
            yield task

    def _run_parallel(self, tasks: Iterator[ChunkTask]) -> Iterator[Chunk | str]:
        import joblib

        assert self.payload is not None
        options: dict[str, Any] = {"inner_max_num_threads": 1} if self.backend == "loky" else {}
        with joblib.parallel_config(backend=self.backend, n_jobs=self.workers, **options):
            calls = (joblib.delayed(_with_its_task)(self.payload, task) for task in tasks)
            for task, result in self._unordered(calls):
                self._in_flight.pop(task)
                yield result

    def _unordered(self, calls: Iterator[Any]) -> Iterator[tuple[ChunkTask, Chunk | str]]:
        import joblib
        from joblib.parallel import get_active_backend

        if getattr(get_active_backend()[0], "supports_return_generator", False):
            with interrupts_deferred():  # the first calls go out here, and start the workers
                results = joblib.Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch="2*n_jobs")(calls)
            yield from results
            return
        with joblib.Parallel(batch_size=1) as parallel:  # Ray: a few at a time, since it returns nothing before all are done
            while some := list(itertools.islice(calls, 2 * self.workers)):
                yield from parallel(some)

    def _run_isolated(self) -> Iterator[Chunk | str]:
        """Run the tasks in progress when a worker died, block by block, each in its own process."""
        from joblib.externals.loky import ProcessPoolExecutor

        assert self.payload is not None
        for task in list(self._in_flight):
            for block in task.blocks:
                single = ChunkTask(task.cell, (block,))
                with ProcessPoolExecutor(max_workers=1) as alone:
                    try:
                        with interrupts_deferred():
                            future = alone.submit(run_remotely, self.payload, single)
                        yield future.result()
                    except KeyboardInterrupt:
                        alone.shutdown(kill_workers=True)
                        raise
                    except Exception as error:
                        if not _is_worker_death(error):
                            raise
                        yield chunk_of_dead_worker(work_of(self.resolved, task.cell), single)
            self._in_flight.pop(task)


def _with_its_task(common: SharedPayload, task: ChunkTask) -> tuple[ChunkTask, Chunk | str]:
    return task, run_remotely(common, task)


def _is_worker_death(error: Exception) -> bool:
    return any(kind.__name__ in ("TerminatedWorkerError", "KilledWorker", "WorkerCrashedError") for kind in type(error).__mro__)


def _raise_if_import_failed(error: Exception) -> None:
    if isinstance(error, ImportError) or "un-serialize" in str(error):
        reason = str(error.__cause__ or error).strip('" \n').splitlines()[-1]
        raise InputError(f"a worker cannot import a piece ({reason}); install its module there, or name the file under 'pieces'") from None


@contextlib.contextmanager
def open_pool(resolved: ResolvedStudy, workers: int, backend: str) -> Iterator[Pool]:
    """Start workers, or connect to those of a cluster."""
    workers = check_backend(backend, workers)
    if backend == "loky" and workers == 1:
        yield Pool(resolved, backend, 1)
        return
    payload = pickled(resolved, work_of(resolved), parent=os.getpid() if backend == "loky" else None)
    if backend == "loky":
        yield Pool(resolved, backend, workers, payload)
        return
    with _dask(workers) if backend == "dask" else _ray(workers) as cores:
        yield Pool(resolved, backend, cores, payload)


def check_backend(backend: str, workers: int) -> int:
    """Check backend and number of workers; replace -1 by the number of cores."""
    if backend not in BACKENDS:
        raise InputError(f"--backend {backend}: choose one of {', '.join(BACKENDS)}{did_you_mean(backend, BACKENDS)}")
    if workers == 0 or workers < -1:
        raise InputError(f"--workers {workers}: give 1 or more, or -1 for one per usable core")
    return usable_cores() if workers == -1 else workers


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
