"""Trainings that are begun again: what the rule asks for, and that what comes out depends on the rule alone."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from empirical.training.finetune import plateau_loss
from paper_figures.cli import app
from paper_figures.study.config import Restarts
from paper_figures.study.restarts import Attempt, attempts_needed, selected_attempt
from see_in_pairs.console import run_app
from see_in_pairs.errors import InputError
from tests.helpers.processes import in_this_process

RULE, PLATEAU = Restarts(attempts=3), 0.35


def leave(folder: Path, number: int, last: float, *, steps: int = 40, finished: bool = True) -> None:
    """Leave what a finetuning leaves: losses of 1, and in the last tenth of the steps two that have this mean."""
    training = Attempt(folder / "training", number).training
    training.mkdir(parents=True)
    manifest = {"finished": "2026-01-01" if finished else None, "plateau_loss": PLATEAU}
    (training / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    losses = [1.0] * (steps - steps // 10) + [last - 0.1, last + 0.1] * (steps // 20)
    pd.DataFrame({"step": range(1, steps + 1), "loss": losses}).to_csv(training / "history.csv", index=False)


@pytest.mark.parametrize(
    ("losses", "asked_for", "counts"),
    [
        ([], 1, None),  # the first is to be trained
        ([0.2], 1, 0),
        ([0.3425], 1, 0),  # 2 % below the plateau of .35, at .343: it has left it, however little it has learned
        ([0.3435], 2, None),
        ([0.35, 0.3], 2, 1),
        ([0.35, 0.3, 0.05], 2, 1),  # a third attempt, from an earlier rule, does not count, nor would it if it had learned more
        ([0.35, 0.36], 3, None),
        ([0.345, 0.36, 0.35], 3, 2),  # none left: the last counts, not the lowest
        ([math.nan, 0.35, 0.29], 3, 2),  # the first diverged
    ],
)
def test_attempts_go_on_until_one_has_left_the_plateau_and_the_last_counts(
    losses: list[float], asked_for: int, counts: int | None, tmp_path: Path
) -> None:
    for number, loss in enumerate(losses):
        leave(tmp_path, number, loss)
    found = attempts_needed(tmp_path / "training", RULE)
    chosen = selected_attempt(found)
    assert (len(found), None if chosen is None else chosen.number) == (asked_for, counts)
    if losses and not math.isnan(losses[0]):
        assert found[0].loss == pytest.approx(losses[0])


def test_without_a_rule_there_is_one_attempt_and_an_unfinished_one_does_not_count(tmp_path: Path) -> None:
    leave(tmp_path, 0, 0.9)
    first = tmp_path / "training"
    assert selected_attempt(attempts_needed(first, None)) == Attempt(first, 0)
    leave(tmp_path, 1, 0.1, finished=False)
    found = attempts_needed(first, RULE)
    assert len(found) == 2 and selected_attempt(found) is None


def test_every_attempt_has_its_own_seed_and_the_first_the_cells() -> None:
    seeds = [Attempt(Path("cell"), number).seed(first) for first in range(5) for number in range(3)]
    assert len(set(seeds)) == 15 and seeds[::3] == list(range(5))


def test_a_training_of_an_earlier_version_is_refused_in_one_line(tmp_path: Path) -> None:
    leave(tmp_path, 0, 0.3)
    (tmp_path / "training" / "manifest.json").write_text(json.dumps({"finished": "2026-01-01"}), encoding="utf-8")
    with pytest.raises(InputError, match="did not record the plateau"):
        attempts_needed(tmp_path / "training", RULE)


def test_without_a_rule_a_study_of_an_earlier_version_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paper_figures.study.run.run_in_processes", in_this_process)
    out = tmp_path / "out"
    assert study(tmp_path, out) == 0
    (manifest,) = out.glob("cells/*/*/*/training/manifest.json")
    manifest.write_text(json.dumps({key: value for key, value in json.loads(manifest.read_text()).items() if key != "plateau_loss"}))
    assert study(tmp_path, out) == 0
    assert table(out)[["plateau", "stayed"]].isna().all(axis=None) and table(out)["counts"].all()


@pytest.mark.parametrize(("counts", "tokens", "expected"), [
    ({"yes": 5, "no": 5}, {"yes": 2, "no": 2}, math.log(2) / 2),
    ({"yes": 1, "no": 3}, {"yes": 2, "no": 2}, (math.log(4) + 3 * math.log(4 / 3)) / 8),
    ({"a": 2, "b": 2, "c": 2}, {"a": 2, "b": 3, "c": 4}, math.log(3) / 3),
    ({"yes": 4}, {"yes": 2}, 0.0),
])  # fmt: skip
def test_the_plateau_is_the_loss_of_class_frequencies_alone(counts: dict[str, int], tokens: dict[str, int], expected: float) -> None:
    """No constant answer probabilities have a lower loss: brute force over a grid, where there are two classes."""
    found = plateau_loss([counts], tokens.__getitem__)
    assert found == pytest.approx(expected)
    if len(counts) == 2:
        (first, a), (second, b) = counts.items()
        grid = np.linspace(0.001, 0.999, 999)
        losses = -(a * np.log(grid) + b * np.log(1 - grid)) / (a * tokens[first] + b * tokens[second])
        assert found == pytest.approx(losses.min(), abs=1e-6)


def test_the_rule_of_earlier_versions_is_refused_with_what_to_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert study(tmp_path, tmp_path / "out", restarts={"above": 0.25, "attempts": 3}) == 2
    error = capsys.readouterr().err.strip()
    assert "write {attempts: 3} alone" in error and len(error.splitlines()) == 1


def study(folder: Path, out: Path, **changes: object) -> int:
    content = {
        "model": {"name": "pocket-random"},
        "cohorts": {"phantom": {"phantom": {"size": 64, "n_train": 8, "n_val": 0, "n_test": 12, "lesion": {"detectability": 2.5}}}},
        "arms": {"single": {"arm": "single"}},
        "training": {"method": "full", "steps": 2, "batch_size": 4, "threads": 1, "doctor": False},
        "evaluation": {"batch_size": 12, "threads": 1, "doctor": False},
        "keep_models": False,
        "blocks": [{"n_train": [0, "all"], "seeds": [0]}],
    }
    file = folder / "study.yaml"
    file.write_text(yaml.safe_dump(content | changes, sort_keys=False), encoding="utf-8")
    return run_app(app, ["study", str(file), "--out", str(out), "--quiet"])


def table(out: Path) -> pd.DataFrame:
    return pd.read_csv(out / "trainings.csv")


def test_the_result_depends_on_the_rule_alone_not_on_what_was_run_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paper_figures.study.run.run_in_processes", in_this_process)
    out, plain, before = tmp_path / "out", tmp_path / "plain", tmp_path / "before"
    assert study(tmp_path, plain) == 0
    assert table(plain)["counts"].tolist() == [True]
    shutil.copytree(plain, out)
    again = {"within": 0.2, "attempts": 3}  # two steps of a model with random weights end far above the plateau: all three are run
    assert study(tmp_path, out, restarts=again) == 0
    found = table(out)
    assert found["try"].tolist() == [1, 2, 3] and found["train_seed"].nunique() == 3
    assert found["counts"].tolist() == [False, False, True] and found["stayed"].all()
    assert found["plateau"].tolist() == pytest.approx([math.log(2) / 2] * 3, rel=1e-5)  # four of each class; 'yes' or 'no', and the end
    page = (out / "study.md").read_text(encoding="utf-8")
    assert "Of 1 trainings, 1 ended on the plateau of their first steps" in page and "1 never left it" in page
    assert not list(out.glob("cells/*/*/*/training*/model"))

    assert study(tmp_path, before, restarts=again) == 0  # from nothing, with the same rule
    pd.testing.assert_frame_equal(table(before), found)
    assert (before / "study.csv").read_bytes() == (out / "study.csv").read_bytes()

    cell = out / "cells" / "phantom" / "single" / "nall-seed0"
    chosen = Attempt(cell / "training", int(found.loc[found["counts"], "try"].iloc[0]) - 1)
    shutil.rmtree(chosen.beside(cell / "evaluation"))  # its weights are gone too: it is trained once more
    assert study(tmp_path, out, restarts=again) == 0
    assert (before / "study.csv").read_bytes() == (out / "study.csv").read_bytes()
    assert study(tmp_path, out) == 0  # and back to no rule
    assert (plain / "study.csv").read_bytes() == (out / "study.csv").read_bytes()
