"""Does the reference alone tell the class: what matching leaks, what chance leaks, and what is said of it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr, ndtri
from sklearn.linear_model import LogisticRegression

from empirical.audit.confounds import Z_99
from empirical.audit.preflight import save_references
from empirical.audit.reference_leak import (
    EMBEDDING,
    LOOK,
    REPEATS,
    TOGETHER,
    _out_of_fold,
    _ridge_logistic,
    audit_strategies,
    reference_findings,
    reference_table,
    references_as_text,
    standard_strategies,
)
from empirical.cohorts import Cohort, CohortInfo
from empirical.references import ReferenceConfig, choose_references
from see_in_pairs.runs import RunFolder

AGE_AUROC = 0.74


def cohort(n: int, seed: int, auroc: float = AGE_AUROC, images: int = 1) -> Cohort:
    """Patients whose age alone tells the class with this AUROC; a test split, and healthy patients as its references."""
    rng = np.random.default_rng(seed)
    sick = np.concatenate([np.arange(n) % 2 == 0, np.zeros(2 * n, dtype=bool)])
    age = np.round(50 + 10 * (rng.standard_normal(3 * n) + np.sqrt(2) * ndtri(auroc) * sick))
    age[n:] = np.round(50 + 15 * rng.standard_normal(2 * n))  # references of all ages
    table = pd.DataFrame({"patient_id": [f"p{k}" for k in range(3 * n)], "label": np.where(sick, "sick", "well"), "age": age})
    table["split"], table["serves"] = np.where(np.arange(3 * n) < n, "test", "reference"), ""
    table["site"], table["sex"] = rng.choice(["a", "b"], 3 * n), rng.choice(["F", "M"], 3 * n)
    table = pd.concat([table] * images, ignore_index=True)
    table.insert(0, "item_id", [f"i{k}" for k in range(len(table))])
    for column in ("mask", "family", "view", "sha256"):
        table[column] = ""
    return Cohort(Path("toy"), CohortInfo("toy", "table", "well", ["sick"], "image", "x"), table.assign(image="none.png"))


def rows(found: pd.DataFrame, name: str) -> pd.DataFrame:
    return found[found["references"] == name].set_index("told_by")


def test_exactly_matched_ages_carry_the_class_as_the_age_does_and_random_ones_do_not() -> None:
    exact = ReferenceConfig(strategy="demographic", columns=(), caliper={"age": 0.0}, unmatched="leave_out")
    found = audit_strategies(cohort(500, 1), {"exact": exact, "random": ReferenceConfig()}, seed=1)
    age = rows(found, "exact").loc["age"]
    assert AGE_AUROC - 0.06 < age["auroc"] < AGE_AUROC + 0.03
    assert age["low"] < AGE_AUROC < age["high"] + 0.01
    assert rows(found, "exact")["sure"].to_dict() == {"age": False, "sex": False, "site": False, TOGETHER: True, LOOK: False}
    assert not rows(found, "random")["sure"].any()
    assert abs(rows(found, "random").loc["age", "auroc"] - 0.5) < 0.06
    (finding,) = reference_findings(found)
    assert (finding.name, finding.severity) == ("reference_tells_class", "warn")
    assert finding.message.startswith("references by 'exact' alone tell the class of the query, by the covariates together: AUROC 0.7")
    assert "95 % interval" in finding.message and "reference_only" in finding.advice


def test_a_wider_caliper_leaks_less() -> None:
    made = cohort(400, 2)
    configs = {
        str(width): ReferenceConfig(strategy="demographic", columns=(), caliper={"age": width}, unmatched="leave_out")
        for width in (2.0, 15.0, 60.0)
    }
    areas = [rows(audit_strategies(made, {name: config}), name).loc["age", "auroc"] for name, config in configs.items()]
    assert areas[0] > areas[1] > areas[2]
    assert areas[2] < 0.58


def test_chance_is_seldom_taken_for_a_leak() -> None:
    """Columns of noise, with one and with three queries a patient."""
    replicates, alarms, covered = 80, 0, 0
    rng = np.random.default_rng(3)
    for number in range(replicates):
        patients = np.repeat(np.arange(80), 1 + 2 * (number % 2))
        diseased = patients % 2 == 0
        strata = np.stack([rng.permutation(40)[patients // 2] % 5 for _ in range(REPEATS)])
        told = _out_of_fold(rng.standard_normal((len(patients), 4)), diseased, strata, patients, "")
        alarms += told.interval(Z_99)[0] > 0.5
        score = np.repeat(rng.standard_normal(80), 1 + 2 * (number % 2)) + rng.standard_normal(len(patients)) + 1.2 * diseased
        low, high = _out_of_fold(score[:, None], diseased, strata, patients, "").interval()
        covered += low <= ndtr(1.2 / 2) <= high  # the standard deviation of a score within class is sqrt(2)
    assert alarms <= 0.005 * replicates + 3 * np.sqrt(0.005 * replicates)
    assert covered / replicates > 0.95 - 4 * np.sqrt(0.95 * 0.05 / replicates)


def test_the_regression_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(4)
    columns = rng.standard_normal((200, 5))
    labels = columns[:, 0] + rng.standard_normal(200) > 0.3
    expected = LogisticRegression(C=1.0, tol=1e-10, max_iter=1000).fit(columns, labels).coef_[0]
    assert _ridge_logistic(columns, labels) == pytest.approx(expected, abs=1e-5)


def test_an_embedding_that_sees_the_disease_is_found_by_it() -> None:
    made = cohort(240, 5, auroc=0.5)
    sick = made.table["label"].eq("sick").to_numpy()
    vectors = np.random.default_rng(5).standard_normal((len(sick), 3))
    vectors[:, 0] += 2 * sick
    found = audit_strategies(made, {"near": ReferenceConfig(strategy="embedding")}, embeddings=vectors)
    told = rows(found, "near")
    assert told.loc[EMBEDDING, "sure"]
    assert told.loc[EMBEDDING, "auroc"] > 0.75
    assert not told.loc[TOGETHER, "sure"]
    assert told.loc[LOOK, "note"] == "images that cannot be read"


def test_what_cannot_be_chosen_or_tested_says_why() -> None:
    small = audit_strategies(cohort(30, 6), {"random": ReferenceConfig(), "prior": ReferenceConfig(strategy="prior")})
    assert small["auroc"].isna().all()
    assert "too few patients of a class" in references_as_text(small)
    assert rows(small, "prior")["note"].iloc[0].startswith("cannot be chosen:")
    assert list(reference_findings(small)) == []


def test_a_study_without_references_has_no_finding(phantom: Cohort) -> None:
    assert list(reference_findings(audit_strategies(phantom, {}))) == []


def test_the_strategies_are_those_that_the_cohort_allows(phantom: Cohort) -> None:
    assert list(standard_strategies(cohort(30, 7))) == ["random", "demographic (sex, age)", "cross_center (same)", "cross_center (other)"]
    bare = cohort(30, 7)
    bare = replace(bare, table=bare.table.assign(site="", sex="", age=np.nan))
    assert list(standard_strategies(bare, embedded=True)) == ["random", "embedding (nearest)"]


def test_the_label_of_a_query_is_all_that_matters_not_what_the_query_shows() -> None:
    """Columns of the queries themselves are not looked at: changing them, with the same references, changes nothing."""
    made = cohort(200, 8)
    chosen = {"test": choose_references(made, "test", ReferenceConfig(), 0)}
    changed = made.table.assign(age=made.table["age"].where(made.table["split"] != "test", 1.0))
    before, after = (reference_table(one, chosen, "x") for one in (made, replace(made, table=changed)))
    pd.testing.assert_frame_equal(before, after)


def test_a_run_writes_it_beside_its_references_and_into_its_manifest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = cohort(400, 9)
    exact = ReferenceConfig(strategy="demographic", columns=(), caliper={"age": 0.0}, unmatched="relax")
    with RunFolder(tmp_path, "evaluate", {}) as run:
        save_references(made, "test", choose_references(made, "test", exact, 0), run, "pair", quiet=False)
    assert "audit: reference_tells_class: references by 'pair' alone tell the class" in capsys.readouterr().err
    assert [one["name"] for one in json.loads((tmp_path / "manifest.json").read_text())["audit"]] == ["reference_tells_class"]
    assert pd.read_csv(tmp_path / "references" / "pair-leak.csv").set_index("told_by").loc[TOGETHER, "sure"]


def test_a_column_that_is_matched_on_counts_and_many_names_are_few_levels() -> None:
    """The scanner tells the class, and references are of the query's scanner, one of a hundred names."""
    made = cohort(300, 10, auroc=0.5)
    rng, sick = np.random.default_rng(10), made.table["label"].eq("sick").to_numpy()
    number = np.where(rng.random(len(sick)) < 0.7, 2 * rng.integers(0, 3, len(sick)) + sick, rng.integers(0, 100, len(sick)))
    made = replace(made, table=made.table.assign(scanner=[f"s{one}" for one in number]))
    same = ReferenceConfig(strategy="demographic", columns=("scanner",), caliper={}, unmatched="leave_out")
    found = rows(audit_strategies(made, {"same": same}), "same")
    assert found.loc["scanner", "auroc"] > 0.6
    assert found.loc[TOGETHER, "sure"]


def test_the_table_of_the_two_real_sets_is_what_their_audits_say() -> None:
    folder = Path(__file__).parents[3] / "docs" / "results" / "cohorts"
    files = {"ChestX-ray14": "nih", "adults, PA view": "nih-adults-pa", "HAM10000": "ham10000"}
    ways = {
        "random": "random",
        "nearest": "embedding",
        "of the same site": "cross_center (same)",
        "of another site": "cross_center (other)",
    }
    lines = (folder / "README.md").read_text(encoding="utf-8").split("## Does the reference alone")[1].split("\n## ")[0].splitlines()
    shown, where = 0, ""
    for line in [line for line in lines if line.startswith("|") and "[" in line]:
        name, way, *cells, verdict = [cell.strip() for cell in line.strip("|").split("|")]
        where = files.get(name, where)
        text = (folder / f"{where}-audit.txt").read_text(encoding="utf-8").split("How well the reference alone")[1]
        (block,) = [one for one in re.split(r"\n  (?=\S)", text) if one.startswith(ways.get(way, "demographic"))]
        rows = {row.split("AUROC")[0].strip(): row for row in block.splitlines() if "AUROC" in row}
        for kind, cell in zip((TOGETHER, LOOK, EMBEDDING), cells, strict=True):
            assert cell.replace(".", "0.") in rows[kind]
        assert (verdict != "") == any("tells the class" in row for row in rows.values())
        shown += 1
    assert shown == 11
