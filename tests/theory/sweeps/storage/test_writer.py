"""What is on disk: whole or not at all, merged without loss, and nothing lost when the disk is full."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from see_in_pairs.console import run_app
from see_in_pairs.errors import InputError
from theory.sweeps import Results, Study, run
from theory.sweeps.cli import app
from theory.sweeps.execution.tasks import Chunk, ChunkTask, run_task, work_of
from theory.sweeps.resolved import resolve
from theory.sweeps.storage import writer
from theory.sweeps.storage.writer import BlockWriter, read_all

MakeStudy = Callable[..., Study]
Same = Callable[[Results, Results], None]


def chunks(study: Study) -> Iterator[Chunk]:
    """One block at a time, the cells taking turns."""
    plan = resolve(study)
    for block in range(study.replicates // study.block):
        for cell in study.all_cells:
            made = run_task(work_of(plan), ChunkTask(cell, ((block, study.block),)))
            assert isinstance(made, Chunk)
            yield made


def written_one_by_one(study: Study, folder: Path) -> Results:
    run(study.with_replicates(1), folder)
    with BlockWriter(folder) as opened:
        for chunk in chunks(study):
            opened.add(chunk)
            opened.flush()
    study.save(folder / "study.yaml")
    return Results.open(folder)


def test_results_are_plain_tidy_parquet(make_study: MakeStudy, tmp_path: Path) -> None:
    results = run(make_study(), tmp_path / "a")
    files = sorted((tmp_path / "a" / "blocks").glob("*.parquet"))
    table = pd.concat([pd.read_parquet(file) for file in files])
    assert list(table.columns) == ["cell", "block", "replicate", "method", "estimate", "se", "lower", "upper"]
    assert len(table) == 100 == len(results.to_frame())
    assert table.loc[table["method"] == "simple_trimmed", "se"].isna().all() and table["estimate"].notna().all()
    assert (table["replicate"] // 10 == table["block"]).all()


def test_small_files_are_merged_and_nothing_changes(
    make_study: MakeStudy, same: Same, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study(block=2, replicates=80)
    monkeypatch.setattr(writer, "MERGE", 4)
    many = written_one_by_one(study, tmp_path / "a")
    files = sorted((tmp_path / "a" / "blocks").iterdir())
    assert len(files) < 12 and max(read_all(tmp_path / "a" / "blocks")[2].values()) >= 2
    same(many, run(study, tmp_path / "b"))


def test_a_merge_killed_before_it_deleted_leaves_no_row_twice(
    make_study: MakeStudy, same: Same, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study(block=2, replicates=10)
    monkeypatch.setattr(writer, "MERGE", 4)
    monkeypatch.setattr(BlockWriter, "_delete", lambda self, files: [self._levels.pop(name) for name in files])
    killed = written_one_by_one(study, tmp_path / "a")
    before = len(list((tmp_path / "a" / "blocks").iterdir()))
    monkeypatch.undo()
    once = run(study, tmp_path / "b")
    same(killed, once)
    (tmp_path / "a" / "blocks" / ".00000009-0123456789abcdef.parquet").write_bytes(b"PAR1")
    same(run(study, tmp_path / "a"), once)
    after = list((tmp_path / "a" / "blocks").iterdir())
    assert len(after) < before and not any(path.name.startswith(".") for path in after)


def test_a_large_cell_comes_in_bounded_frames(make_study: MakeStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from theory.sweeps.storage import results as module

    found = run(make_study(replicates=95), tmp_path / "a")
    monkeypatch.setattr(module, "MOST_ROWS", 60)
    frames = list(found.batches())
    assert [len(frame) for frame in frames] == [60, 60, 60, 10] * 2
    assert all(frame["cell"].nunique() == 1 for frame in frames)
    assert frames[0]["replicate"].tolist() == [number for block in range(3) for _ in "ab" for number in range(10 * block, 10 * block + 10)]


def test_finished_blocks_are_written_while_a_long_one_runs(make_study: MakeStudy, tmp_path: Path) -> None:
    study = make_study(replicates=10)
    with BlockWriter(tmp_path) as opened:
        opened.add(next(chunks(study)))
        time.sleep(0.9)  # nothing else comes in
        assert len(read_all(tmp_path / "blocks")[0]) == 1


def test_a_write_for_which_there_was_no_memory_is_made_later(
    make_study: MakeStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where everything runs in one process, a block's limit of memory is the writer's too."""
    write, refusals = writer.write_blocks, iter([True, True])

    def sometimes(*arguments: Any, **more: Any) -> Any:
        if next(refusals, False):
            raise MemoryError
        return write(*arguments, **more)

    monkeypatch.setattr(writer, "write_blocks", sometimes)
    with BlockWriter(tmp_path) as opened:
        for chunk in chunks(make_study(replicates=20)):
            opened.add(chunk)
        time.sleep(1.4)
    assert sorted(len(blocks) for blocks in read_all(tmp_path / "blocks")[0].values()) == [2, 2]


def test_a_reader_may_come_while_a_sweep_runs(make_study: MakeStudy, tmp_path: Path) -> None:
    study = make_study(fixed={"n": 8, "pause": 0.01}, replicates=80, block=2)
    writer = threading.Thread(target=run, args=(study, tmp_path / "a"))
    writer.start()
    done = [0]
    while writer.is_alive():
        time.sleep(0.1)
        if (tmp_path / "a" / "cells.parquet").is_file():
            results = Results.open(tmp_path / "a")
            if not results.running:  # the lock is gone: the thread is about to end
                writer.join(60)
                assert not writer.is_alive()
            assert len(results.to_frame()) == 2 * results.cells["done"].sum()
            done.append(int(results.cells["done"].sum()))
    writer.join()
    assert done == sorted(done) and 0 < done[len(done) // 2] <= 160
    assert not Results.open(tmp_path / "a").running


def test_a_file_that_is_no_result_is_one_line(make_study: MakeStudy, tmp_path: Path) -> None:
    run(make_study(), tmp_path / "a")
    (tmp_path / "a" / "blocks" / "00000009.parquet").write_bytes(b"what is this")
    with pytest.raises(InputError, match=r"00000009.parquet: is not a file of results"):
        Results.open(tmp_path / "a")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 100 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    if subprocess.run([mount, "-t", "tmpfs", "-o", "size=100k", "sweep-test", str(folder)], capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)  # a traceback that pytest keeps may still hold a file open


def test_a_full_disk_is_one_line_and_nothing_is_lost(
    make_study: MakeStudy,
    same: Same,
    write_study: Callable[..., Path],
    small_disk: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    large = {"block": 50, "replicates": 1500, "fixed": {"n": 8, "pause": 0.0005}}
    assert run_app(app, [str(write_study(**large)), "--out", str(small_disk / "a"), "--quiet"]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
    assert len(errors) == 1 and "No space left on device" in errors[0] and "run the same command again" in errors[0]
    kept = Results.open(small_disk / "a")
    done = sum(location.entry.attempted for locations in kept.block_index.values() for location in locations.values())
    assert 0 < done < 3000
    shutil.copytree(small_disk / "a", tmp_path / "moved")
    study = make_study(**large)
    before = {name: pq.read_table(tmp_path / "moved" / "blocks" / name).num_rows for name in os.listdir(tmp_path / "moved" / "blocks")}
    assert sum(before.values()) == 2 * done
    same(run(study, tmp_path / "moved"), run(study, tmp_path / "b"))


def test_a_file_size_limit_is_one_line_too(write_study: Callable[..., Path], tmp_path: Path) -> None:
    """Where nobody may mount: the system refuses to let a file grow."""
    if not sys.platform.startswith("linux"):
        pytest.skip("needs Linux")
    config = write_study(block=2000, replicates=8000, grid={"mean": [0]})
    code = (
        "import resource, signal, sys; from paper_figures.cli import app; from see_in_pairs.console import run_app\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))\n"
        f"sys.exit(run_app(app, ['sweep', {str(config)!r}, '--out', {str(tmp_path / 'a')!r}, '--quiet']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("error:") == 1 and "File too large" in done.stderr and "Traceback" not in done.stderr
