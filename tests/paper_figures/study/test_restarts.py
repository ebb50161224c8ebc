"""Trainings that are begun again: what the rule asks for, and that what comes out depends on the rule alone."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

from paper_figures.cli import app
from paper_figures.study.config import Restarts
from paper_figures.study.restarts import Attempt, attempts_needed, selected_attempt
from see_in_pairs.console import run_app
from tests.helpers.processes import in_this_process

RULE = Restarts(above=0.25, attempts=3)


def leave(folder: Path, number: int, last: float, *, steps: int = 40, finished: bool = True) -> None:
    """Leave what a finetuning leaves: losses of 1, and in the last tenth of the steps two that have this mean."""
    training = Attempt(folder / "training", number).training
    training.mkdir(parents=True)
    (training / "manifest.json").write_text(json.dumps({"finished": "2026-01-01" if finished else None}), encoding="utf-8")
    losses = [1.0] * (steps - steps // 10) + [last - 0.1, last + 0.1] * (steps // 20)
    pd.DataFrame({"step": range(1, steps + 1), "loss": losses}).to_csv(training / "history.csv", index=False)


@pytest.mark.parametrize(
    ("losses", "asked_for", "counts"),
    [
        ([], 1, None),  # the first is to be trained
        ([0.2], 1, 0),
        ([0.25], 1, 0),
        ([0.3], 2, None),
        ([0.3, 0.1], 2, 1),
        ([0.3, 0.1, 0.05], 2, 1),  # a third attempt, from an earlier rule, does not count
        ([0.3, 0.28], 3, None),
        ([0.3, 0.28, 0.29], 3, 1),
        ([math.nan, 0.3, 0.29], 3, 2),  # the first diverged
    ],
)
def test_attempts_go_on_until_one_is_below_and_the_lowest_counts(
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
    again = {"above": 1e-6, "attempts": 3}  # below what two steps can reach: all three are run
    assert study(tmp_path, out, restarts=again) == 0
    found = table(out)
    assert found["try"].tolist() == [1, 2, 3] and found["train_seed"].nunique() == 3
    assert found.loc[found["counts"], "loss"].tolist() == [found["loss"].min()]
    page = (out / "study.md").read_text(encoding="utf-8")
    assert "Of 1 trainings, 1 ended in a training loss above 1e-06" in page and "1 stayed above it" in page
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
