"""The block ``mrmc`` of `compare`: what it holds, readers with gaps, three arms, and what it refuses."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from paper_figures.commands.compare import compare
from paper_figures.comparison.arm_rows import ArmRows
from paper_figures.comparison.item_table import ComparisonSettings
from paper_figures.comparison.mrmc_block import mrmc_block
from paper_figures.statistics import mrmc, reader_agreement
from see_in_pairs.console import new_app, run_app
from see_in_pairs.errors import InputError

DATA = Path(os.environ.get("SEE_IN_PAIRS_DATA", "")) / "mrmc"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    app = new_app("test")
    app.command()(compare)
    app.command("other")(lambda: None)

    def call(*words: object) -> tuple[int, str, str]:
        code = run_app(app, ["compare", *map(str, words)])
        output = capsys.readouterr()
        return code, output.out, output.err

    return call


def table(arms: int = 2, readers: int = 3, items: int = 60, kind: str = "reader") -> pd.DataFrame:
    rng = np.random.default_rng(1)
    arm, reader, item = (axis.ravel() for axis in np.indices((arms, readers, items)))
    label = item // 2 % 2
    z = rng.normal(size=items)[item] + 0.3 * rng.normal(size=(arms, readers))[arm, reader] + rng.normal(size=len(item)) + label * (2 - arm)
    return pd.DataFrame({
        "item_id": [f"i{i}" for i in item], "label": label, "score": 1 / (1 + np.exp(-z)), "arm": [f"arm{a}" for a in arm],
        kind: [f"r{r}" for r in reader], "patient_id": item // 2,
    })  # fmt: skip


@pytest.mark.parametrize("kind", ["reader", "train_seed", "wording"])
def test_the_block_is_what_the_functions_give(kind: str, run: Run, tmp_path: Path) -> None:
    d = table(kind=kind)
    d.sample(frac=1, random_state=0).to_csv(tmp_path / "all.csv", index=False)
    words = (tmp_path / "all.csv", tmp_path / "all.csv", "--arm-a", "arm1", "--arm-b", "arm0", "--mrmc", "--mrmc-covariance", "jackknife")
    code, out, err = run(*words, "--json", tmp_path / "found.json", "--out", tmp_path / "out", "--resamples", 100)
    assert code == 0, err
    block = json.loads((tmp_path / "found.json").read_text())["mrmc"]
    arm = 1 - d["arm"].str[-1].astype(int)
    for fixed, key in (("", None), ("readers", "fixed_readers"), ("cases", "fixed_cases")):
        known = mrmc(d["score"], d["label"], d["item_id"], d[kind], arm, d["patient_id"], covariance="jackknife", fixed=fixed)
        for name in ("obuchowski_rockette", "dorfman_berbaum_metz", "u_statistic"):
            one, expected = (block[key] if key else block)[name], getattr(known, name)
            assert [one[part] for part in ("estimate", "se", "p")] == pytest.approx([expected.estimate, expected.se, expected.p])
            assert one["df"] == (pytest.approx(expected.df) if np.isfinite(expected.df) else None)
    assert block["obuchowski_rockette"]["covariance"] == "jackknife"
    assert block["u_statistic"]["reason"] is None
    accuracy = mrmc(d["score"], d["label"], d["item_id"], d[kind], arm, d["patient_id"], measure="accuracy", threshold=0.5)
    assert block["accuracy"]["dorfman_berbaum_metz"]["se"] == pytest.approx(accuracy.dorfman_berbaum_metz.se)
    own = d[d["arm"] == "arm1"]
    kappa = reader_agreement(own["score"], own["item_id"], own[kind], own["patient_id"]).fleiss_kappa
    assert block["agreement"]["arm1"]["fleiss_kappa"]["interval"] == pytest.approx(kappa.interval)
    assert block["merits"]["arm0"].keys() == {"r0", "r1", "r2"}
    assert (tmp_path / "out" / "comparison.txt").read_text() == out
    assert "Obuchowski-Rockette (jackknife)  arm1 - arm0" in out


@pytest.mark.skipif(
    "SEE_IN_PAIRS_DATA" not in os.environ or not DATA.is_dir(), reason="SEE_IN_PAIRS_DATA names no folder with mrmc/VanDyke.csv"
)
def test_published_data_from_the_command_line(run: Run, tmp_path: Path) -> None:
    for name, se, df, p in (("VanDyke", 0.02068, 15.066, 0.05123), ("Franken", 0.00501, 3.000, 0.1188)):
        d = pd.read_csv(DATA / f"{name}.csv", dtype=str).rename(columns={"truth": "label", "case": "item_id", "rating": "score"})
        d.rename(columns={"treatment": "arm"}).drop(columns=["case2", "case3"], errors="ignore").to_csv(tmp_path / "d.csv", index=False)
        code, _, err = run(tmp_path / "d.csv", tmp_path / "d.csv", "--arm-a", 1, "--arm-b", 2, "--mrmc", "--json", tmp_path / "found.json")
        assert code == 0, err
        block = json.loads((tmp_path / "found.json").read_text())["mrmc"]
        one = block["obuchowski_rockette"]
        assert (one["se"], one["df"], one["p"]) == (pytest.approx(se, abs=5e-6), pytest.approx(df, abs=5e-4), pytest.approx(p, abs=5e-5))
        assert block["accuracy"] is None
        assert "--threshold" in block["reasons"]["accuracy"]
        if name == "Franken":
            assert (block["u_statistic"]["se"], block["u_statistic"]["p"], block["u_statistic"]["interval"]) == (None, None, None)
            assert "negative" in block["u_statistic"]["reason"]


def rows(d: pd.DataFrame, labels: bool = True) -> ArmRows:
    values = d["score"].to_numpy() if labels else (d["score"].to_numpy() > 0.5).astype(float)
    flags = d["label"].to_numpy(dtype=bool) if labels else None
    return ArmRows(d["item_id"].to_numpy(dtype=str), values, flags, None, None, d["reader"].to_numpy(dtype=str))


def test_three_arms_and_readers_with_gaps() -> None:
    d = table(arms=3)
    d = d[(d["item_id"].str[1:].astype(int) + d["reader"].str[-1].astype(int)) % 5 > 0]
    block = mrmc_block([(str(name), rows(part)) for name, part in d.groupby("arm")], ComparisonSettings())
    assert list(block.random.obuchowski_rockette.contrasts) == ["arm0 - arm1", "arm0 - arm2", "arm1 - arm2"]
    assert block.random.obuchowski_rockette.test is not None
    assert "did not read every item" in block.random.design
    assert "pseudovalues need" in block.random.dorfman_berbaum_metz.reason
    assert "all arms" in repr(block)


def test_right_and_wrong_and_metrics_and_one_class() -> None:
    d = table()
    arms = [(str(name), rows(part, labels=False)) for name, part in d.groupby("arm")]
    accuracy = mrmc_block(arms, ComparisonSettings())
    assert (accuracy.random.measure, accuracy.accuracy) == ("accuracy", None)
    assert mrmc_block(arms, ComparisonSettings(), metric="f1").random.measure == "mean"
    positives = [(str(name), rows(part)) for name, part in d[d["label"] == 1].groupby("arm")]
    block = mrmc_block(positives, ComparisonSettings())
    assert (block.random.measure, block.reasons["auroc"]) == ("accuracy", "one class only: no ROC curve")
    moved = [(str(name), rows(part.assign(score=part["score"] * 9))) for name, part in d[d["label"] == 1].groupby("arm")]
    with pytest.raises(InputError, match="one class only: no ROC curve, and scores are outside"):
        mrmc_block(moved, ComparisonSettings(threshold_given=False))


def test_one_reader_has_the_analysis_of_fixed_readers(run: Run, tmp_path: Path) -> None:
    table(readers=1).drop(columns="reader").to_csv(tmp_path / "all.csv", index=False)
    words = (tmp_path / "all.csv", tmp_path / "all.csv", "--arm-a", "arm0", "--arm-b", "arm1")
    code, out, _ = run(*words, "--mrmc", "--json", tmp_path / "found.json")
    block = json.loads((tmp_path / "found.json").read_text())["mrmc"]
    assert code == 0
    assert "one reader only" in block["obuchowski_rockette"]["reason"]
    assert block["fixed_readers"]["obuchowski_rockette"]["se"] > 0
    assert "one reader only" in block["reasons"]["agreement.arm0"]
    assert "one reader only" in out
    assert "mrmc" not in json.loads(run(*words, "--json")[1])


def test_what_is_refused(run: Run, tmp_path: Path) -> None:
    d = table().assign(wording=lambda one: one["reader"])
    d.to_csv(tmp_path / "all.csv", index=False)
    words = (tmp_path / "all.csv", tmp_path / "all.csv", "--arm-a", "arm0", "--arm-b", "arm1")
    assert run(*words, "--mrmc", "--mrmc-covariance", "bootstrap")[0] == 2
    code, _, err = run(*words, "--mrmc-covariance", "jackknife")
    assert (code, "together with --mrmc" in err) == (2, True)
    code, _, err = run(*words, "--mrmc")
    assert (code, "MRMC has one kind of reader" in err) == (2, True)
