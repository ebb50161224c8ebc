"""Sweeps under pieces, designs and files that are as bad as they get: counted as failures, or refused in one line."""

from __future__ import annotations

import errno
import functools
import io
import os
import shutil
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from paper_figures.cli import app as everything
from paper_figures.sweep_plots import draw_sweep
from paper_figures.sweep_plots.plot_data import PlotRequest
from see_in_pairs.console import run_app
from see_in_pairs.errors import CheckFailed, InputError
from see_in_pairs.limits import TimeLimit
from theory.sweeps import Results, Study, run
from theory.sweeps.cli import app
from theory.sweeps.execution.backends import Pool
from theory.sweeps.execution.replay import replay
from theory.sweeps.registry import register
from theory.sweeps.resolved import resolve
from theory.sweeps.storage import writer

Write = Callable[[str, str], Path]


class Unspeakable(BaseException):
    def __str__(self) -> str:
        raise ValueError("no text")


RAISED = {
    "exit": lambda: SystemExit(0),
    "generator": GeneratorExit,
    "own": Unspeakable,
    "surrogate": lambda: ValueError("\udcff.png"),
    "stop": StopIteration,
}


def noise(*, rng, draw="", n=1):
    value = rng.random()
    if draw and value < 0.3:
        raise RAISED[draw]()
    return value


def noise_block(*, rng, replicates, n=1):
    return rng.random(replicates)


def as_is(data):
    return {"estimate": data}


def breaking(data, *, analyse):
    if data < 0.3:
        raise RAISED[analyse]()
    return {"estimate": data}


def exiting_block(data):
    raise SystemExit(0)


def design(**changes) -> Study:
    return Study(**({"name": "hostile", "generate": noise, "methods": [as_is], "estimand": 0.5, "replicates": 20, "block": 10} | changes))


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """A design and its pieces as a user writes them; returns the design's file."""
    monkeypatch.setattr("theory.sweeps.registry._REGISTRY", {})  # the files of several tests have pieces of the same name

    def make(design: str, pieces: str) -> Path:
        (tmp_path / "pieces.py").write_text("from theory.sweeps import estimand, generator, method\n" + pieces)
        (tmp_path / "study.yaml").write_text("name: hostile\npieces: [pieces.py]\n" + design)
        return tmp_path / "study.yaml"

    return make


@pytest.mark.parametrize("raised", RAISED)
@pytest.mark.parametrize("piece", ["generator", "method"])
def test_whatever_a_piece_raises_is_a_failed_replicate(tmp_path: Path, piece: str, raised: str) -> None:
    use = {"fixed": {"draw": raised}} if piece == "generator" else {"methods": [as_is, breaking], "fixed": {"analyse": raised}}
    results = run(design(**use), tmp_path / "a")
    cells, failures = results.cells, results.failures()
    assert cells["attempted"].item() == 20 and 0 < cells["failed"].item() == len(failures) < 20
    assert set(failures["method"]) == {"" if piece == "generator" else "breaking"}
    again = replay(results, failures["cell"][0], failures["replicate"][0])
    assert again.failures[0].error == failures["error"][0] == type(RAISED[raised]()).__name__


def test_a_vectorised_method_that_exits_is_a_failed_block(tmp_path: Path) -> None:
    register("generator", "noise block", noise_block, vectorised=True)
    register("method", "exiting block", exiting_block, vectorised=True)
    results = run(design(generate="noise block", methods=[as_is, "exiting block"], fixed={"n": 1}), tmp_path / "a")
    assert results.cells["failed"].item() == 20 and set(results.failures()["error"]) == {"SystemExit"}
    assert len(results.to_frame()) == 20  # the other method keeps its results


@pytest.mark.parametrize("workers", [1, 2])
def test_a_method_that_exits_does_not_end_the_sweep(write: Write, tmp_path: Path, workers: int, capfd) -> None:
    pieces = "@generator('g')\ndef g(*, rng, n): return 1\n@method('m')\ndef m(data): raise SystemExit(0)\n"
    study = write("generate: g\nmethods: [m]\nfixed: {n: 1}\nreplicates: 20\nblock: 10\n", pieces)
    assert run_app(app, [str(study), "--out", str(tmp_path / "a"), "--workers", str(workers)]) == 1
    assert "m: SystemExit" in capfd.readouterr().err
    assert Results.open(tmp_path / "a").cells["failed"].item() == 20


def test_pieces_that_exit_when_they_are_imported_or_asked_for_the_truth_are_one_line(write: Write) -> None:
    design = "generate: g\nmethods: [m]\nestimand: t\nfixed: {n: 1}\n"
    with pytest.raises(InputError, match=r"pieces.py: cannot be imported \(SystemExit: 0\)"):
        resolve(Study.load(write(design, "import sys\nsys.exit(0)\n")))
    pieces = "@generator('g')\ndef g(*, rng, n): return 1\n@method('m')\ndef m(data): return {}\n"
    resolved = resolve(Study.load(write(design, pieces + "@estimand('t')\ndef t(*, n): raise SystemExit(0)\n")))
    with pytest.raises(InputError, match=r"estimand 't' fails in .*SystemExit"):
        resolved.truth(resolved.study.all_cells[0])


@pytest.mark.parametrize("stop", [KeyboardInterrupt, TimeLimit])
def test_an_interrupt_is_no_failed_replicate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stop: type[BaseException]) -> None:
    monkeypatch.setitem(RAISED, "exit", stop)
    if stop is KeyboardInterrupt:
        with pytest.raises(KeyboardInterrupt):
            run(design(methods=[breaking], fixed={"analyse": "exit"}), tmp_path / "a")
    else:  # ends the block as a whole
        assert run(design(methods=[breaking], fixed={"analyse": "exit"}), tmp_path / "a").failures()["replicate"].tolist() == [-1, -1]


PLAIN = """
@generator('g')
def g(*, rng, mu=0, kind=''): return rng.normal(mu)
@method('m')
def m(data, *, trim=0): return {'estimate': data}
"""


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("grid: {mu: [0.5, 1e-3]}", "factor 'mu': '1e-3' is text; write 0.001 for the number"),
        ("grid: {mu: [1.5e3]}", "'1.5e3' is text; write 1500 "),
        ("fixed: {mu: 1E-20}", "'1E-20' is text; write 1.0e-20 "),
        ("cells: [{mu: 1}, {mu: -inf}]", "'-inf' is text; write -.inf "),
        ("grid: {mu: ['0,5']}", "'0,5' is text; write 0.5 "),
        ("grid: {mu: [5%]}", "'5%' is text; write 0.05 "),
        ("fixed: {mu: {a: [1, '2']}}", "'2' is text; write 2 "),
        ("fixed: {mu: 1}\nestimand: 1e-3", "estimand: '1e-3' is text; write 0.001"),
        ("fixed: {mu: 1}\nmethods: [{name: a, use: m, trim: 1e-1}]", "method 'a', parameter 'trim': '1e-1' is text; write 0.1 "),
    ],
)
def test_text_that_reads_as_a_number_is_refused_before_the_run(write: Write, tmp_path: Path, keys: str, said: str, capsys) -> None:
    study = write("generate: g\n" + ("" if "methods" in keys else "methods: [m]\n") + keys + "\n", PLAIN)
    assert run_app(app, [str(study), "--out", str(tmp_path / "a")]) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "a").exists()


@pytest.mark.parametrize("text", ["swap", "1e", "", "e-3", "a,5", "%", "1/2x"])
def test_text_that_is_no_number_stays_text(write: Write, text: str) -> None:
    study = Study.load(write(f"generate: g\nmethods: [m]\ngrid: {{kind: ['{text}']}}\n", PLAIN))
    assert resolve(study).study.all_cells[0].factors == {"kind": text}


@pytest.mark.parametrize("annotation", ["str", "str | None", "'str'", "list[str]"])
def test_a_piece_may_want_digits_as_text(write: Write, annotation: str) -> None:
    study = Study.load(write("generate: g\nmethods: [m]\nfixed: {kind: '007'}\n", PLAIN.replace("kind=''", f"kind: {annotation} = ''")))
    assert resolve(study).study.all_cells[0].factors == {"kind": "007"}


def test_a_key_that_stands_twice_is_refused(write: Write, tmp_path: Path, capsys) -> None:
    study = write("generate: g\nmethods: [m]\ngrid: {mu: [0, 1]}\nreplicates: 1000\nblock: 5\nreplicates: 7\n", PLAIN)
    assert run_app(app, [str(study), "--out", str(tmp_path / "a")]) == 2
    assert "the key 'replicates' occurs twice" in capsys.readouterr().err and not (tmp_path / "a").exists()


@pytest.mark.parametrize("name", ["../x", "../../x", "/x", "a/b", "a\\b", "..", ".x", "", " x", "c:x", "a\nb", "a\0b", "x" * 300])
def test_a_plot_is_not_drawn_outside_its_folder(tmp_path: Path, name: str) -> None:
    run(design(fixed={"n": 1}), tmp_path / "a" / "b")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=r"(?s)--name .*is not a file name"):
        draw_sweep(tmp_path / "a" / "b", "nested-loop", PlotRequest(), name=name)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_result_named_as_a_path_is_drawn_within_the_folder(tmp_path: Path) -> None:
    def paths(data):
        return {"estimate": data, "../../x": data}

    run(design(methods=[paths], fixed={"n": 1}), tmp_path / "a" / "b")
    drawn = draw_sweep(tmp_path / "a" / "b", "lolly", PlotRequest("mean:../../x"))
    assert drawn.parent == tmp_path / "a" / "b" / "figures" and drawn.is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["plan", "--measure", "bias", "--mcse", "0.01", "--assume", "sd=1", "--assume", "sd=2"], "'sd' is given twice"),
        (["plan", "--measure", "coverage", "--mcse", "0.01", "--assume", "share=0.9", "--pilot", "nowhere"], "not both"),
        (["plan", "--measure", "bias", "--mcse", "1e-200", "--assume", "sd=1"], "too large to compute"),
        (["plan", "--measure", "bias", "--mcse", "0.1", "--assume", "sd=1e300"], "too large to compute"),
    ],
)
def test_contradictory_or_endless_plans_are_one_line(words: list[str], said: str, capsys) -> None:
    assert run_app(app, words) == 2
    assert said in capsys.readouterr().err


def test_a_factor_is_chosen_once(tmp_path: Path, capsys) -> None:
    assert run_app(everything, ["sweep", "plot", str(tmp_path), "--where", "mu=1", "--where", "mu=2"]) == 2
    assert "'mu' is given twice" in capsys.readouterr().err


def test_processes_are_bounded_with_a_word(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys) -> None:
    monkeypatch.setattr("see_in_pairs.processes.usable_cores", lambda: 3)
    asked: list[int] = []
    monkeypatch.setattr("theory.sweeps.execution.runner.open_pool", lambda resolved, workers, backend: _pool(resolved, asked, workers))
    run(design(fixed={"n": 1}), tmp_path / "a", workers=100_000, quiet=False)
    assert (
        asked == [12] and "--workers 100000: this machine has 3 usable core(s), so only 12 processes are started" in capsys.readouterr().err
    )
    run(design(fixed={"n": 1}), tmp_path / "b", workers=12, quiet=False)
    assert asked == [12, 12] and "--workers" not in capsys.readouterr().err


@contextmanager
def _pool(resolved, asked: list[int], workers: int):
    asked.append(workers)
    yield Pool(resolved, "loky", 1)


def test_processes_of_a_verification_are_bounded_too(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr("see_in_pairs.processes.usable_cores", lambda: 1)

    def none(statements, replicates, seed, workers, progress):
        raise CheckFailed(f"asked for {workers}")

    monkeypatch.setattr("theory.verification.verify_rows", none)
    assert run_app(everything, ["theory", "verify", "T1", "--workers", "100000"]) == 1
    said = capsys.readouterr().err
    assert "8 processes are started" in said and "asked for 8" in said


JUNK: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "half": lambda content: content[: len(content) // 2],
    "no data": lambda content: bytes(len(content) // 3) + content[len(content) // 3 :],
    "list": lambda _: b"[]",
    "mapping": lambda _: b'{"cells": {"a": 1}, "config_hash": 3, "seed": []}',
    "not UTF-8": lambda _: b"\xff\xfe\x00",
    "another table": lambda _: another_table(),
    "structures": lambda content: of_structures(content),
}


@functools.cache
def another_table() -> bytes:
    stream = io.BytesIO()
    pd.DataFrame({"cell": [1, 2], "x": [[1], [2]]}).to_parquet(stream)
    return stream.getvalue()


def of_structures(content: bytes) -> bytes:
    stream = io.BytesIO()
    pd.read_parquet(io.BytesIO(content)).map(lambda value: {"a": value}).to_parquet(stream)
    return stream.getvalue()


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished sweep with failures and looks, under a design that stands beside it."""
    folder = tmp_path_factory.mktemp("swept")
    pieces = "from theory.sweeps import generator, method\n"
    pieces += PLAIN.replace("return {'estimate': data}", "return {'estimate': data / (data < 1.2)}")
    (folder / "pieces.py").write_text(pieces)
    keys = "generate: g\nmethods: [m]\nestimand: 0\nreplicates: 20\nblock: 10\nstop: {measure: mse, mcse: 0.2, cap: 80}\ngrid: {mu: [0]}\n"
    (folder / "study.yaml").write_text("name: swept\npieces: [pieces.py]\n" + keys)
    assert run_app(everything, ["sweep", str(folder / "study.yaml"), "--out", str(folder / "out")]) == 0
    return folder


TEXTS = {"study.yaml", "looks.json", "manifest.json"}, ("half", "list", "mapping", "not UTF-8")
TABLES = {"cells.parquet", "blocks", "failures"}, ("empty", "half", "no data", "another table")


STRUCTURES = {"cells.parquet", "failures"}, ("structures",)


@pytest.mark.parametrize(
    ("file", "junk"), [(file, junk) for files, kinds in (TEXTS, TABLES, STRUCTURES) for file in sorted(files) for junk in kinds]
)
def test_a_damaged_file_of_a_sweep_is_one_line_or_made_anew(swept: Path, tmp_path: Path, junk: str, file: str, capsys) -> None:
    """Whatever a command does with it, it ends in its result or in one line that names the file."""
    out = Path(shutil.copytree(swept, tmp_path / "copy")) / "out"
    damaged = out / file if (out / file).is_file() else next((out / file).glob("*.parquet"))
    damaged.write_bytes(JUNK[junk](damaged.read_bytes()))
    codes = {}
    replays, resumed = [["replay", out], ["replay", out, "--failure", "0"]], ["run", swept / "study.yaml", "--out", out]
    plots = [["plot", out]] if junk == "half" else []  # the slowest
    for words in (["status", out], ["performance", out], *plots, *replays, resumed):
        capsys.readouterr()
        codes[words[0]] = run_app(everything, ["sweep", *map(str, words)])
        said = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
        assert codes[words[0]] in (0, 1, 2)
        assert codes[words[0]] != 2 or (len(said) == 1 and (damaged.name in said[0] or "--out" in said[0] or "--failure" in said[0])), said
    if file == "cells.parquet":
        assert codes["run"] == 0 and run_app(everything, ["sweep", "performance", str(out)]) == 0


@pytest.mark.parametrize("place", ["blocks", "failures"])
def test_a_folder_that_may_not_be_read_is_not_taken_for_empty(
    swept: Path, tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    out = Path(shutil.copytree(swept, tmp_path / "copy")) / "out"
    scandir = os.scandir

    def closed(folder="."):
        if os.fspath(folder) == str(out / place):
            raise PermissionError(errno.EACCES, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", closed)
    for words in (["replay", str(out)], ["run", str(swept / "study.yaml"), "--out", str(out)]):
        assert run_app(everything, ["sweep", *words]) == 2
        assert f"{out / place}: cannot be read (Permission denied)" in capsys.readouterr().err


def test_files_that_a_running_sweep_merges_meanwhile_are_listed_again(swept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, gone = writer.read_block_index, ["00000001.parquet"]

    def merged_meanwhile(path: Path):
        if gone:
            raise FileNotFoundError(errno.ENOENT, "No such file", gone.pop())
        return read(path)

    monkeypatch.setattr(writer, "read_block_index", merged_meanwhile)
    assert Results.open(swept / "out").cells["attempted"].item() >= 20 and not gone
