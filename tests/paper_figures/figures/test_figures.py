"""The figures: what they show is what the data say, and each carries its claim, caption and sources."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from paper_figures.cli import app
from paper_figures.figures import FIGURES
from paper_figures.figures.auroc_by_arm import run_row
from paper_figures.number_format import short, with_interval
from paper_figures.plotting.staleness import check_figure
from paper_figures.results.runs import RunResults
from see_in_pairs.console import run_app
from theory.statements.t1_univariate_rules import error
from theory.statements.t4_learning_curves import error as exact_error


@pytest.fixture
def drawn(complete: Path) -> Path:
    """The folder of all figures."""
    return complete / "figures"


@pytest.mark.parametrize("name", FIGURES)
def test_each_comes_with_its_data_and_provenance(drawn: Path, name: str) -> None:
    for suffix in (".png", ".pdf"):
        found = check_figure(drawn / f"{name}{suffix}")
        assert found.fresh, found.reasons
        assert found.provenance.claim.startswith("C")
        assert len(found.provenance.caption) > 80
        assert found.provenance.config_hash == "0123456789abcdef"
    assert not pd.read_csv(drawn / f"{name}.csv").empty
    with Image.open(drawn / f"{name}.png") as picture:
        pixels = np.asarray(picture.convert("L"))
    assert picture.width >= 1600  # readable at a talk
    assert 0.5 < (pixels > 250).mean() < 0.99 or name in ("phantom_pairs", "phase_diagram")
    border = np.concatenate([pixels[:2].ravel(), pixels[:, :2].ravel(), pixels[:, -2:].ravel()])
    assert border.min() > 200  # nothing is cut off at the edge


def test_points_lie_on_the_curves(drawn: Path) -> None:
    data = pd.read_csv(drawn / "when_comparison_helps.csv")
    points = data[data["kind"] == "simulation"]
    z = [(row.error - float(error(1.0, row.rho, row.rule))) / row.mcse for row in points.itertuples()]
    assert np.abs(z).max() < 4.5  # 33 points; a false alarm at 4.5 has probability 2e-4
    curve = data[data["kind"] == "curve"].pivot(index="rho", columns="rule", values="error")
    assert (curve.loc[curve.index < 0.5, "difference"] > curve.loc[curve.index < 0.5, "single"]).all()
    assert (curve.loc[curve.index > 0.5, "difference"] < curve.loc[curve.index > 0.5, "single"]).all()
    assert (curve["optimal"] <= curve["single"] + 1e-15).all()


def test_phase_diagram_shows_what_the_statements_say(drawn: Path) -> None:
    data = pd.read_csv(drawn / "phase_diagram.csv")
    known, learned = (data[data["panel"] == panel] for panel in ("known", "learned"))
    assert known.loc[known["rho"] == 0, "gain"].abs().max() < 1e-9  # T1.3: a random reference is worth nothing to who knows
    helps = known["difference"] < known["single"] - 1e-9
    assert (helps == (known["rho"] > 1 / (known["m"] + 1) + 1e-9)).all()  # T2.1
    assert (learned.loc[learned["rho"] == 0, "gain"].dropna() < 0).all()  # and who has to learn it loses
    assert learned.loc[learned["n_per_class"] < 27, "gain"][learned["p"] == 50].isna().all()  # p < 2 n - 2


@pytest.mark.parametrize(("p", "n", "rho"), [(5, 10, 0.0), (5, 10, 0.8), (5, 40, 0.3), (5, 200, 0.6), (50, 100, 0.7), (50, 600, 0.2)])
def test_phase_diagram_is_within_the_stated_error_of_the_exact_one(p: int, n: int, rho: float) -> None:
    from paper_figures.figures.phase_diagram import _trained

    for rep in ("single", "difference", "concat"):
        assert _trained(p, n, rho, rep) == pytest.approx(exact_error(p, n, 1.0, rho, rep, "pooled"), abs=0.0108 if n < 40 else 0.0042)


def test_auroc_rows(drawn: Path, finished: Path) -> None:
    data = pd.read_csv(drawn / "auroc_by_arm.csv").set_index("run_id")
    assert data.loc["single", "ideal"] == pytest.approx(0.7491, abs=1e-4)  # Phi(.95 / sqrt 2)
    assert data.loc["pair-0.90", "low"] < data.loc["pair-0.90", "ideal"] < data.loc["pair-0.90", "high"]
    assert data.loc["pair-0.90-shown-random", "ideal_gain"] == pytest.approx(0)
    assert data.loc["pair-0.90-shown-0.50", "ideal"] == pytest.approx(0.7810, abs=1e-4)
    assert data.loc["pair-0.90-shown-reference-only", "ideal"] == pytest.approx(0.5)  # a healthy picture alone tells nothing
    assert data["flag"].isna().all() and (data["trainings"] == [0] * 3 + [3] * 9).all()
    assert data.loc["off-pair-0.90", "against"] == "off-single"
    assert data.loc["pair-0.90-shown-random", "group"].startswith("finetuned on pairs, shown")
    assert np.isnan(data.loc["single", "gain"])
    results = RunResults(finished)
    run = results.find(run_id="pair-0.90")
    assert run is not None
    assert run_row(results, run)["gain"] == pytest.approx(data.loc["pair-0.90", "auroc"] - data.loc["single", "auroc"], abs=1e-9)


def test_random_references_are_shown_as_strangers(drawn: Path) -> None:
    data = pd.read_csv(drawn / "phantom_pairs.csv")
    relatives, strangers = (data[data["strategy"] == strategy] for strategy in ("demographic", "random"))
    assert (relatives["reference_id"] == relatives["item_id"] + "-r1").all()
    assert (strangers["reference_id"] != strangers["item_id"] + "-r1").all()
    assert set(data["label"]) == {"healthy", "nodule"}


def test_commands(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(app, ["figures", "--out", str(out), "--only", "auroc_by_arm", "--quiet"]) == 0
    assert capsys.readouterr().out.strip().endswith("auroc_by_arm.png")
    assert run_app(app, ["figures", "--out", str(out), "--only", "nothing"]) == 2
    assert "choose from when_comparison_helps" in capsys.readouterr().err
    (out / "records" / "records.parquet").unlink()
    assert run_app(app, ["figures", "--out", str(out)]) == 2
    assert "see-in-pairs reproduce" in capsys.readouterr().err


def test_a_broken_image_is_one_line(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (out / "cohorts" / "rho-0.90" / "images" / "test-00000.png").write_bytes(b"no picture")
    assert run_app(app, ["figures", "--out", str(out), "--only", "phantom_pairs"]) == 2
    assert "test-00000.png" in capsys.readouterr().err


def test_numbers_of_figures() -> None:
    assert short(-0.004) == "−0.004"  # not "0.00": the sign of an interval's end must be seen
    assert short(-0.00004) == "0.00"
    assert short(float("nan")) == "–"
    assert with_interval(0.5, 0.25, float("inf")) == "0.500 [0.250, ∞]"
