"""The command ``cohort references``, its pictures, and the page that lists the arms."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from empirical.arms import ARMS
from empirical.cohorts import Cohort
from empirical.references import Assignment, ReferenceConfig, choose_references
from empirical.references.config import STRATEGIES
from empirical.references.diagnostics.love_plot import love_plot
from empirical.references.diagnostics.pair_sheet import CAPTION, GAP, TILE, pair_sheet
from paper_figures.cli import app
from see_in_pairs.console import run_app

ROOT = Path(__file__).parents[3]
FAMILY = ["--set", "strategy=demographic", "--set", "columns=[family]", "--set", "caliper={}", "--set", "reuse=1"]


def test_references_are_chosen_written_and_shown(phantom: Cohort, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "look"
    assert run_app(app, ["cohort", "references", str(phantom.folder), "--out", str(out), *FAMILY, "--column", "contrast", "--json"]) == 0
    said = capsys.readouterr()
    content = json.loads(said.out)
    assert content["strategy"] == "demographic" and content["unmatched"] == 0
    assert "all 12 test queries matched as asked" in said.err
    table = pd.read_parquet(out / "references.parquet")
    family = phantom.table.set_index("item_id")["family"]
    assert (family[table["item_id"]].to_numpy() == family[table["reference_id"]].to_numpy()).all()
    assert {path.name for path in out.iterdir()} == {
        "references.parquet", "unmatched.csv", "balance.csv", "leak.csv", "balance.png", "balance.pdf", "pairs.png", "manifest.json",
    }  # fmt: skip
    assert json.loads((out / "manifest.json").read_text())["counts"] == {"unmatched": 0, "left_out": 0}


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--set", "strategy=nearest"], "strategy"),
        (["--set", "strategy=embedding"], "name the vision model"),
        (["--set", "strategy=prior"], "no numeric column 'follow_up'"),
        (["--set", "strategy=demographic", "--set", "columns=[height]"], "no column 'height' to match on"),
        (["--split", "autumn"], "no split 'autumn'"),
        (["--config", "none.yaml"], "no such config"),
    ],
)
def test_bad_requests_are_one_line(
    phantom: Cohort, tmp_path: Path, words: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_app(app, ["cohort", "references", str(phantom.folder), "--out", str(tmp_path / "out"), "--quiet", *words]) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert line in error
    assert not (tmp_path / "out").exists()


def balance(**changes: list[float]) -> pd.DataFrame:
    columns: dict[str, list[object]] = {"covariate": ["age", "sex", "site"], "level": ["", "F", "a"]}
    numbers = {"smd_before": [0.2, -0.6, np.nan], "se_before": [0.1, 0.1, np.nan], "smd_after": [0.0, 0.1, 0.3], "se_after": [0.1] * 3}
    return pd.DataFrame(columns | numbers | changes)


def test_a_love_plot_has_the_most_imbalanced_on_top_and_every_number_with_its_interval() -> None:
    figure = love_plot(balance(), "a cohort")
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["age", "sex = F"]  # from below; without a difference, no row
    before, after = axes.containers
    assert before[0].get_xdata().tolist() == [0.2, -0.6] and after[0].get_xdata().tolist() == [0.0, 0.1]
    ends = np.array(before[2][0].get_segments())[:, :, 0]
    assert ends == pytest.approx(np.array([[0.2, 0.2], [-0.6, -0.6]]) + 1.96 * 0.1 * np.array([-1, 1]), abs=1e-4)


def test_a_love_plot_points_at_what_is_infinitely_far() -> None:
    (axes,) = love_plot(balance(smd_before=[np.inf, -0.6, np.nan], se_before=[np.nan, 0.1, np.nan]), "a cohort").axes
    assert ">" in [line.get_marker() for line in axes.lines]


def test_a_sheet_shows_both_classes_beside_their_references(phantom: Cohort) -> None:
    assignment = choose_references(phantom, "test", ReferenceConfig(m=2), seed=0)
    sheet = pair_sheet(phantom, assignment, rows=2)
    assert sheet.size == (2 * (3 * TILE + GAP) + 2 * GAP, 2 * (TILE + CAPTION + GAP))
    pixels = np.asarray(sheet)
    bar = pixels[TILE - 4, :, :]  # the bars under the first row of pictures
    assert {(205, 92, 52), (70, 130, 180)} <= {tuple(colour) for colour in bar.tolist()}
    few = Assignment(assignment.table[:2], assignment.unmatched, "random")
    assert pair_sheet(phantom, few, rows=3).size[1] == TILE + CAPTION + GAP


def test_the_page_about_arms_says_what_the_arms_say() -> None:
    page = (ROOT / "docs" / "explanation" / "references_and_controls.md").read_text()
    tables = runpy.run_path(str(ROOT / "docs" / "_ext" / "catalogue_tables.py"))
    for arm in ARMS.values():
        assert f"| `{arm.name}` | {arm.shows} | {arm.isolates} |" in tables["arms"]()
    for name, strategy in STRATEGIES.items():
        assert f"| `{name}` | {strategy.takes} |" in tables["strategies"]()
    assert "{include} ../generated/arms.md" in page and "{include} ../generated/strategies.md" in page


def test_bundled_configs_are_valid() -> None:
    from empirical.evaluation.config import EvaluateConfig
    from empirical.training.config import FinetuneConfig
    from see_in_pairs.configs import load_config

    configs = ROOT / "empirical" / "configs"
    controls = load_config(EvaluateConfig, configs / "controls-test.yaml")
    assert {arm.arm for arm in controls.arms} == set(ARMS) - {"single", "multi", "wrong_modality"}
    assert load_config(FinetuneConfig, configs / "pair-augmented-lora.yaml").references_per_query == 4
