"""The bridge: predictions against closed forms, and the whole way from inserted lesions to the figure at toy size."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from scipy import ndimage, stats

from empirical.cohorts import Cohort, CohortInfo
from empirical.cohorts.importing import assemble
from empirical.cohorts.insertion import InsertConfig, insert_lesions
from paper_figures.cli import app
from paper_figures.observers import bridge
from paper_figures.observers.bridge import at_separation, predictions
from paper_figures.observers.bridge_figure import draw_bridge
from paper_figures.statistics.roc.leak import leak_of
from see_in_pairs.console import run_app
from see_in_pairs.errors import InputError
from theory.models.variance_components import auc_gain

FAMILY = {"strategy": "demographic", "columns": ["family"], "caliper": {}}
STUDY: dict[str, Any] = {
    "model": {"name": "pocket-random"},
    "arms": {
        "single": {"arm": "single"},
        "duplicate": {"arm": "duplicate"},
        "made": {"arm": "pair", "references": FAMILY},
        "random": {"arm": "pair", "references": {"strategy": "random"}},
        "made-alone": {"arm": "reference_only", "references": FAMILY},
    },
    "training": {"method": "full", "steps": 4, "batch_size": 4, "threads": 1, "doctor": False},
    "evaluation": {"batch_size": 40, "threads": 1, "doctor": False},
    "comparisons": [["made", "single"], ["random", "single"], ["made", "duplicate"]],
    "keep_models": False,
    "blocks": [
        {"part": "first", "arms": ["single", "duplicate", "made", "made-alone"], "n_train": [4], "seeds": [0, 1]},
        {"part": "second", "arms": ["random"], "n_train": [4], "seeds": [0, 1]},
    ],
}


def area(d: float) -> float:
    return float(stats.norm.cdf(d / np.sqrt(2)))


def measured(single: float = 0.9, rho: float = 0.6, gain: float = 0.05, leak: float = 0.5, **more: Any) -> pd.Series:
    values = {"single": single, "gain": gain, "gain_low": gain - 0.02, "gain_high": gain + 0.02, "rho": rho, "rho_low": rho - 0.1,
              "rho_high": rho + 0.1, "leak": leak, "leak_found": leak > 0.5}  # fmt: skip
    return pd.Series(values | more)


@pytest.mark.parametrize("rho", [0.3, 0.8])
def test_an_observer_s_gain_at_another_separation_is_that_of_t1(rho: float) -> None:
    for d, of_model in ((1.5, 0.7), (0.9, 1.6)):
        assert at_separation(area(d), float(auc_gain(d, rho)), area(of_model)) == pytest.approx(float(auc_gain(of_model, rho)), abs=1e-12)
    assert at_separation(0.9, 0.2, 0.8) == pytest.approx(0.2)  # an observer who is always right: so would the model be
    assert at_separation(0.8, -0.05, 0.8) == pytest.approx(-0.05)
    assert np.isnan(at_separation(0.5, 0.1, 0.8)) and np.isnan(at_separation(0.8, 0.1, 0.45))


def test_theory_s_gain_is_that_of_the_measured_correlation_and_leak() -> None:
    d, rho = 1.1, 0.6
    plain = predictions(measured(rho=rho), area(d))
    assert plain["theory"] == pytest.approx(float(auc_gain(d, rho))) and plain["leak_share"] == 0
    assert (plain["theory_low"], plain["theory_high"]) == pytest.approx([float(auc_gain(d, end)) for end in (rho - 0.1, rho + 0.1)])
    leaking = predictions(measured(rho=rho, leak=0.7), area(d))
    share = float(leak_of(0.9, 0.7))
    assert leaking["leak_share"] == pytest.approx(share)
    assert leaking["theory"] == pytest.approx(area(d * np.sqrt(1 + (rho - share) ** 2 / (1 - rho**2))) - area(d))
    around = predictions(measured(rho=0.05), area(d))
    assert around["theory_low"] == 0 and around["theory_high"] == pytest.approx(float(auc_gain(d, 0.15)))
    assert plain["observers_low"] < plain["observers"] < plain["observers_high"]
    assert predictions(measured(), 0.45)["theory"] == 0  # no separation, nothing to gain


def test_what_observers_could_not_measure_predicts_nothing() -> None:
    found = predictions(pd.Series({"note": "too few patients"}), 0.8)
    assert np.isnan(found["theory"]) and np.isnan(found["observers"]) and found["observer_note"] == "too few patients"


@pytest.fixture(scope="module")
def lesions(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Lesions in smoothed noise, with made references that share a known part."""
    folder, rng, rows = tmp_path_factory.mktemp("films") / "cohort", np.random.default_rng(4), []
    (folder / "images").mkdir(parents=True)
    for patient in range(90):
        name = f"images/{patient:03d}.png"
        shown = 120 + ndimage.gaussian_filter(60 * rng.standard_normal((48, 48)), 1.5)
        Image.fromarray(np.rint(shown).clip(0, 255).astype(np.uint8)).save(folder / name)
        rows.append({"item_id": name, "image": name, "patient_id": f"p{patient}", "label": "well", "split": "train"})
    source = assemble(folder, CohortInfo("films", "folder", "well", ["ill"], "noise", "a spot"), pd.DataFrame(rows))
    config = InsertConfig(size=48, width=1.5, lesions_per_image=4, fractions=(0.4, 0, 0.4, 0.2), made={"rho": 0.8}, channels=4)
    return insert_lesions(source, config, folder.parent / "lesions", seed=1)


@pytest.fixture(scope="module")
def study(lesions: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first part of a study of these lesions."""
    return _run(tmp_path_factory.mktemp("study"), {"noise": {"folder": str(lesions.folder)}}, "--part", "first")


def _run(folder: Path, cohorts: dict[str, Any], *words: str) -> Path:
    file = folder / "study.yaml"
    file.write_text(yaml.safe_dump(STUDY | {"cohorts": cohorts}, sort_keys=False), encoding="utf-8")
    assert run_app(app, ["study", str(file), "--out", str(folder / "out"), "--quiet", *words]) == 0
    return folder / "out"


def test_the_command_goes_from_a_study_to_the_figure_and_on_with_its_next_part(
    study: Path, lesions: Cohort, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = ["bridge", str(study), "--out", str(tmp_path / "bridge"), "--json", "--quiet"]
    assert run_app(app, typed) == 0
    (shown,) = json.loads(capsys.readouterr().out)["bridge"]
    assert {path.name for path in (tmp_path / "bridge" / "figures").iterdir()} >= {"bridge.png", "bridge.pdf", "bridge.csv"}
    row = pd.read_csv(tmp_path / "bridge" / "bridge.csv").iloc[0]
    comparisons, areas, leak = (pd.read_csv(study / f"{name}.csv") for name in ("comparisons", "study", "leak"))
    over = comparisons[(comparisons["a"] == "made") & (comparisons["kind"] == "gain")].set_index("b")
    assert row["observed"] == pytest.approx(over.loc["single", "difference"])
    assert (row["observed_low"], row["observed_high"]) == pytest.approx((over.loc["single", "low"], over.loc["single", "high"]))
    assert row["over_duplicate"] == pytest.approx(over.loc["duplicate", "difference"])
    assert row["single"] == pytest.approx(areas.set_index("arm").loc["single", "auroc"], abs=2e-5)
    assert row["reference_alone"] == pytest.approx(leak["auroc_reference"].iloc[0])
    assert (shown["arm"], shown["trainings"], shown["made_rho"], shown["items"]) == ("made", 2, 0.8, len(lesions.queries("test")))
    assert row["observer_rho_low"] < 0.8 < row["observer_rho_high"] and row["observer_gain_low"] > 0
    # the next part of the study adds a row; what was measured of the first is read again
    asked = []
    real = bridge.compare_strategies
    monkeypatch.setattr(bridge, "compare_strategies", lambda *words, **more: asked.append(words[1].strategies) or real(*words, **more))
    grown = tmp_path / "grown"
    shutil.copytree(study.parent, grown)
    _run(grown, {"noise": {"folder": str(lesions.folder)}})
    typed[1] = str(grown / "out")
    assert run_app(app, typed) == 0
    table = pd.read_csv(tmp_path / "bridge" / "bridge.csv").set_index("arm")
    assert list(table.index) == ["made", "random"] and [list(one) for one in asked] == [["random"]]
    pd.testing.assert_series_equal(table.loc["made"], row.drop("arm"), check_names=False)
    assert np.isnan(table.loc["random", "over_duplicate"]) and np.isnan(table.loc["random", "made_rho"])
    assert table.loc["random", "observer_rho_high"] < 0.5
    texts = [text.get_text() for text in draw_bridge(table.reset_index(), "title").findobj(lambda one: hasattr(one, "get_text"))]
    assert {"made", "random", "noise", "the same over the duplicate", "as predicted"} <= set(texts)


def test_what_cannot_be_bridged_is_one_line(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(folder: Path) -> str:
        assert run_app(app, ["bridge", str(folder), "--out", str(tmp_path / "out"), "--quiet"]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        return error

    assert "study.json: no such file" in said(tmp_path)
    early = tmp_path / "early"
    shutil.copytree(study, early)
    table = pd.read_csv(study / "comparisons.csv")
    table[table["b"] != "single"].to_csv(early / "comparisons.csv", index=False)
    assert "run more parts of the study" in said(early)
    (early / "comparisons.csv").write_text("\n")  # a study that has compared nothing yet
    assert "run more parts of the study" in said(early)
    content = json.loads((early / "study.json").read_text())
    content["arms"].pop("single")
    content["blocks"], content["comparisons"] = [content["blocks"][1]], []
    (early / "study.json").write_text(json.dumps(content))
    assert "has no arm 'single'" in said(early)


def test_what_failed_is_tried_again_and_what_was_measured_is_read_again(
    study: Path, lesions: Cohort, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    typed, settings = ["bridge", str(study), "--out", str(tmp_path / "out"), "--quiet"], bridge.read_study(study)
    asked: list[str] = []

    def compare(cohort: Cohort, config: Any, seed: int, quiet: bool) -> pd.DataFrame:
        (arm,) = config.strategies
        asked.append(arm)
        if arm == failing:
            raise error
        rows = [{"strategy": arm, "observer": name, "note": ""} | dict(measured()) for name in ("difference", "joint")]
        return pd.DataFrame(rows)

    monkeypatch.setattr(bridge, "compare_strategies", compare)
    failing, error = "made", InputError("no such model")
    assert run_app(app, typed) == 2
    assert "so nothing is predicted: no such model" in (said := capsys.readouterr().err) and said.count("\n") == 1
    failing = ""
    assert run_app(app, typed) == 0 and run_app(app, typed) == 0
    assert asked == ["made", "made"]
    # killed at the second arm, the run goes on from there; an arm that fails says why, beside the others
    arms = {arm: settings.arms[arm].references for arm in ("made", "random")}
    words = [lesions, arms, settings.model, bridge.PartCache(tmp_path / "parts", quiet=True), "noise", 0, True]
    failing, error = "random", KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        bridge._observers(*words)
    error, asked[:] = InputError("too few patients"), []
    found = bridge._observers(*words)
    assert asked == ["random"] and found.loc["made", "gain"] == 0.05
    assert np.isnan(found.loc["random", "gain"]) and found.loc["random", "note"] == "too few patients"


def test_a_lesion_too_wide_for_the_channels_is_one_line(lesions: Cohort, study: Path, tmp_path: Path) -> None:
    known = lesions.info.parameters | {"profile": "disc", "width": 40.0, "size": 128}
    wide = Cohort(lesions.folder, dataclasses.replace(lesions.info, parameters=known), lesions.table)
    arms = {"made": bridge.read_study(study).arms["made"].references}
    with pytest.raises(InputError, match=r"channels.side: Input should be less than or equal to 513"):
        bridge._observers(wide, arms, None, bridge.PartCache(tmp_path, quiet=True), "noise", 0, True)


def test_numbers_of_training_patients_are_told_apart() -> None:
    shared = {"cohort": "noise", "arm": "made", "trainings": 1, "over_duplicate": np.nan, "observed_low": np.nan, "observed_high": np.nan}
    row = shared | predictions(measured(), 0.8)
    table = pd.DataFrame([row | {"n_train": n, "observed": 0.1} for n in (20, 80)])
    legend = {text.get_text() for text in draw_bridge(table, "title").legends[0].get_texts()}
    assert {"made, 20 patients", "made, 80 patients"} <= legend


def test_cohorts_without_inserted_lesions_are_left_out(study: Path, lesions: Cohort, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(lesions.folder, other)
    facts = json.loads((other / "cohort.json").read_text())
    (other / "cohort.json").write_text(json.dumps(facts | {"kind": "folder"}))
    settings = bridge.read_study(study)
    both = settings.model_copy(
        update={"cohorts": settings.cohorts | {"plain": settings.cohorts["noise"].model_copy(update={"folder": str(other)})}}
    )
    assert list(bridge.study_cohorts(both, study)) == ["noise"]
    alone = settings.model_copy(update={"cohorts": {"plain": both.cohorts["plain"]}})
    with pytest.raises(InputError, match="has inserted lesions"):
        bridge.study_cohorts(alone, study)
