from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from see_in_pairs import __version__
from see_in_pairs.errors import InputError
from see_in_pairs.files import sha256
from see_in_pairs.runs import RunFolder, git_commit, hardware, library_versions

CONFIG = {"arm": "pair", "training": {"rate": 1e-3, "steps": 10}}


def manifest(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "manifest.json").read_text())


def test_the_manifest_says_how_the_result_came_to_be(tmp_path: Path) -> None:
    source = tmp_path / "cohort.csv"
    source.write_text("item_id\na\n")
    with RunFolder(tmp_path / "out", "finetune", CONFIG, seed=7, inputs=[source]) as run:
        run.count("unmatched", 3)
    written = manifest(tmp_path / "out")
    assert written["package"] == "see-in-pairs"
    assert written["version"] == __version__
    assert (written["command"], written["config"], written["seed"]) == ("finetune", CONFIG, 7)
    assert written["inputs"] == {str(source): sha256(source)}
    assert written["counts"] == {"unmatched": 3}
    assert written["libraries"]["numpy"]
    assert written["hardware"]["cores"] >= 1
    assert isinstance(written["command_line"], list)
    assert datetime.fromisoformat(written["started"]) <= datetime.fromisoformat(written["finished"])


def killed_run(folder: Path) -> None:
    with RunFolder(folder, "finetune", CONFIG, seed=1):
        (folder / "checkpoint").write_text("step 5")
        raise RuntimeError("killed")


def test_a_run_that_fails_is_never_called_finished(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="killed"):
        killed_run(tmp_path)
    assert manifest(tmp_path)["finished"] is None


def test_a_manifest_that_was_changed_by_hand_is_told_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="killed"):
        killed_run(tmp_path)
    (tmp_path / "manifest.json").write_text(json.dumps(manifest(tmp_path) | {"config_hash": "0"}))
    with pytest.raises(InputError, match="its config_hash does not fit its config"):
        RunFolder(tmp_path, "finetune", CONFIG, seed=1)


def test_the_same_run_may_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="killed"):
        killed_run(tmp_path)
    reordered = {"training": {"steps": 10, "rate": 1e-3}, "arm": "pair"}
    with RunFolder(tmp_path, "finetune", reordered, seed=1):
        assert (tmp_path / "checkpoint").read_text() == "step 5"
    assert manifest(tmp_path)["finished"] is not None


@pytest.mark.parametrize(
    ("command", "config", "seed", "named"),
    [
        ("finetune", {"arm": "single", "training": {"rate": 1e-3, "steps": 10}}, 1, "config.arm: 'pair' there, 'single' now"),
        ("finetune", {"arm": "pair", "training": {"rate": 1e-3, "steps": 20}}, 1, "config.training.steps: 10 there, 20 now"),
        ("finetune", CONFIG | {"lora": True}, 1, "config.lora: None there, True now"),
        ("finetune", CONFIG | {"lora": "a" * 500}, 1, f"config.lora: None there, '{'a' * 99}... now"),
        ("finetune", CONFIG, 2, "seed: 1 there, 2 now"),
        ("evaluate", CONFIG, 1, "command: 'finetune' there, 'evaluate' now"),
    ],
)
def test_another_run_is_refused_and_the_key_is_named(tmp_path: Path, command: str, config: dict[str, Any], seed: int, named: str) -> None:
    with RunFolder(tmp_path, "finetune", CONFIG, seed=1):
        pass
    before = (tmp_path / "manifest.json").read_bytes()
    with pytest.raises(InputError) as caught:
        RunFolder(tmp_path, command, config, seed=seed)
    assert named in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "manifest.json").read_bytes() == before


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(InputError, match="is a file"):
        RunFolder(tmp_path / "out", "finetune", CONFIG)


def test_a_broken_manifest_is_not_resumed_in_silence(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"config_hash": ')
    with pytest.raises(InputError, match="not valid JSON"):
        RunFolder(tmp_path, "finetune", CONFIG)


def test_versions_and_commit_have_the_right_shape() -> None:
    assert {"python", "numpy", "torch", "transformers"} <= set(library_versions())
    commit = git_commit()
    assert commit is None or len(commit.removesuffix("-dirty")) == 40


def test_the_hardware_fits_into_a_manifest() -> None:
    json.dumps(hardware(), allow_nan=False)


def failed_run(folder: Path, leaves: str) -> None:
    with RunFolder(folder, "evaluate", CONFIG, seed=1):
        for name in filter(None, leaves.split()):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text("")
        (folder / "pieces").mkdir(exist_ok=True)
        raise RuntimeError("no such attention")


@pytest.mark.parametrize("leaves", ["", "references/single.parquet plan.parquet"])
def test_a_try_that_produced_nothing_leaves_the_folder_to_another_config(tmp_path: Path, leaves: str) -> None:
    with pytest.raises(RuntimeError, match="attention"):
        failed_run(tmp_path, leaves)
    with RunFolder(tmp_path, "evaluate", CONFIG | {"attention": "sdpa"}, seed=1) as run:
        assert not (tmp_path / "references").exists() and not (tmp_path / "plan.parquet").exists()
    assert run.manifest["resumed"] == [] and run.manifest["config"]["attention"] == "sdpa"


def test_a_try_that_produced_something_keeps_the_folder(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="attention"):
        failed_run(tmp_path, "pieces/single-0.parquet references/single.parquet")
    with pytest.raises(InputError, match="another config"):
        RunFolder(tmp_path, "evaluate", CONFIG, seed=2)
    assert (tmp_path / "references").is_dir()


@pytest.mark.parametrize("content", ["[]", "3", "{}", '"text"'])
def test_json_that_is_no_manifest_is_told_in_a_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(InputError, match="not the manifest of a run"):
        RunFolder(tmp_path, "finetune", CONFIG)


def test_what_a_run_recorded_stays_when_it_is_opened_again(tmp_path: Path) -> None:
    with RunFolder(tmp_path, "finetune", CONFIG) as run:
        run.manifest["audit"] = ["no leakage"]
    with RunFolder(tmp_path, "finetune", CONFIG) as run:
        pass  # finished before: nothing is computed again
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["audit"] == ["no leakage"] and manifest["finished"] and len(manifest["resumed"]) == 1


HOLD = """
import sys, time
from pathlib import Path
from see_in_pairs.runs import RunFolder
with RunFolder(Path(sys.argv[1]), "evaluate", {}):
    print("holds", flush=True)
    time.sleep(60)
"""


def test_a_folder_in_use_is_refused_until_its_process_is_gone_however_it_went(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "holds\n"
        before = (tmp_path / "manifest.json").read_bytes()
        with pytest.raises(InputError, match=f"in use by process {other.pid} on "):
            RunFolder(tmp_path, "evaluate", {})
        assert (tmp_path / "manifest.json").read_bytes() == before
        monkeypatch.setenv("RANK", "1")  # another process of the same launch
        RunFolder(tmp_path, "evaluate", {})
        monkeypatch.delenv("RANK")
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
        assert (tmp_path / ".in-use").is_file()  # what a killed process leaves
    with RunFolder(tmp_path, "evaluate", {}), RunFolder(tmp_path, "evaluate", {}):  # one process may open it twice
        pass
    assert not (tmp_path / ".in-use").exists()


def test_what_a_killed_run_left_half_written_is_removed_when_it_goes_on_and_nothing_else(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "out", "evaluate", {}):
        pass
    half = [tmp_path / "out" / place / ".cohort-0123456789abcdef.parquet" for place in (".", "cohorts/a")]
    others = [tmp_path / "out" / ".note-1.txt", tmp_path / "out" / "models" / "a" / ".model-0123456789abcdef.json"]
    for file in [*half, *others]:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    (tmp_path / "out" / "models" / "a" / "manifest.json").touch()  # a run below, in which another process may be at work
    with RunFolder(tmp_path / "out", "evaluate", {}):
        assert not any(file.exists() for file in half)
        assert all(file.exists() for file in others)
        half[0].touch()
        with RunFolder(tmp_path / "out", "evaluate", {}):  # this process may be writing it
            assert half[0].exists()


def test_a_users_folder_that_holds_no_run_is_not_searched(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    file = tmp_path / "theirs" / ".cohort-0123456789abcdef.parquet"
    file.touch()
    with RunFolder(tmp_path, "evaluate", {}):
        assert file.exists()


def test_a_lock_file_of_another_machine_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / ".in-use").write_text("process 1 on elsewhere\n")
    with RunFolder(tmp_path, "evaluate", {}):
        assert (tmp_path / ".in-use").read_text().startswith(f"process {os.getpid()} on ")
