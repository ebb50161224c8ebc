"""Jobs in processes of their own: what comes back, what an error or a dead worker stops, and that none outlives a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from see_in_pairs.errors import InputError
from see_in_pairs.processes import run_in_processes


def square(number: int) -> tuple[int, int]:
    return number**2, os.getpid()


def fail_at_zero(folder: str) -> None:
    name = Path(folder).name
    if name == "0":
        raise ValueError("job 0")
    Path(folder).mkdir()


def die(job: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_every_job_comes_back_with_its_result_from_another_process() -> None:
    found = dict(run_in_processes(square, [1, 2, 3], workers=2))
    assert {job: value for job, (value, _) in found.items()} == {1: 1, 2: 4, 3: 9}
    assert os.getpid() not in {process for _, process in found.values()}


def test_the_first_failure_is_raised_and_what_has_not_begun_is_dropped(tmp_path: Path) -> None:
    jobs = [str(tmp_path / str(number)) for number in range(50)]
    with pytest.raises(ValueError, match="job 0"):
        list(run_in_processes(fail_at_zero, jobs, workers=1))
    assert len(list(tmp_path.iterdir())) < 49


def test_a_worker_that_dies_is_one_line() -> None:
    with pytest.raises(InputError, match=r"a worker process died .*: run the same command again"):
        list(run_in_processes(die, ["job"], workers=1))


def test_workers_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    script = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from see_in_pairs.processes import run_in_processes\n"
        "def work(file):\n"
        "    Path(file).write_text(str(os.getpid()))\n"
        "    time.sleep(60)\n"
        "if __name__ == '__main__':\n"
        "    list(run_in_processes(work, [sys.argv[1]], workers=1))\n"
    )
    (tmp_path / "script.py").write_text(script)
    process = subprocess.Popen([sys.executable, str(tmp_path / "script.py"), str(tmp_path / "worker")])
    deadline = time.monotonic() + 30
    while not (tmp_path / "worker").exists() or not (tmp_path / "worker").read_text():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    worker = int((tmp_path / "worker").read_text())
    process.kill()
    process.wait()
    while is_running(worker):
        assert time.monotonic() < deadline, "the worker outlives its parent"
        time.sleep(0.1)


def is_running(process: int) -> bool:
    """Tell whether a process is there; a zombie that nobody has collected yet is not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
