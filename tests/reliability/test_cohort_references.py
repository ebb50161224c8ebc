"""References of a cohort that knows nothing of its patients, as a folder of images gives it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from empirical.cohorts.readers.folder import import_folder
from empirical.references.diagnostics.love_plot import love_plot
from paper_figures.cli import app
from see_in_pairs.console import run_app


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    for label in ("well", "ill"):
        (tmp_path / "set" / label).mkdir(parents=True)
        for number in range(12):
            pixels = np.random.default_rng([number, len(label)]).integers(0, 255, (16, 16), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "set" / label / f"{number}.png")
    import_folder(tmp_path / "set", tmp_path / "cohort", healthy="well", quiet=True)
    return tmp_path / "cohort"


def test_references_are_chosen_where_there_is_nothing_to_balance(bare: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "references"
    assert run_app(app, ["cohort", "references", str(bare), "--out", str(out), "--quiet"]) == 0
    assert "no covariates to balance" in capsys.readouterr().out
    assert len(pd.read_parquet(out / "references.parquet")) == 8
    assert list(pd.read_csv(out / "balance.csv").columns)[:2] == ["covariate", "level"]
    assert pd.read_csv(out / "balance.csv").empty
    assert {"balance.png", "balance.pdf", "pairs.png"} <= {path.name for path in out.iterdir()}
    assert run_app(app, ["cohort", "references", str(bare), "--out", str(out), "--quiet", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["balance"] == []


def test_a_covariate_that_is_not_there_is_one_line(bare: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(app, ["cohort", "references", str(bare), "--out", str(tmp_path / "r"), "--column", "ages", "--quiet"]) == 2
    assert "--column ages: no such column" in capsys.readouterr().err


def test_a_love_plot_of_nothing_says_so() -> None:
    columns = ["covariate", "level", "n_missing", "smd_before", "se_before", "smd_after", "se_after"]
    (axes,) = love_plot(pd.DataFrame([], columns=columns), "a cohort").axes
    assert [text.get_text() for text in axes.texts] == ["no covariates to balance"]
