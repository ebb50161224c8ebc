"""Which checkpoint a run goes on from, and when it stops instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from empirical.cohorts import Cohort
from empirical.training.checkpoints import last_checkpoint, mark_whole
from empirical.training.config import FinetuneConfig
from empirical.training.finetune import finetune
from see_in_pairs.errors import InputError


def checkpoints(folder: Path) -> list[Path]:
    made = [folder / f"checkpoint-{step}" for step in (2, 9, 10)]
    for checkpoint in made:
        checkpoint.mkdir(parents=True)
        (checkpoint / "weights").write_text("0123456789")
        (checkpoint / "optimizer.pt").write_text("moments")
        mark_whole(checkpoint)
    return made


def test_the_last_by_number_is_taken(tmp_path: Path) -> None:
    assert last_checkpoint(tmp_path) is None
    made = checkpoints(tmp_path)
    mark_whole(made[-1])  # a resumed run writes the same step again, beside the mark of the first time
    assert last_checkpoint(tmp_path) == str(made[-1])


@pytest.mark.parametrize("damage", ["truncate", "delete", "unmark", "mark", "other mark"])
def test_a_damaged_checkpoint_is_left_out_for_the_one_before(tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]) -> None:
    *_, before, last = checkpoints(tmp_path)
    if damage == "truncate":
        (last / "optimizer.pt").write_text("")
    elif damage.endswith("mark") and damage != "unmark":
        (last / "complete").write_text({"mark": '{"weights"', "other mark": "[1]"}[damage])
    else:
        (last / {"delete": "weights", "unmark": "complete"}[damage]).unlink()
    assert last_checkpoint(tmp_path) == str(before)
    assert not last.exists()
    named = {"truncate": "optimizer.pt", "delete": "weights", "mark": "complete", "other mark": "complete"}.get(damage)
    assert (capsys.readouterr().err == "") if named is None else (named in capsys.readouterr().err)


def test_training_that_diverges_stops_with_the_step_and_writes_no_model(phantom: Cohort, tmp_path: Path) -> None:
    arm = {"arm": "pair", "references": {"strategy": "random"}}
    settings = {
        "cohort": str(phantom.folder),
        "arm": arm,
        "steps": 6,
        "batch_size": 4,
        "save_every": 1,
        "doctor": False,
        "learning_rate": 1e12,
    }
    config = FinetuneConfig.model_validate(settings | {"learning_rate": 1e12, "model": {"name": "pocket"}})
    with pytest.raises(InputError, match=r"the .* is (nan|inf) at step \d of 6; lower learning_rate"):
        finetune(config, tmp_path / "out", quiet=True)
    assert not (tmp_path / "out" / "model").exists()
