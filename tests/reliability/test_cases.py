"""How the two programs of `make reliability` tell how a run of a command ends, and go on after a crash."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.reliability.cases import drive_all, make_folder

MODULE = """
import os
from tests.reliability.cases import AS_IT_IS, Try, main

LIST, VALUE = ["theory", "list"], ["theory", "value", "T1", "error", "d=1", "rho=.7", "rule=optimal", "--json", "beside.json"]

def ends():
    os._exit(3)

def prepare(folder):
    good = [Try("", AS_IT_IS, LIST, dict), Try("a", "fine", LIST, dict), Try("b", "crashes", LIST, ends)]
    good.append(Try("c", "wrong", ["theory", "x"], dict))
    return {"list": lambda: good, "bad": lambda: [Try("", AS_IT_IS, ["theory", "x"], dict), Try("a", "fine", LIST, dict)],
            "value": lambda: [Try("d", "beside", VALUE, dict)]}

if __name__ == "__main__":
    main("made_up", "T", prepare, None, 1)
"""


def test_outcomes_are_told_apart_and_what_follows_a_crash_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "made_up.py").write_text(MODULE)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])]))
    said: list[str] = []
    found = dict(drive_all("made_up", {"list": 3, "bad": 1, "value": 1}, make_folder(tmp_path / "work"), 60.0, said.append))
    ends = {command: [(case.place, case.outcome) for case in every] for command, every in found.items()}
    assert ends["list"] == [("a", "accepted"), ("b", "crash"), ("c", "refused")]
    assert ends["bad"] == [("", "crash")]  # it fails as it is: what is wrong with its files would tell nothing
    assert ends["value"] == [("d", "written beside --out")]
    assert len(said) == 3 and said[0].startswith("list, b: crashes: crash (exit code 3)")
