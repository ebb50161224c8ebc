"""A study at toy size on the real path: what it leaves, how it resumes, how it can be extended, and what it refuses."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from paper_figures.cli import app
from paper_figures.plotting.provenance import read_provenance
from see_in_pairs.console import run_app
from tests.helpers.processes import in_this_process

PHANTOM = {"size": 64, "n_train": 12, "n_val": 0, "n_test": 24, "lesion": {"detectability": 2.5}}
STUDY: dict[str, Any] = {
    "title": "A study of nothing",
    "model": {"name": "pocket-random"},
    "cohorts": {f"rho-{rho}": {"phantom": PHANTOM | {"rho": rho}} for rho in (0.8, 0.5, 0.0)},
    "arms": {
        "single": {"arm": "single"},
        "pair": {"arm": "pair", "references": {"strategy": "demographic", "columns": ["family"], "caliper": {}}},
    },
    "training": {"method": "full", "steps": 2, "batch_size": 6, "threads": 1, "doctor": False},
    "evaluation": {"batch_size": 24, "threads": 1, "doctor": False},
    "comparisons": [["pair", "single"]],
    "keep_models": False,
    "blocks": [{"cohorts": ["rho-0.8"], "n_train": [0], "seeds": [0]}, {"cohorts": ["rho-0.8"], "n_train": [4, "all"], "seeds": [0, 1]}],
}


def run(folder: Path, content: dict[str, Any], out: Path) -> int:
    file = folder / "study.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return run_app(app, ["study", str(file), "--out", str(out), "--quiet"])


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("paper_figures.study.run.run_in_processes", in_this_process)
        assert run(folder, STUDY, folder / "out") == 0
    return folder / "out"


def test_everything_promised_is_there(done: Path) -> None:
    areas, gains = pd.read_csv(done / "study.csv"), pd.read_csv(done / "comparisons.csv")
    assert list(zip(areas["arm"], areas["n_train"], areas["seeds"], strict=True)) == [
        ("single", 0, 1), ("single", 4, 2), ("single", 12, 2), ("pair", 0, 1), ("pair", 4, 2), ("pair", 12, 2),
    ]  # fmt: skip
    assert ((areas["low"] <= areas["auroc"]) & (areas["auroc"] <= areas["high"])).all()
    assert gains.groupby("kind")["n_train"].apply(list).to_dict() == {
        "gain": [0, 4, 12], "gain after minus before finetuning": [4, 12],
        "mean gain over the learning curve": [4], "on fewer patients": [4],
    }  # fmt: skip
    means = areas.set_index(["arm", "n_train"])["auroc"]
    plain = gains[gains["kind"] == "gain"].set_index("n_train")["difference"]
    for size in (0, 4, 12):  # the difference of the means over seeds
        assert plain[size] == pytest.approx(means["pair", size] - means["single", size], abs=2e-5)
    curve = gains[gains["kind"] == "mean gain over the learning curve"].iloc[0]
    assert curve["difference"] == pytest.approx((plain[4] + plain[12]) / 2, abs=2e-5)
    fewer = gains[gains["kind"] == "on fewer patients"].iloc[0]
    assert fewer["difference"] == pytest.approx(means["pair", 4] - means["single", 12], abs=2e-5)
    assert (gains["p_holm"] >= gains["p"]).all()
    page = (done / "study.md").read_text(encoding="utf-8")
    assert "A study of nothing" in page and "off the shelf" in page
    for name in ("learning_curve", "areas"):
        assert f"figures/{name}.png" in page
        assert read_provenance(done / "figures" / f"{name}.png").title == "A study of nothing"
        assert run_app(app, ["verify", str(done / "figures" / f"{name}.png")]) == 0  # fresh
    assert not list(done.glob("cells/*/*/*/training/model"))  # keep_models: false


def test_claims_are_judged_by_it(done: Path) -> None:
    from paper_figures.claims.studies import study_verdicts

    source, verdicts = study_verdicts(done)
    assert source == "phantom" and set(verdicts) == {"C3", "C5"}
    gains = pd.read_csv(done / "comparisons.csv").set_index(["kind", "n_train"])["difference"]
    after, curve = (verdicts[claim].findings[0].estimate for claim in ("C3", "C5"))
    assert after == pytest.approx(gains["gain after minus before finetuning", 12])
    assert curve == pytest.approx(gains["mean gain over the learning curve", 4])
    assert {one.verdict for one in verdicts.values()} == {"not tested"}  # two trainings, a grid of its own, no duplicate
    assert "the grid is fixed" in verdicts["C5"].reason and "this study has 4, 12" in verdicts["C5"].reason


def test_ideal_observers_stand_beside_the_areas(done: Path) -> None:
    from empirical.cohorts.phantom import PhantomTruth
    from paper_figures.results.ideal_observer import ideal_detectability

    areas = pd.read_csv(done / "study.csv")
    limits = ideal_detectability(PhantomTruth.load(done / "cohorts" / "rho-0.8" / "truth.npz"))
    for arm, rule in (("single", "single"), ("pair", "joint")):
        assert areas.loc[areas["arm"] == arm, "ideal"].to_numpy() == pytest.approx(limits.auc(rule), abs=1e-5)
    assert (areas["rho"] == 0.8).all()
    subtracts = areas.set_index("arm")["plain_difference"]
    assert subtracts["single"].isna().all() and subtracts["pair"].to_numpy() == pytest.approx(limits.auc("difference"), abs=1e-5)


def test_a_killed_study_goes_on_and_can_be_extended(done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One cell was never begun and one lost its evaluation; more rho are asked for, of the pair alone, and a new arm.

    Finished cells are not touched, the lost ones come back the same, and since the queries are the same at every rho, the single arm
    of the first cohort stands in for the others.
    """
    monkeypatch.setattr("paper_figures.study.run.run_in_processes", in_this_process)
    out = tmp_path / "out"
    shutil.copytree(done, out)
    shutil.rmtree(out / "cells" / "rho-0.8" / "pair" / "n4-seed1")
    half = out / "cells" / "rho-0.8" / "single" / "nall-seed0"
    shutil.rmtree(half / "evaluation")
    shutil.rmtree(half / "training")
    (out / "study.csv").unlink()
    kept = {path: path.stat().st_mtime_ns for path in out.glob("cells/*/*/*/evaluation/records.parquet")}
    more = {"cohorts": ["rho-0.5", "rho-0.0"], "arms": ["pair"], "n_train": ["all"], "seeds": [0, 1]}
    control = {"cohorts": ["rho-0.8"], "arms": ["blank"], "n_train": [4], "seeds": [0]}
    blocks = [STUDY["blocks"][0] | {"arms": list(STUDY["arms"])}, STUDY["blocks"][1] | {"arms": list(STUDY["arms"])}, more, control]
    assert run(tmp_path, STUDY | {"arms": STUDY["arms"] | {"blank": {"arm": "blank"}}, "blocks": blocks}, out) == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    before, after = (pd.read_csv(folder / "study.csv") for folder in (done, out))
    assert after.loc[after["arm"] == "blank", "n_train"].tolist() == [4]
    known = (after["cohort"] == "rho-0.8") & (after["arm"] != "blank")
    pd.testing.assert_frame_equal(after[known].reset_index(drop=True), before)
    gains = pd.read_csv(out / "comparisons.csv")
    gains = gains[(gains["kind"] == "gain") & (gains["n_train"] == 12)].set_index("rho")
    assert set(gains.index) == {0.8, 0.5, 0.0}
    assert gains.loc[0.0, "ideal_difference"] == pytest.approx(0, abs=1e-9)
    assert gains.loc[0.8, "ideal_difference"] > gains.loc[0.5, "ideal_difference"] > 0
    assert gains.loc[0.5, "ideal_of_plain_difference"] == pytest.approx(0, abs=1e-5)  # T1: it breaks even at a correlation of 1/2
    assert gains.loc[0.8, "ideal_of_plain_difference"] > 0 > gains.loc[0.0, "ideal_of_plain_difference"]
    assert (out / "figures" / "gain_by_rho.png").is_file()
    shown, areas = pd.read_csv(out / "figures" / "auroc_by_rho.csv"), after.set_index(["cohort", "arm", "n_train"])["auroc"].to_dict()
    found = shown.set_index(["rho", "arm"])["auroc"].to_dict()
    assert list(found) == [(rho, arm) for rho in (0.0, 0.5, 0.8) for arm in ("pair", "single")]
    for rho in (0.0, 0.5, 0.8):  # the single image of the first cohort stands beside the pairs of all: their queries are the same
        assert found[rho, "pair"] == pytest.approx(areas[f"rho-{rho}", "pair", 12], abs=1e-6)
        assert found[rho, "single"] == pytest.approx(areas["rho-0.8", "single", 12], abs=1e-6)
    assert shown[["low", "high", "ideal"]].notna().all(axis=None)
    assert run_app(app, ["verify", str(out / "figures" / "auroc_by_rho.png")]) == 0
    assert set(pd.read_csv(out / "figures" / "learning_curve.csv")["arm"]) == {"single", "pair"}  # one number of patients is no curve


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arms": {"pair": {"arm": "pair"}}}, "needs references"),
        ({"blocks": [{"arms": ["triple"], "n_train": [4], "seeds": [0]}]}, "unknown arm 'triple' (known:"),
        ({"blocks": [{"cohorts": ["rho"], "n_train": [4], "seeds": [0]}]}, "unknown cohort 'rho'"),
        ({"blocks": [{"n_train": [1], "seeds": [0]}]}, "numbers of patients are 0"),
        ({"blocks": [{"n_train": [4], "seeds": [0, 0]}]}, "each once"),
        ({"training": {"seed": 3}}, "training: 'seed' is set by the study itself"),
        ({"training": {"stepps": 3}}, "unknown key 'stepps'"),
        ({"cohorts": {"a/b": {"folder": "x"}}}, "cannot name a folder"),
        ({"cohorts": {"a": {}}}, "give either phantom (settings) or folder"),
        ({"cohorts": {"a": {"folder": "nowhere"}}, "blocks": [{"n_train": [4], "seeds": [0]}]}, "is not a cohort"),
        ({"comparisons": [["pair", "none"]]}, "unknown arm 'none'"),
    ],
)
def test_what_does_not_fit_is_one_line(change: dict[str, Any], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, STUDY | change, tmp_path / "out") == 2
    error = capsys.readouterr().err.strip()
    assert message in error and len(error.splitlines()) == 1


def test_another_study_in_the_same_folder_is_refused(done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, STUDY | {"training": STUDY["training"] | {"steps": 3}}, done) == 2
    assert "training.steps: 2 there, 3 now" in capsys.readouterr().err
    blocks = [STUDY["blocks"][0], STUDY["blocks"][1] | {"training": {"steps": 3}}]
    assert run(tmp_path, STUDY | {"blocks": blocks}, done) == 2
    assert "was run with other settings" in capsys.readouterr().err
    arms = STUDY["arms"] | {"pair": {"arm": "pair", "references": {"strategy": "random"}}}
    assert run(tmp_path, STUDY | {"arms": arms}, done) == 2
    assert "was run with other settings" in capsys.readouterr().err


def test_a_study_ends_with_its_comparisons_and_the_next_command(done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(STUDY, sort_keys=False), encoding="utf-8")
    assert run_app(app, ["study", str(file), "--out", str(done)]) == 0  # all is there: nothing is trained again
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == f"next: see-in-pairs methods {done}"
    assert any("pair minus single" in line for line in lines)
    assert run_app(app, ["methods", str(done), "--quiet"]) == 0
