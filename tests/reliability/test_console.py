"""What surrounds a command may be broken: its output closed or full, its reader gone, a request to end it."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from see_in_pairs.errors import InputError
from see_in_pairs.files import write_json

PROGRAM = [sys.executable, "-m", "see_in_pairs"]
VALUE = ["theory", "value", "T1", "error", "d=1", "rho=.7", "rule=optimal", "--json"]


def shell(command: str) -> subprocess.CompletedProcess[str]:
    quoted = f"S() {{ '{sys.executable}' -m see_in_pairs \"$@\"; }}; {command}"
    return subprocess.run(["bash", "-c", quoted], capture_output=True, text=True, timeout=120)


def test_a_reader_that_has_gone_is_not_a_check_that_failed() -> None:
    done = shell("S theory list | sleep 0; echo ${PIPESTATUS[0]}")
    assert done.stdout.strip() in ("0", "141")  # 0 where all was written before the reader went
    assert done.stderr == ""


def test_a_closed_output_is_told_before_the_work() -> None:
    done = shell("S " + " ".join(VALUE) + " >&-")
    assert done.returncode == 2
    assert done.stderr.startswith("see-in-pairs: error: standard output is closed") and done.stderr.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_output_is_one_line() -> None:
    done = shell("S " + " ".join(VALUE) + " >/dev/full")
    assert done.returncode == 2
    assert "No space left on device" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("where", ["2>/dev/full", "2>&-"])
def test_messages_that_nobody_can_read_do_not_stop_the_work(where: str) -> None:
    done = shell("S " + " ".join(VALUE) + " " + where)
    assert done.returncode == 0
    assert json.loads(done.stdout)["value"] == pytest.approx(0.24192, abs=1e-5)


def test_error_lines_are_bounded_and_hold_nothing_that_a_terminal_obeys() -> None:
    done = subprocess.run(
        [*PROGRAM, "theory", "value", "T1", "\x1b[31mred" + "x" * 5000, "d=1"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "\x1b" not in done.stderr and r"\x1b[31mred" in done.stderr and len(done.stderr) < 1100 and done.stderr.count("\n") == 1


@pytest.mark.parametrize("wait", [0.1, 1.5], ids=["among its imports", "at work"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_to_end_is_an_interrupt(tmp_path: Path, number: int, wait: float) -> None:
    began = tmp_path / "began"
    script = (  # what runs the tests in the background may have handed down that interrupts are ignored
        "import signal, sys, pathlib; signal.signal(signal.SIGINT, signal.default_int_handler); sys.argv[0] = 'S'; "
        f"from see_in_pairs.__main__ import main; pathlib.Path({str(began)!r}).touch(); main()"
    )
    words = [sys.executable, "-c", script, "theory", "verify", "--replicates", "2000000", "--workers", "1"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        while not began.exists():  # before that it is Python that starts, not the program
            time.sleep(0.05)
        time.sleep(wait)
        process.send_signal(number)
        try:
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert errors.splitlines()[-1].startswith("see-in-pairs: error: interrupted") and "Traceback" not in errors


def test_an_interrupt_while_python_waits_for_its_threads_changes_nothing(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys, threading, time\n"
        "from see_in_pairs.__main__ import main\n"
        "threading.Thread(target=time.sleep, args=(2,)).start()  # as joblib's, which waits for its workers\n"
        "try: main()\n"
        f"finally: pathlib.Path({str(tmp_path / 'ends')!r}).touch()\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, "--version"], stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        while not (tmp_path / "ends").exists():
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, b"")


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="needs /dev/stdout")
def test_a_result_for_a_device_or_a_pipe_goes_there_and_replaces_nothing(tmp_path: Path) -> None:
    done = shell("S " + " ".join([*VALUE, "/dev/stdout"]) + " | cat")
    assert done.returncode == 0 and json.loads(done.stdout)["value"] == pytest.approx(0.24192, abs=1e-5)
    os.mkfifo(tmp_path / "pipe")
    done = shell(f"S {' '.join(VALUE)} {tmp_path}/pipe & cat {tmp_path}/pipe; wait $!")
    assert done.returncode == 0 and "0.24191" in done.stdout and stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    with pytest.raises(InputError, match="is a device or a pipe"):
        write_json(tmp_path / "pipe", {})
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_backend_of_matplotlib_that_is_not_there_does_no_harm() -> None:
    script = "from see_in_pairs.__main__ import main\ntry: main()\nexcept SystemExit: import matplotlib.pyplot\nmatplotlib.pyplot.figure()"
    surroundings = os.environ | {"MPLBACKEND": "banana"}
    done = subprocess.run([sys.executable, "-c", script, "--version"], env=surroundings, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
