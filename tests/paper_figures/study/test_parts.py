"""Named parts of a study, each run by itself, with everything that the phantom study of few patients uses, at toy size."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from paper_figures.cli import app
from paper_figures.study import StudyConfig
from paper_figures.study.parts import PartTimes
from see_in_pairs.console import run_app
from tests.helpers.processes import in_this_process

FAMILY = {"strategy": "demographic", "columns": ["family"], "caliper": {}}
PHANTOM = {"n_train": 12, "n_val": 0, "n_test": 12, "relatives": 2, "lesion": {"detectability": 2.5}}
STOP = {"every": 1, "patience": 1, "within": 0.02, "share": 0.2}
STUDY: dict[str, Any] = {
    "title": "A study in parts",
    "model": {"name": "pocket-random"},
    "cohorts": {"known": {"phantom": PHANTOM}, "elsewhere": {"phantom": PHANTOM | {"lesion": {"place": "random", "detectability": 2.5}}}},
    "arms": {
        "single": {"arm": "single"},
        "pair": {"arm": "pair", "references": FAMILY},
        "copies": {"arm": "pair", "references": FAMILY},
        "strangers": {"arm": "pair", "references": {"strategy": "random"}},
        "single-healthy": {"arm": "single", "extra_healthy": FAMILY | {"m": 2}},
    },
    "training": {
        "method": "full", "steps": 2, "batch_size": 4, "threads": 1, "doctor": False, "augmentation": {"noise_sd": 2, "shift": 1},
        "early_stopping": STOP,
    },
    "evaluation": {"batch_size": 12, "threads": 1, "doctor": False},
    "comparisons": [["pair", "single"], ["pair", "single-healthy"]],
    "keep_models": False,
    "blocks": [
        {"part": "few", "cohorts": ["known"], "arms": ["single", "single-healthy", "copies"], "n_train": [6], "seeds": [0]},
        {
            "part": "few", "cohorts": ["known"], "arms": ["pair", "strangers"], "n_train": [6], "seeds": [0],
            "training": {"references_per_query": 2},
        },
        {"part": "place", "cohorts": ["elsewhere"], "arms": ["single"], "n_train": [0, 6], "seeds": [0]},
    ],
}  # fmt: skip


def run(folder: Path, out: Path, *words: str, content: dict[str, Any] = STUDY) -> int:
    file = folder / "study.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return run_app(app, ["study", str(file), "--out", str(out), *words])


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The second part alone, and then the first."""
    folder = tmp_path_factory.mktemp("parts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("paper_figures.study.run.run_in_processes", in_this_process)
        assert run(folder, folder / "out", "--part", "place", "--quiet") == 0
        shutil.copytree(folder / "out", folder / "first")
        assert run(folder, folder / "out", "--part", "few", "--quiet") == 0
    return folder


def test_a_part_makes_and_trains_only_what_it_needs_and_tables_hold_what_is_finished(done: Path) -> None:
    first, both = (pd.read_csv(done / name / "study.csv") for name in ("first", "out"))
    assert not (done / "first" / "cohorts" / "known").exists()
    assert list(zip(first["cohort"], first["arm"], first["n_train"], strict=True)) == [
        ("elsewhere", "single", 0),
        ("elsewhere", "single", 6),
    ]
    assert (done / "first" / "comparisons.csv").read_text().strip() == ""  # nothing to compare with yet
    assert set(both["arm"]) == set(STUDY["arms"]) and len(both) == 7
    assert set(both.loc[both["cohort"] == "known", "n_train"]) == {6}  # patients who validate are counted
    gains = pd.read_csv(done / "out" / "comparisons.csv")
    assert set(zip(gains["a"], gains["b"], strict=True)) == {("pair", "single"), ("pair", "single-healthy")}


def test_each_training_is_what_its_arm_asks_for(done: Path) -> None:
    shown = {
        arm: pd.read_parquet(done / "out" / "cells" / "known" / arm / "n6-seed0" / "training" / "plan.parquet") for arm in STUDY["arms"]
    }
    references = {arm: plan.explode("reference_ids").groupby("item_id")["reference_ids"].nunique() for arm, plan in shown.items()}
    assert (references["copies"] == 1).all() and references["pair"].max() == references["strangers"].max() == 2
    assert (references["single"] == 0).all() and len(shown["single"]) == 8
    assert set(shown["single-healthy"]["item_id"]) - set(shown["single"]["item_id"])  # references as cases
    looks = [pd.read_csv(file) for file in done.glob("out/cells/*/*/n6-seed0/training/validation.csv")]
    assert len(looks) == 6


def test_time_and_state_of_each_part_are_kept_and_shown(done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, both = (pd.read_csv(done / name / "parts.csv").set_index("part") for name in ("first", "out"))
    assert first["finished"].to_dict() == {"few": 0, "place": 2} and both["finished"].to_dict() == {"few": 5, "place": 2}
    assert both["cells"].to_dict() == {"few": 5, "place": 2} and both["trainings"].to_dict() == {"few": 5, "place": 1}
    assert (
        first.loc["few", "minutes"] == 0 < first.loc["place", "minutes"] == both.loc["place", "minutes"] and both.loc["few", "minutes"] > 0
    )
    assert "| few | 5 | 5 | 5 |" in (done / "out" / "study.md").read_text()
    assert run(tmp_path, done / "out", "--dry-run") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[:4] for line in lines] == [["part", "cells", "trainings", "finished"], ["few", "5", "5", "5"], ["place", "2", "1", "2"]]
    assert run(tmp_path, tmp_path / "nowhere", "--part", "few", "--dry-run") == 0
    assert capsys.readouterr().out.splitlines()[1:] and not (tmp_path / "nowhere").exists()


def test_a_part_that_is_finished_is_not_run_again_and_one_that_lost_a_cell_goes_on(
    done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []

    def recorded(function: Any, jobs: Any, workers: int) -> Any:
        for job, result in in_this_process(function, jobs, workers):
            ran.append(job.cell.name)
            yield job, result

    monkeypatch.setattr("paper_figures.study.run.run_in_processes", recorded)
    out = tmp_path / "out"
    shutil.copytree(done / "out", out)
    before = pd.read_csv(out / "parts.csv").set_index("part")["minutes"]
    assert run(tmp_path, out, "--part", "place", "--quiet") == 0 and ran == []
    shutil.rmtree(out / "cells" / "known" / "pair")
    assert run(tmp_path, out, "--part", "place", "--quiet") == 0 and ran == []
    assert "pair" not in set(pd.read_csv(out / "study.csv")["arm"])
    assert run(tmp_path, out, "--part", "few", "--quiet") == 0 and ran == ["known, pair, 6 patients, seed 0"]
    assert (out / "study.csv").read_text() == (done / "out" / "study.csv").read_text()
    after = pd.read_csv(out / "parts.csv").set_index("part")["minutes"]
    assert after["place"] == before["place"] and after["few"] > before["few"]


@pytest.mark.parametrize(
    ("words", "change", "message"),
    [
        (["--part", "plase"], {}, "the study has no part 'plase' (known: few, place); did you mean 'place'?"),
        (["--part", "block-1"], {}, "has no part 'block-1'"),
        ([], {"blocks": [{"part": "a b", "n_train": [6], "seeds": [0]}]}, "use letters, digits"),
        (["--part", "few"], {"training": {"stepps": 1}}, "unknown key 'stepps'"),
    ],
)
def test_a_wrong_part_is_one_line(
    words: list[str], change: dict[str, Any], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, tmp_path / "out", *words, content=STUDY | change) == 2
    error = capsys.readouterr().err.strip()
    assert message in error.splitlines()[-1]


def test_blocks_without_a_name_are_parts_by_their_number(tmp_path: Path) -> None:
    blocks = [{"n_train": [0], "seeds": [0]}, {"part": "more", "n_train": [0, 6], "seeds": [0]}]
    config = StudyConfig.model_validate(STUDY | {"blocks": blocks})
    table = PartTimes(config, tmp_path).table()
    assert table["part"].tolist() == ["block-1", "more"] and table["cells"].tolist() == [10, 10]  # a cell belongs to the first block
