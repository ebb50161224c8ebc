"""Numbers for a paper: every one is traced to its cell, and one digit that is altered anywhere is found."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from paper_figures.cli import app
from paper_figures.report.methods import MACRO, MARKED, check_numbers
from see_in_pairs.console import run_app


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("run"), np.random.default_rng(0)
    labels = np.arange(120) // 2 % 2
    for arm, d in (("single", 0.7), ("pair", 1.4)):
        scores = 1 / (1 + np.exp(-rng.normal(size=120) - d * (2 * labels - 1)))
        table = pd.DataFrame(
            {"item_id": [f"i{k}" for k in range(120)], "patient_id": np.arange(120) // 2, "label": labels, "score": scores}
        )
        table.to_csv(folder / f"{arm}.csv", index=False)
    files = [str(folder / f"{arm}.csv") for arm in ("single", "pair")]
    assert run_app(app, ["compare", *files, "--out", str(folder / "out"), "--resamples", "100", "--quiet"]) == 0
    return folder / "out"


@pytest.fixture
def written(run: Path) -> Path:
    assert run_app(app, ["methods", str(run), "--quiet"]) == 0
    return run / "methods"


def test_every_number_of_the_table_has_its_macro(run: Path, written: Path) -> None:
    table = pd.read_csv(run / "comparison.csv")
    trace = pd.read_csv(written / "numbers.csv", dtype=str)
    cells = set(zip(trace["row"], trace["column"], strict=True))
    for number, row in enumerate(table.itertuples(), start=1):
        for column in ("a", "b", "difference", "low", "high", "p"):
            assert np.isnan(getattr(row, column)) == ((str(number), column) not in cells)
    macros = dict(MACRO.findall((written / "numbers.tex").read_text()))
    assert set(macros) == set(trace["macro"])
    assert all(re.fullmatch("[A-Za-z]+", macro) for macro in macros)
    assert float(macros["SipComparisonAurocRecommendedA"]) == pytest.approx(table.loc[1, "a"], abs=5e-4)


def test_the_paragraph_states_what_is_recommended(run: Path, written: Path) -> None:
    text = (written / "methods.md").read_text()
    plain = re.sub("<!--.*?-->", "", text)
    row = pd.read_csv(run / "comparison.csv").iloc[1]
    assert f"- auroc: A {row['a']:.3f}, B {row['b']:.3f}, difference {row['difference']:.3f}" in plain
    assert row["test"] in plain
    assert len(MARKED.findall(text)) > 12
    with open(written / "checklist.csv", newline="") as lines:
        sheet = list(csv.DictReader(lines))
    assert {"to be written by the author", "single, pair"} <= {one["answer"] for one in sheet}


def test_it_verifies(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(app, ["verify", str(written)]) == 0
    assert "each as in its cell" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "before"),
    [
        ("methods/numbers.csv", "SipComparisonAurocRecommendedA,0.(\\d)"),
        ("methods/numbers.tex", "SipComparisonAurocRecommendedA}{0.(\\d)"),
        ("methods/methods.md", "SipComparisonAurocRecommendedA-->0.(\\d)"),
        ("methods/methods.md", "RecommendedTest-->.*?(\\d)"),
        ("methods/checklist.csv", "same (\\d)"),
        ("comparison.csv", "auroc,.*?0.\\d{8}(\\d)"),
        ("manifest.json", '"threshold": 0.(\\d)'),
    ],
)
def test_one_digit_is_found(run: Path, written: Path, name: str, before: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = run / name
    old = file.read_text()
    found = re.search(before, old)
    assert found is not None
    at = found.start(1)
    file.write_text(old[:at] + str((int(old[at]) + 1) % 10) + old[at + 1 :])
    try:
        assert run_app(app, ["verify", str(written)]) == 1
        assert "differ" in capsys.readouterr().err
    finally:
        file.write_text(old)
    assert check_numbers(written)[1] == []


def test_it_has_a_manifest_and_does_not_write_into_the_run(run: Path, written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads((written / "manifest.json").read_text())["command"] == "methods"
    assert run_app(app, ["methods", str(run), "--out", str(run)]) == 2
    assert not (run / "numbers.csv").exists()
    assert "error" in capsys.readouterr().err


def test_what_is_no_run_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(app, ["methods", str(tmp_path)]) == 2
    assert "no manifest.json" in capsys.readouterr().err
    (tmp_path / "manifest.json").write_text('{"package": "other"}')
    assert run_app(app, ["methods", str(tmp_path)]) == 2
    assert run_app(app, ["verify", str(tmp_path)]) == 2
    assert "no such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("manifest.json", "[" * 100_000 + "]" * 100_000), ("manifest.json", "null"), ("manifest.json", '{"seed": ' + "9" * 5000 + "}"),
        ("comparison.csv", "x" * 200_000), ("comparison.csv", '"' + "a\n" * 100_000),
    ],
    ids=["deep", "null", "digits", "long field", "open quote"],
)  # fmt: skip
def test_a_damaged_file_of_a_run_is_one_line(
    run: Path, tmp_path: Path, name: str, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / name).write_text(content)
    assert run_app(app, ["methods", str(tmp_path / "run"), "--out", str(tmp_path / "out"), "--quiet"]) == 2
    assert f"error: {tmp_path / 'run' / name}: " in capsys.readouterr().err


def test_the_verdicts_of_a_chain_are_stated_and_traced(complete: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    shutil.copy(complete / "claims.csv", out)
    shutil.copytree(complete / "figures", out / "figures", ignore=shutil.ignore_patterns("*.png", "*.pdf"))
    manifest = {"package": "see-in-pairs", "version": "0", "command": "reproduce", "finished": "now", "config_hash": "0", "seed": 0}
    (out / "manifest.json").write_text(json.dumps(manifest))
    assert run_app(app, ["methods", str(out), "--quiet"]) == 0
    rows = pd.read_csv(out / "claims.csv")
    judged = rows[(rows["verdict"] != "not tested") & (rows["role"] == "gain")]
    text = re.sub("<!--.*?-->", "", (out / "methods" / "methods.md").read_text())
    for (claim, source), parts in judged.groupby(["claim", "source"]):
        assert f"- {claim}, {source}: {parts['verdict'].iloc[0]}" in text
    sources = {Path(file).name for file in pd.read_csv(out / "methods" / "numbers.csv")["file"]}
    assert {"claims.csv", "auroc_by_arm.csv"} <= sources
    assert check_numbers(out / "methods")[1] == []
    page = out / "methods" / "methods.md"
    page.write_text(page.read_text().replace("-->0.02<!--", "-->0.03<!--").replace("-->0.020<!--", "-->0.030<!--"))
    assert check_numbers(out / "methods")[1]
