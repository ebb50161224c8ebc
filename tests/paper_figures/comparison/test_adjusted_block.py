"""``compare --adjust``: comparable patients beside all patients, from a cohort or from the records themselves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from empirical.evaluation.records import Records, write_records
from paper_figures.cli import app
from paper_figures.comparison.adjusted_block import covariate_table
from paper_figures.statistics import covariate_adjusted_auroc, within_stratum_auroc
from see_in_pairs.console import run_app
from see_in_pairs.files import write_json, write_parquet

N = 160


@pytest.fixture
def people() -> pd.DataFrame:
    """Patients whose age and site tell the class."""
    rng = np.random.default_rng(0)
    ill = np.arange(N) % 2 == 1
    return pd.DataFrame(
        {
            "item_id": [f"i{k:03d}" for k in range(N)], "patient_id": [f"p{k // 2:03d}" for k in rng.permutation(N)],
            "label": np.where(ill, "sick", "well"), "age": np.round(50 + 10 * (rng.standard_normal(N) + ill)),
            "site": np.where(rng.random(N) < np.where(ill, 0.7, 0.3), "north", "south"), "sex": rng.choice(["F", "M"], N),
        }
    )  # fmt: skip


def scores(people: pd.DataFrame, effect: float, seed: int) -> np.ndarray:
    ill = people["label"].eq("sick").to_numpy()
    return (people["age"].to_numpy() - 50) / 10 + effect * ill + np.random.default_rng(seed).standard_normal(N)


@pytest.fixture
def records(people: pd.DataFrame, tmp_path: Path) -> Path:
    """Two arms of two trainings each; the pair gains nothing that age does not give."""
    rows = []
    for arm, effect in (("single", 0.0), ("pair", 0.5)):
        for seed in (1, 2):
            p = 1 / (1 + np.exp(-scores(people, effect, 10 * seed + len(arm))))
            rows.append(
                people[["item_id", "patient_id", "label", "site"]].assign(
                    run_id=arm, arm=arm, train_arm=arm, train_seed=seed, n_train=9, reference_strategy="random", seed=0,
                    reference_ids=[[] for _ in range(N)], reference_patient_ids=[[] for _ in range(N)], p_positive=p,
                    logp=[{"yes": float(np.log(a)), "no": float(np.log1p(-a))} for a in p], mass_outside=0.0, generated="", parsed="",
                    score_seconds=0.1,
                )
            )  # fmt: skip
    write_records(tmp_path / "records.parquet", Records(pd.concat(rows, ignore_index=True), ("sick",), "well"))
    return tmp_path / "records.parquet"


@pytest.fixture
def cohort(people: pd.DataFrame, tmp_path: Path) -> Path:
    table = people.assign(image="x.png", split="test")
    for column in ("mask", "family", "serves", "view", "sha256"):
        table[column] = ""
    write_parquet(tmp_path / "cohort" / "cohort.parquet", table)
    info = {"name": "toy", "kind": "table", "healthy": "well", "positive": ["sick"], "modality": "image", "finding": "x"}
    write_json(tmp_path / "cohort" / "cohort.json", info)
    return tmp_path / "cohort"


def compared(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict:
    assert run_app(app, ["compare", *map(str, arguments), "--resamples", "100", "--json", "--quiet"]) == 0
    return json.loads(capsys.readouterr().out)


def test_both_kinds_stand_beside_the_plain_area_and_are_what_the_functions_give(
    records: Path, cohort: Path, people: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    arms = ["--arm-a", "pair", "--arm-b", "single"]
    content = compared(capsys, records, records, *arms, "--cohort", cohort, "--adjust", "age,sex,site")
    before = compared(capsys, records, records, *arms)
    assert {name: value for name, value in content.items() if name != "adjusted"} == before
    found = content["adjusted"]
    assert (found["covariates"], found["trainings"], found["arms"]) == (["age", "sex", "site"], [2, 2], ["pair", "single"])
    curves = np.stack([scores(people, 0.5, 10 * seed + 4) for seed in (1, 2)] + [scores(people, 0.0, 10 * seed + 6) for seed in (1, 2)])
    labels = people["label"].eq("sick").to_numpy()
    covariates = {name: people[name].to_numpy() for name in ("age", "sex", "site")}
    covariates = {name: values.astype(str) if values.dtype == object else values for name, values in covariates.items()}
    adjusted = covariate_adjusted_auroc(curves, labels, covariates, people["patient_id"].to_numpy(dtype=str))
    within = within_stratum_auroc(curves, labels, people["site"].to_numpy(dtype=str), people["patient_id"].to_numpy(dtype=str))
    for name, expected in (("covariate_adjusted", adjusted), ("within_site", within)):
        assert found[name]["a"] == pytest.approx(expected.auc[:2].mean())
        assert found[name]["b"] == pytest.approx(expected.auc[2:].mean())
        between = [(float(part.var(ddof=1)) / 2, 1) for part in (expected.auc[:2], expected.auc[2:])]
        gap = expected.contrast([0.5, 0.5, -0.5, -0.5], between)
        assert found[name]["difference"]["se"] == pytest.approx(gap.se)
        assert found[name]["difference"]["interval"] == pytest.approx(list(gap.interval))
    assert found["plain"]["a"] > found["covariate_adjusted"]["a"] + 0.05
    low, high = found["covariate_adjusted"]["b_interval"]
    assert low < 0.5 < high < found["plain"]["b"]


def test_the_usual_columns_are_adjusted_for_by_default_and_records_have_sites(
    records: Path, cohort: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    arms = [records, records, "--arm-a", "pair", "--arm-b", "single"]
    assert compared(capsys, *arms, "--cohort", cohort)["adjusted"]["covariates"] == ["age", "sex", "site"]
    assert compared(capsys, *arms, "--adjust", "site")["adjusted"]["covariates"] == ["site"]
    assert compared(capsys, *arms, "--cohort", cohort, "--adjust", "age")["adjusted"]["within_site"] is None
    assert run_app(app, ["compare", *map(str, arms), "--adjust", "site", "--resamples", "100", "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "AUROC within site: A 0." in printed
    assert "AUROC adjusted for site: A 0." in (tmp_path / "out" / "comparison.txt").read_text()


def test_a_table_of_text_gives_numbers_but_for_columns_of_names(
    records: Path, cohort: Path, people: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    items = people[["item_id", "age"]].assign(sex=people["sex"].map({"F": "1", "M": "2"}), age=people["age"].where(people.index % 9 > 0))
    items.to_csv(tmp_path / "items.csv", index=False)
    table = pd.read_parquet(cohort / "cohort.parquet")
    write_parquet(cohort / "cohort.parquet", table.assign(age=items["age"], sex=items["sex"]))
    arms = [records, records, "--arm-a", "pair", "--arm-b", "single", "--adjust", "age,sex,age"]
    found = compared(capsys, *arms, "--items", tmp_path / "items.csv")["adjusted"]
    assert found == compared(capsys, *arms, "--cohort", cohort)["adjusted"] | {"cohort": None}
    assert (found["covariates"], found["covariate_adjusted"]["left_out"]) == (["age", "sex"], {"without age": 18})
    for table, options in (
        (tmp_path / "items.csv", ["--items", tmp_path / "items.csv"]),
        (cohort / "cohort.parquet", ["--cohort", cohort]),
    ):
        out = tmp_path / f"out-{table.stem}"
        assert run_app(app, ["compare", *map(str, [*arms, *options]), "--resamples", "100", "--quiet", "--out", str(out)]) == 0
        assert list(json.loads((out / "manifest.json").read_text())["inputs"]) == [str(records), str(table)]
    read = covariate_table(None, items.astype(str).replace("nan", ""), ["age", "sex"])
    assert (read["age"].dtype.kind, set(read["sex"])) == ("f", {"1", "2"})


def test_what_the_items_do_not_bear_is_null_with_its_reason(
    records: Path, cohort: Path, people: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pd.read_parquet(cohort / "cohort.parquet")
    write_parquet(cohort / "cohort.parquet", table.assign(site=np.where(table["label"] == "sick", "north", "south")))
    found = compared(capsys, records, records, "--arm-a", "pair", "--arm-b", "single", "--cohort", cohort, "--adjust", "site")["adjusted"]
    assert (found["within_site"]["a"], found["within_site"]["difference"]) == (None, None)
    assert "no stratum holds both classes" in found["within_site"]["reason"]
    assert "no pair of a diseased and a healthy item is left" in found["covariate_adjusted"]["reason"]


def test_mistakes_are_one_line(records: Path, cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_parquet(tmp_path / "less" / "cohort.parquet", pd.read_parquet(cohort / "cohort.parquet").iloc[1:])
    (tmp_path / "less" / "cohort.json").write_text((cohort / "cohort.json").read_text())
    right = tmp_path / "right.csv"
    pd.DataFrame({"item_id": ["a", "b"] * 5 + ["c"], "correct": 1}).drop_duplicates().to_csv(right, index=False)
    arms = [records, records, "--arm-a", "pair", "--arm-b", "single"]
    unknown = tmp_path / "unknown.csv"
    pd.read_parquet(cohort / "cohort.parquet")[["item_id"]].assign(weight=None).to_csv(unknown, index=False)
    for arguments, says in (
        ([*arms, "--items", unknown, "--adjust", "weight"], "--adjust weight: no item has a value of it"),
        ([*arms, "--adjust", "age"], "--adjust age: the records or the table of --items has no such column"),
        ([*arms, "--cohort", cohort, "--adjust", "weight"], "has no such column"),
        ([*arms, "--cohort", tmp_path / "less"], "1 items of the records are missing"),
        ([right, right, "--adjust", "seed"], "needs scores and labels"),
        ([records, "--arm", "pair", "--arm", "single", "--arm", "pair", "--adjust", "site"], "work with two arms"),
    ):
        assert run_app(app, ["compare", *map(str, arguments)]) == 2
        assert says in capsys.readouterr().err
