from __future__ import annotations

import io
import json
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import pytest
import typer

from see_in_pairs.console import Json, ProgressBar, Quiet, Seed, emit_json, format_duration, log, new_app, progress, run_app, spell_out_json
from see_in_pairs.errors import CheckFailed, InputError, write_failure
from see_in_pairs.files import atomic_path
from see_in_pairs.runs import RunFolder


@pytest.fixture
def app() -> typer.Typer:
    app = new_app("A command line to test with.")

    @app.command()
    def value(number: float, seed: Seed = 0, quiet: Quiet = False, json: Json = None) -> None:
        log(f"doubling {number} with seed {seed}", quiet)
        if json is not None:
            emit_json({"value": 2 * number}, json)

    @app.command()
    def fail(how: Annotated[str, typer.Argument()], path: str = "") -> None:
        if how == "input":
            raise InputError("age is missing\nin 3 rows; drop them")
        if how == "check":
            raise CheckFailed("2 of 10 rows disagree")
        if how == "interrupt":
            raise KeyboardInterrupt
        if how == "exit":
            raise typer.Exit(1)
        if how == "file":
            Path(path).read_text()

    return app


def test_success_is_0_and_the_result_stands_alone_on_standard_output(app: typer.Typer, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(app, ["value", "1.5", "--seed", "3", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == {"value": 3.0}
    assert err == "doubling 1.5 with seed 3\n"


def test_quiet_says_nothing_but_the_result(app: typer.Typer, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(app, ["value", "1.5", "--quiet", "--json"]) == 0
    assert capsys.readouterr().err == ""


def test_json_into_a_file_leaves_standard_output_empty(app: typer.Typer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(app, ["value", "2", "--json", str(tmp_path / "value.json")]) == 0
    assert capsys.readouterr().out == ""
    assert json.loads((tmp_path / "value.json").read_text()) == {"value": 4.0}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["fail", "input"], 2, "age is missing in 3 rows; drop them"),
        (["fail", "check"], 1, "2 of 10 rows disagree"),
        (["fail", "file", "--path", "/nowhere/at/all.csv"], 2, "/nowhere/at/all.csv: No such file or directory"),
        (["value"], 2, "'number'"),
        (["value", "many"], 2, "'number': Input should be a valid number"),
        (["value", "1", "--sed", "3"], 2, "--sed"),
        (["value", "1", "--seed", "-1"], 2, "'--seed'"),
        (["vlaue"], 2, "vlaue"),
        (["fail", "interrupt"], 130, "run the same command again to resume"),
    ],
)
def test_every_foreseen_failure_is_one_line_and_a_code(
    app: typer.Typer, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    assert run_app(app, arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("see-in-pairs: error: ")
    assert message in err
    assert err.count("\n") == 1


def test_an_exit_code_chosen_by_a_command_is_kept(app: typer.Typer) -> None:
    assert run_app(app, ["fail", "exit"]) == 1


def test_help_is_not_an_error(app: typer.Typer, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(app, ["value", "--help"]) == 0
    assert "--seed" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["group"]])
def test_no_command_at_all_shows_the_help(app: typer.Typer, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    group = new_app("A group of commands.")
    group.command("a")(lambda: None)
    group.command("b")(lambda: None)
    app.add_typer(group, name="group")
    assert run_app(app, arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Commands:" in err.splitlines()


def test_an_unforeseen_error_is_not_hidden(app: typer.Typer) -> None:
    @app.command()
    def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_app(app, ["broken"])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["verify", "--json"], ["verify", "--json", "-"]),
        (["verify", "--json", "T1"], ["verify", "--json", "-", "T1"]),
        (["verify", "--json", "--seed", "1"], ["verify", "--json", "-", "--seed", "1"]),
        (["verify", "--json", "-"], ["verify", "--json", "-"]),
        (["verify", "--json", "rows.json", "T1"], ["verify", "--json", "rows.json", "T1"]),
        (["verify", "--json", "new/rows"], ["verify", "--json", "new/rows"]),
        (["value", "T1", "auc", "--json", "rho=0.5"], ["value", "T1", "auc", "--json", "-", "rho=0.5"]),
        (["list"], ["list"]),
        ([], []),
    ],
)
def test_a_bare_json_option_gets_standard_output(words: list[str], expected: list[str]) -> None:
    assert spell_out_json(words) == expected


def test_an_input_table_is_never_taken_for_the_result_file(tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    table.write_text("item_id,correct\n")
    assert spell_out_json(["compare", "--json", str(table), "b.csv"]) == ["compare", "--json", "-", str(table), "b.csv"]


def test_progress_yields_everything_and_is_silent_off_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(progress(range(5), 5, "counting")) == list(range(5))
    assert capsys.readouterr() == ("", "")


def test_progress_says_rate_and_time_left(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("see_in_pairs.console.time.monotonic", lambda: clock[0])
    with ProgressBar(4000, "sweep", "replicates") as bar:
        clock[0] += 20
        bar.advance(1000)
        bar.advance()  # not again within ten seconds
    assert capsys.readouterr().err == "sweep: 1,000 of 4,000 replicates, 50 replicates/s, 1 min 00 s left\n"
    with ProgressBar(None, "finetune") as bar:
        clock[0] += 20
        bar.advance(5, note="loss 0.31")
    assert capsys.readouterr().err == "finetune: 5, 0.25/s, loss 0.31\n"
    assert [format_duration(s) for s in (3.4, 61, 7322, float("inf"))] == ["3 s", "1 min 01 s", "2 h 02 min", "unknown time"]


def test_progress_is_a_bar_on_a_terminal_that_is_gone_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("JPY_PARENT_PID", raising=False)
    assert list(progress(iter(range(5)), 5, "counting")) == list(range(5))
    assert "counting" in screen.getvalue() and "5/5" in screen.getvalue() and "/s" in screen.getvalue()
    assert screen.getvalue().rstrip().endswith("\x1b[2K")  # the line is erased

    for name, value in (("TERM", "dumb"), ("JPY_PARENT_PID", "1")):  # of editors, and of a notebook's cells
        plain = Terminal()
        with monkeypatch.context() as there:
            there.setattr("sys.stderr", plain)
            there.setenv(name, value)
            assert list(progress(iter(range(5)), 5, "counting")) == list(range(5))
        assert plain.getvalue() == ""


class SafetensorError(Exception):
    """Of that name in safetensors."""


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
        RuntimeError("[enforce fail at inline_container.cc:659] . unexpected pos 64 vs 0"),
        RuntimeError("PytorchStreamWriter failed writing file data/3: file write failed"),
    ],
)
@pytest.mark.parametrize("where", ["file", "run", "nowhere"])
def test_a_full_disk_is_one_line_that_names_the_place(
    app: typer.Typer, tmp_path: Path, capsys: pytest.CaptureFixture[str], error: Exception, where: str
) -> None:
    places = {"file": atomic_path(tmp_path / "table.parquet"), "run": RunFolder(tmp_path / "out", "finetune", {}), "nowhere": nullcontext()}

    @app.command()
    def write() -> None:
        with places[where]:
            raise error

    assert run_app(app, ["write"]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1 and "make room, then run the same command again" in line
    assert {"file": str(tmp_path / "table.parquet"), "run": str(tmp_path / "out"), "nowhere": ""}[where] in line


def test_a_broken_file_that_torch_reads_is_no_full_disk() -> None:
    assert write_failure(RuntimeError("PytorchStreamReader failed reading zip archive: not a ZIP archive")) is None
