"""Jobs in processes of their own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from see_in_pairs.processes import run_in_processes


def square(number: int) -> tuple[int, int]:
    return number**2, os.getpid()


def fail_at_zero(folder: str) -> None:
    name = Path(folder).name
    if name == "0":
        raise ValueError("job 0")
    Path(folder).mkdir()


def test_every_job_comes_back_with_its_result_from_another_process() -> None:
    found = dict(run_in_processes(square, [1, 2, 3], workers=2))
    assert {job: value for job, (value, _) in found.items()} == {1: 1, 2: 4, 3: 9}
    assert os.getpid() not in {process for _, process in found.values()}


def test_the_first_failure_is_raised_and_what_has_not_begun_is_dropped(tmp_path: Path) -> None:
    jobs = [str(tmp_path / str(number)) for number in range(50)]
    with pytest.raises(ValueError, match="job 0"):
        list(run_in_processes(fail_at_zero, jobs, workers=1))
    assert len(list(tmp_path.iterdir())) < 49
