"""The figure of a comparison: what its CSV holds, its provenance, what cannot be drawn, and the options that draw it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from paper_figures.cli import app
from paper_figures.comparison.item_table import ArmPair, ComparisonSettings
from paper_figures.plotting.comparison import comparison_data, save_comparison
from paper_figures.plotting.provenance import read_provenance
from paper_figures.statistics import net_benefit, roc_bands
from paper_figures.statistics.validation import NotEstimable
from see_in_pairs.errors import InputError

SETTINGS = ComparisonSettings(arms=("single", "pair"), resamples=100)


def table(arm: str, n: int = 160) -> pd.DataFrame:
    rng = np.random.default_rng(len(arm))
    labels = np.arange(n) // 2 % 2
    scores = 1 / (1 + np.exp(-rng.normal(size=n) - (1.5 if arm == "pair" else 0.8) * (2 * labels - 1)))
    return pd.DataFrame({"item_id": [f"i{k}" for k in range(n)], "patient_id": np.arange(n) // 2, "label": labels, "score": scores})


def pair_of(scale: float = 1.0, n: int = 160) -> ArmPair:
    a, b = table("single", n), table("pair", n)
    return ArmPair(a["score"] * scale, b["score"] * scale, a["label"], a["patient_id"])


def test_the_csv_holds_every_number(tmp_path: Path) -> None:
    path = save_comparison(pair_of(), SETTINGS, tmp_path, "drawn", [], "")
    data = pd.read_csv(tmp_path / "drawn.csv")
    a, b = table("single"), table("pair")
    bands = roc_bands([a["score"], b["score"]], a["label"], a["patient_id"], resamples=100)
    curve = data[(data["kind"] == "roc") & (data["arm"] == "pair")]
    assert curve["lower_tpr"].to_numpy() == pytest.approx(bands.lower_tpr[1], abs=1e-9)
    assert curve["auroc_low"].iloc[0] < curve["auroc"].iloc[0] < curve["auroc_high"].iloc[0]
    benefit = net_benefit(a["score"], b["score"], a["label"], a["patient_id"], thresholds=[0.4])
    row = data[(data["kind"] == "net benefit") & (data["arm"] == "difference") & np.isclose(data["threshold"], 0.4)].iloc[0]
    assert [row["value"], row["low"], row["high"]] == pytest.approx(
        [benefit.difference[0], benefit.low["difference"][0], benefit.high["difference"][0]]
    )
    with Image.open(path) as image:
        assert min(image.size) > 900
    provenance = read_provenance(path)
    assert "simultaneous 95%" in provenance.caption
    assert "paired" in provenance.caption
    assert set(provenance.modules) == {"paper_figures.plotting.comparison", "paper_figures.plotting.style"}


def test_scores_that_are_no_probabilities_leave_the_curves() -> None:
    data, caption = comparison_data(pair_of(scale=3.0), SETTINGS)
    assert set(data["kind"]) == {"roc"}
    assert "not probabilities" in caption


def test_few_of_a_class_have_curves_without_bands(tmp_path: Path) -> None:
    pair = pair_of(n=40)
    data, caption = comparison_data(pair, SETTINGS)
    assert data["lower_tpr"].isna().all()
    assert "none, only 10 clusters" in caption
    assert save_comparison(pair, SETTINGS, tmp_path, "few", [], "").exists()


def test_what_has_no_curve_is_said() -> None:
    with pytest.raises(NotEstimable, match="need scores and labels"):
        comparison_data(ArmPair([1, 0], [0, 1], None), SETTINGS)
    with pytest.raises(NotEstimable, match="one class"):
        comparison_data(ArmPair([0.1, 0.2], [0.1, 0.3], [1, 1]), SETTINGS)


def test_compare_draws_it(tmp_path: Path) -> None:
    for arm in ("single", "pair"):
        table(arm).to_csv(tmp_path / f"{arm}.csv", index=False)
    files = [str(tmp_path / "single.csv"), str(tmp_path / "pair.csv")]
    done = CliRunner().invoke(
        app, ["compare", *files, "--figure", str(tmp_path / "talk.png"), "--out", str(tmp_path / "out"), "--resamples", "100"]
    )
    assert done.exit_code == 0, done.output
    for name in ("talk", "out/diagnostic"):
        assert all((tmp_path / f"{name}{suffix}").exists() for suffix in (".png", ".pdf", ".csv"))
    assert CliRunner().invoke(app, ["verify", str(tmp_path / "talk.png")]).exit_code == 0
    (tmp_path / "pair.csv").write_text((tmp_path / "pair.csv").read_text().replace("0.9", "0.8", 1))
    assert CliRunner().invoke(app, ["verify", str(tmp_path / "talk.png")]).exit_code == 1


def test_compare_without_scores_says_so_before_it_begins(tmp_path: Path) -> None:
    for arm in ("a", "b"):
        pd.DataFrame({"item_id": ["x", "y"], "correct": [1, 0]}).to_csv(tmp_path / f"{arm}.csv", index=False)
    done = CliRunner().invoke(app, ["compare", str(tmp_path / "a.csv"), str(tmp_path / "b.csv"), "--figure", str(tmp_path / "f.png")])
    assert isinstance(done.exception, InputError)  # which the program turns into one line
    assert not (tmp_path / "f.png").exists()


def test_the_table_beside_the_figure_spares_the_inputs(tmp_path: Path) -> None:
    for arm in ("single", "pair"):
        table(arm).to_csv(tmp_path / f"{arm}.csv", index=False)
    before = (tmp_path / "pair.csv").read_bytes()
    files = [str(tmp_path / "single.csv"), str(tmp_path / "pair.csv")]
    done = CliRunner().invoke(app, ["compare", *files, "--figure", str(tmp_path / "pair.png")])
    assert isinstance(done.exception, InputError)
    assert (tmp_path / "pair.csv").read_bytes() == before
