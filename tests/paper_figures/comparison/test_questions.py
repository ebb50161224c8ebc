"""Records of several questions: one of them, or right and wrong answers to all."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from empirical import PhantomConfig, make_phantom
from empirical.evaluation.records import COLUMNS, Records, read_records, write_records
from paper_figures import plot_auroc
from paper_figures.cli import app
from paper_figures.comparison.score_tables import read_arm
from paper_figures.results.runs import runs_of, scores_of
from see_in_pairs.console import run_app
from see_in_pairs.errors import InputError
from see_in_pairs.roc import auroc

GRADES = ("none", "mild", "severe")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two arms on 40 items of 40 patients: a binary finding and a grade of three, the pair right more often."""
    rng, rows = np.random.default_rng(0), []
    for item in range(40):
        sick, grade = item % 2 == 0, GRADES[item % 3]
        for arm, skill in (("single", 0.5), ("pair", 1.5)):
            for question, scale, choices, answer in (
                ("nodule", "binary", ("yes", "no"), "yes" if sick else "no"), ("grade", "ordinal", GRADES, grade),
            ):  # fmt: skip
                logits = rng.normal(size=len(choices)) + skill * np.array([choice == answer for choice in choices])
                logp = logits - np.log(np.exp(logits).sum())
                row: dict[str, object] = dict.fromkeys(COLUMNS, "") | {
                    "run_id": arm, "arm": arm, "item_id": f"i{item:02}", "patient_id": f"p{item:02}", "label": answer, "answer": answer,
                    "question_id": question, "scale": scale, "seed": 0, "train_seed": pd.NA, "n_train": pd.NA,
                    "p_positive": float(np.exp(logp[0])) if scale == "binary" else np.nan,
                    "logp": dict(zip(choices, logp.tolist(), strict=True)), "mass_outside": 0.0, "score_seconds": 0.1,
                    "reference_ids": [], "reference_patient_ids": [], "generated": None, "parsed": None,
                }  # fmt: skip
                rows.append(row)
    path = tmp_path_factory.mktemp("asked")
    write_records(path / "records.parquet", Records(pd.DataFrame(rows), ("yes",), "no", {"grade": GRADES}))
    return path


def run(folder: Path, capsys: pytest.CaptureFixture[str], *options: str) -> dict:
    command = ["compare", str(folder), str(folder), "--arm-a", "pair", "--arm-b", "single", "--cluster", "patient_id", "--json", "-"]
    assert run_app(app, [*command, *options]) == 0
    return json.loads(capsys.readouterr().out)


def right(folder: Path, arm: str, question: str | None = None) -> pd.Series:
    table = pd.read_parquet(folder / "records.parquet")
    table = table[(table["arm"] == arm) & ((table["question_id"] == question) if question else True)]
    hits = [max(dict(logp), key=dict(logp).__getitem__) == answer for logp, answer in zip(table["logp"], table["answer"], strict=True)]
    return pd.Series(hits, index=table["item_id"] + " " + table["question_id"])


def changed(folder: Path, out: Path, arm: str, **columns: object) -> Path:
    """The records of an arm with columns of the first grade changed."""
    records = read_records(folder).of(arm=arm)
    (row, *_) = records.table.index[records.table["question_id"] == "grade"]
    for column, value in columns.items():
        records.table.at[row, column] = value
    write_records(out / f"{arm}.parquet", records)
    return out / f"{arm}.parquet"


def test_the_order_of_equally_likely_answers_does_not_matter(folder: Path, tmp_path: Path) -> None:
    for order in (GRADES, GRADES[::-1]):
        file = changed(folder, tmp_path, "pair", logp=dict.fromkeys(order, -1.0))
        assert read_arm(file, question="grade").table["correct"].iloc[0] == 0


def test_arms_that_disagree_on_the_truth_are_refused(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = changed(folder, tmp_path, "single", answer="severe", label="severe")
    assert run_app(app, ["compare", str(folder), str(other), "--arm-a", "pair", "--question", "grade"]) == 2
    assert "1 true answers or choices differ (i00 | grade: none of mild, none, severe and severe of" in capsys.readouterr().err
    with pytest.raises(InputError, match="1 true answers are not among the choices"):
        read_arm(changed(folder, tmp_path, "single", answer="grave", label="grave"), question="grade")


def test_a_binary_question_is_compared_by_its_scores(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = run(folder, capsys, "--question", "nodule")
    table = pd.read_parquet(folder / "records.parquet")
    for name, arm in (("a", "pair"), ("b", "single")):
        rows = table[(table["arm"] == arm) & (table["question_id"] == "nodule")]
        assert found["auroc"][name] == pytest.approx(auroc(rows["p_positive"].to_numpy(), (rows["answer"] == "yes").to_numpy()))
    assert found["items"] == 40


@pytest.mark.parametrize(("question", "items"), [("grade", 40), (None, 80)])
def test_several_answers_are_compared_by_right_and_wrong(
    folder: Path, capsys: pytest.CaptureFixture[str], question: str | None, items: int
) -> None:
    found = run(folder, capsys, *(["--question", question] if question else []))
    pair, single = (right(folder, arm, question) for arm in ("pair", "single"))
    assert (found["items"], found["clusters"], found["auroc"]) == (items, 40, None)
    assert found["accuracy"]["a"] == pytest.approx(pair.mean()) and found["accuracy"]["b"] == pytest.approx(single.mean())
    assert (found["accuracy"]["n10"], found["accuracy"]["n01"]) == (int((pair & ~single).sum()), int((~pair & single).sum()))


def test_what_cannot_be_asked_is_one_line(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match=r"--question grades: no such question in .*grade, nodule.*did you mean"):
        read_arm(folder, "pair", question="grades")
    with pytest.raises(InputError, match=r"--positive: .* answers of several kinds"):
        read_arm(folder, "pair", positive=["yes"])
    (tmp_path / "a.csv").write_text("item_id,correct\n1,1\n2,0\n")
    with pytest.raises(InputError, match="--question grade: is for records of 'see-in-pairs evaluate'"):
        read_arm(tmp_path / "a.csv", question="grade")
    table = pd.read_parquet(folder / "records.parquet")
    (tmp_path / "more").mkdir()
    one = read_records(folder).of(arm="single", question_id="grade")
    write_records(tmp_path / "more" / "records.parquet", one)
    assert run_app(app, ["compare", str(folder), str(tmp_path / "more"), "--arm-a", "pair"]) == 2  # all questions against one
    assert "i00 | nodule" in capsys.readouterr().err
    assert run_app(app, ["compare", str(folder), str(folder), "--arm-a", "pair", "--arm-b", "single", "--threshold", "0.4"]) == 2
    assert "--threshold and --specificity: the files contain right and wrong" in capsys.readouterr().err
    records = read_arm(folder, "pair", question="grade")
    assert not records.has_scores and len(records.table) == 40 and len(table) == 160


def test_a_score_of_a_class_is_read_of_one_binary_question_only(folder: Path) -> None:
    """Figures, claims and bridges read runs: of several questions or answers they would mix or lose items without a word."""
    records = read_records(folder)
    (run, *_) = runs_of(records.table)
    for given, says in (
        (records, "2 questions; choose one with records.of"),
        (records.of(question_id="grade"), "its question is not binary"),
        (replace(records, table=records.table.assign(wording=lambda table: table["question_id"])).of(scale="binary"), ""),
    ):
        if says:
            with pytest.raises(InputError, match=says):
                scores_of(given, run)
        else:
            assert len(scores_of(given, run).items) == 40
    several = records.of(question_id="nodule").table
    twice = pd.concat([several.assign(wording=name) for name in ("a", "b")])
    with pytest.raises(InputError, match="2 wordings"):
        scores_of(replace(records, table=twice), run)
    with pytest.raises(InputError, match="2 questions"):
        plot_auroc(records)


def test_a_study_scores_each_item_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = {"cohorts": {"a": {"folder": str(tmp_path / "cohort")}}, "arms": {"single": {"arm": "single"}}, "comparisons": []}
    settings |= {"title": "x", "blocks": [{"n_train": [0], "seeds": [0]}], "evaluation": {"choice_orders": 2}}
    file = tmp_path / "study.yaml"
    file.write_text(json.dumps(settings))
    assert run_app(app, ["study", str(file), "--out", str(tmp_path / "out")]) == 2
    assert "'choice_orders' would score each item several times" in capsys.readouterr().err
    cohort = make_phantom(PhantomConfig(size=40, n_train=4, n_val=0, n_test=4), tmp_path / "cohort", seed=0, quiet=True)
    asked = pd.DataFrame({"item_id": cohort.queries("test")["item_id"], "question_id": "g", "question": "Grade?", "scale": "nominal"})
    asked = asked.assign(choices=[GRADES] * len(asked), answer=["none", "mild"] * 2, finding="")
    replace(cohort, questions=asked).save()
    file.write_text(json.dumps(settings | {"evaluation": {}}))
    assert run_app(app, ["study", str(file), "--out", str(tmp_path / "out")]) == 2
    assert "study: " in (said := capsys.readouterr().err) and "asks several questions, and this needs one" in said
