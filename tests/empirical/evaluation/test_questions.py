"""A cohort that asks several questions: from the table to training, scores and records, through every arm."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from empirical.analysis.reports import evaluate_with_reports
from empirical.arms import ArmConfig, build_examples
from empirical.cohorts import Cohort
from empirical.commands.models import _areas
from empirical.evaluation.config import EvaluateConfig
from empirical.evaluation.evaluate import evaluate
from empirical.evaluation.records import Records, concatenate, read_records
from empirical.prompts.example import Example
from empirical.prompts.templates import PromptConfig
from empirical.training.config import FinetuneConfig
from empirical.training.data_order import DataOrder, planned_examples, training_plan
from empirical.training.finetune import finetune
from empirical.vlm.config import ModelConfig
from empirical.vlm.inference.encoder import Encoder
from empirical.vlm.inference.scoring import answer_log_probabilities
from empirical.vlm.loading import load_vlm
from see_in_pairs.errors import InputError

RELATIVE = {"strategy": "demographic", "columns": ["family"], "caliper": {}}
ARMS = [
    {"arm": "single"}, {"arm": "pair", "references": RELATIVE}, {"arm": "duplicate"}, {"arm": "question_only"},
    {"arm": "reference_only", "references": RELATIVE},
]  # fmt: skip
GRADES = ("grade 1", "grade 2", "grade 2 to 3")  # the last begins with the one before
PLACES = ("left, upper", "right", "none")
FREE = [
    ("Which organ is shown?", ("heart", "lung")),
    ("How many shadows?", ("one", "two", "three", "four")),
    ("Is it old?", ("maybe", "never")),
]


@pytest.fixture(scope="module")
def asking(phantom: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """The phantom with four questions about each query: a finding, a grade, a place, and one of its own."""
    folder = tmp_path_factory.mktemp("asking") / "cohort"
    shutil.copytree(phantom.folder, folder)
    rows = []
    queries = phantom.table[phantom.table["split"] != "reference"]
    for number, (item, label) in enumerate(zip(queries["item_id"], queries["label"], strict=True)):
        sick = label != "healthy"
        rows.append((item, "nodule", "Does the query show a nodule?", ("yes", "no"), "yes" if sick else "no", "binary", "a nodule"))
        rows.append((item, "grade", "Which grade has the query?", GRADES, GRADES[number % 3], "ordinal", "severity"))
        rows.append((item, "place", "Where is the nodule?", PLACES, PLACES[number // 2 % 2] if sick else "none", "nominal", "place"))
        words, choices = FREE[number % 3]
        rows.append((item, f"free-{number % 3}", words, choices, choices[number % 2], "nominal", ""))
    columns = ["item_id", "question_id", "question", "choices", "answer", "scale", "finding"]
    cohort = replace(Cohort.load(folder), questions=pd.DataFrame(rows, columns=columns))
    cohort.save()
    return Cohort.load(folder)


def settings(cohort: Cohort, **changes: object) -> EvaluateConfig:
    return EvaluateConfig.model_validate({"cohort": str(cohort.folder), "arms": ARMS, "batch_size": 3, "threads": 1} | changes)


@pytest.fixture(scope="module")
def scored(asking: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Records:
    folder = tmp_path_factory.mktemp("scored")
    evaluate(settings(asking, generate=True), folder, quiet=True)
    return read_records(folder)


def test_every_arm_answers_every_question_about_every_query(asking: Cohort, scored: Records) -> None:
    queries = asking.queries("test")["item_id"]
    table = scored.table
    wanted = asking.questions[asking.questions["item_id"].isin(queries)]
    for _, rows in table.groupby("run_id"):
        assert list(zip(rows["item_id"], rows["question_id"], strict=True)) == list(
            zip(wanted["item_id"], wanted["question_id"], strict=True)
        )
        assert (rows["answer"].to_numpy() == wanted["answer"].to_numpy()).all()
    assert (table["label"] == table["answer"]).all() and (table["wording"] == "").all()
    assert set(table["finding"]) == {"a nodule", "severity", "place", ""}
    assert scored.positive == ("yes",) and scored.healthy == "no" and scored.scales == {"grade": GRADES}
    assert set(table["parsed"].dropna()) <= {*GRADES, *PLACES, "yes", "no", "unparsed", *(word for _, choices in FREE for word in choices)}


def test_each_question_is_scored_over_its_own_answers(scored: Records) -> None:
    table = scored.table
    closed = {"nodule": {"yes", "no"}, "grade": {*GRADES}, "place": {*PLACES}}
    closed |= {f"free-{number}": {*choices} for number, (_, choices) in enumerate(FREE)}
    assert all(set(row.logp) == closed[row.question_id] for row in table.itertuples())
    binary = table["scale"] == "binary"
    assert (table["question_id"] == "nodule").equals(binary) and table["p_positive"].notna().equals(binary)
    for row in table[binary].itertuples():
        assert row.p_positive == pytest.approx(softmax([row.logp["yes"], row.logp["no"]])[0], rel=1e-9)
    mass = np.array([np.exp(list(row.values())).sum() for row in table["logp"]])
    assert np.allclose(table["mass_outside"], 1 - mass, atol=1e-9) and (mass <= 1 + 1e-9).all()


def test_without_the_picture_equal_questions_have_equal_scores(scored: Records) -> None:
    blind, single = (scored.table[scored.table["arm"] == arm] for arm in ("question_only", "single"))
    spread = blind["logp"].map(lambda row: tuple(np.round(list(row.values()), 5))).groupby(blind["question_id"]).nunique()
    assert (spread == 1).all() and (blind["reference_ids"].map(len) == 0).all()
    assert single["logp"].map(lambda row: tuple(np.round(list(row.values()), 5))).groupby(single["question_id"]).nunique().max() > 1


def test_batches_caches_and_kills_do_not_change_scores(asking: Cohort, scored: Records, tmp_path: Path) -> None:
    plain = {"store_features": False, "prefix_cache": False, "by_length": False}
    one = evaluate(settings(asking, batch_size=1, speed=plain), tmp_path / "plain", quiet=True).table
    for here, there in zip(one["logp"], scored.table["logp"], strict=True):
        assert here.keys() == there.keys() and np.allclose(list(here.values()), list(there.values()), atol=2e-5)
    evaluate(settings(asking), tmp_path / "run", quiet=True)
    before = read_records(tmp_path / "run").table
    kept = sorted((tmp_path / "run" / "pieces").glob("*.parquet"))
    kept[1].unlink()
    (tmp_path / "run" / "records.parquet").unlink()
    evaluate(settings(asking), tmp_path / "run", quiet=True)
    after = read_records(tmp_path / "run").table
    pd.testing.assert_frame_equal(after.drop(columns="score_seconds"), before.drop(columns="score_seconds"))
    assert len(kept) >= 2


def test_the_list_of_answers_is_rotated(asking: Cohort, tmp_path: Path) -> None:
    arms = [{"arm": "single"}]
    records = evaluate(settings(asking, arms=arms, choice_orders=3), tmp_path / "run", quiet=True)
    assert list(records.table["wording"].unique()) == ["", "order2", "order3"]
    grade = records.table[records.table["question_id"] == "grade"]
    assert {tuple(row) for row in grade["logp"]} == {GRADES}  # as the scale has them, so that who reads records need not know the order
    shown = [
        build_examples(asking, "test", ArmConfig(arm="single"), PromptConfig(), seed=0, choice_order=order)[1].answers for order in range(3)
    ]
    assert shown == [GRADES, GRADES[1:] + GRADES[:1], GRADES[2:] + GRADES[:2]]
    (example, *_) = build_examples(asking, "test", ArmConfig(arm="single"), PromptConfig(), seed=0, choice_order=1)
    assert example.parts[-1].text.endswith("Answer no or yes.") and example.answers == ("no", "yes")
    ((turned, alone),) = [
        (row.logp, list(evaluate_alone(asking, example, GRADES)))
        for row, example in zip(
            grade[grade["wording"] == "order3"].itertuples(),
            build_examples(asking, "test", ArmConfig(arm="single"), PromptConfig(), seed=0, choice_order=2)[1::4],
            strict=True,
        )
    ][:1]
    assert list(turned.values()) == pytest.approx(alone, abs=2e-5)
    yes = records.table[(records.table["question_id"] == "nodule") & (records.table["wording"] == "order2")]
    assert all(row.p_positive == pytest.approx(softmax([row.logp["yes"], row.logp["no"]])[0]) for row in yes.itertuples())
    assert len(concatenate([records, records.of(wording="")]).table) == len(records.table) * 4 // 3


def test_no_area_is_pooled_over_questions(asking: Cohort, scored: Records) -> None:
    two = replace(scored, table=scored.table[scored.table["scale"] == "binary"])
    again = two.table.assign(question_id="another")
    assert all(line.split()[-1] != "-" for line in _areas(two)[1:])
    assert all(line.split()[-1] == "-" for line in _areas(replace(two, table=pd.concat([two.table, again], ignore_index=True)))[1:])


def test_more_orders_than_answers_are_refused(asking: Cohort, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="choice_orders: 5 asked for, but no question has more than 4 answers"):
        evaluate(settings(asking, arms=[{"arm": "single"}], choice_orders=5), tmp_path / "run", quiet=True)


def evaluate_alone(cohort: Cohort, example: Example, answers: Sequence[str]) -> np.ndarray:
    vlm = load_vlm(ModelConfig())
    return answer_log_probabilities(vlm.model, Encoder(vlm.processor, vlm.family, cohort.image), [example], answers)[0]


def wording_file(folder: Path) -> str:
    file = folder / "mine.yaml"
    lines = {
        "plain-1": {"kind": "plain", "single": "{query}{question} {answers}?", "pair": "{reference}{query}{question} {answers}?"},
        "short": {"kind": "clinical", "single": "{query}{question} Say {answers}."},
    }
    file.write_text(json.dumps({"wordings": lines}), encoding="utf-8")
    return str(file)


def test_wordings_are_shown_in_turn_and_named_in_the_records(asking: Cohort, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = wording_file(tmp_path)
    arms = [{"arm": "single"}, {"arm": "pair", "references": RELATIVE}]
    records = evaluate(settings(asking, arms=arms, wordings=[name]), tmp_path / "run")
    assert "wording 'mine/short' has no text for arm 'pair'" in capsys.readouterr().err
    found = records.table.groupby(["arm", "wording"], sort=False).size()
    assert set(found.index) == {("single", "mine/plain-1"), ("single", "mine/short"), ("pair", "mine/plain-1")}
    assert found.nunique() == 1
    by = records.table[records.table["arm"] == "single"].groupby("wording", sort=False)["logp"]
    one, other = (group.map(lambda row: list(row.values())).tolist() for _, group in by)
    assert one != other
    twin = tmp_path / "other" / "mine.yaml"
    twin.parent.mkdir()
    twin.write_text(Path(name).read_text(encoding="utf-8"), encoding="utf-8")
    for wrong, says in (
        ([f"{name}/shorter"], "has no 'shorter'"),
        (["chests"], "no bundled set"),
        ([name, str(twin)], "two files have a wording 'mine/plain-1'"),
        ([f"{name}/clinical"], "none has a text for 'pair-demographic'"),
    ):
        with pytest.raises(InputError, match=says):
            evaluate(settings(asking, arms=arms, wordings=wrong), tmp_path / "wrong", quiet=True)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({}, "has no wordings"),
        ({"a": {"single": "{query}"}}, "needs a kind"),
        ({"a": {"kind": "plain"}}, "no text"),
        ({"a": {"kind": "plain", "sinlge": "x"}}, "unknown text 'sinlge'"),
        ({"a": {"kind": "plain", "single": " "}}, "single: must be text"),
    ],
)
def test_a_set_that_is_wrong_is_one_line(asking: Cohort, tmp_path: Path, content: object, says: str) -> None:
    file = tmp_path / "set.yaml"
    file.write_text(json.dumps({"wordings": content}), encoding="utf-8")
    with pytest.raises(InputError, match=says) as caught:
        evaluate(settings(asking, wordings=[str(file)]), tmp_path / "run", quiet=True)
    assert "\n" not in str(caught.value)


def test_a_prompt_without_a_place_for_the_question_is_refused(asking: Cohort) -> None:
    with pytest.raises(InputError, match=r"prompt 'single_mark': has no place \{question\}"):
        build_examples(asking, "test", ArmConfig(arm="single"), PromptConfig(single="single_mark"), seed=0)


def training(cohort: Cohort, **changes: object) -> FinetuneConfig:
    base = {
        "cohort": str(cohort.folder),
        "arm": {"arm": "single"},
        "method": "full",
        "steps": 2,
        "batch_size": 3,
        "threads": 1,
        "doctor": False,
    }
    return FinetuneConfig.model_validate(base | changes)


def test_training_asks_every_question_once_an_epoch(asking: Cohort, tmp_path: Path) -> None:
    order = DataOrder(seed=1, rows=2 * 4 * 24)
    plan = training_plan(asking, order)
    train = asking.questions[asking.questions["item_id"].isin(asking.queries("train")["item_id"])]
    assert len(train) == 4 * asking.queries("train")["item_id"].nunique()
    epoch = plan[: len(train)]
    assert set(epoch) == set(zip(train["item_id"], train["question_id"], strict=True)) and len(set(epoch)) == len(epoch)
    pair = ArmConfig.model_validate({"arm": "pair", "references": RELATIVE})
    data = planned_examples(asking, order, pair, PromptConfig(), ModelConfig())
    assert [example.key for example in data.examples] == plan
    answers = train.set_index(["item_id", "question_id"])["answer"]
    assert all(example.answer == answers[example.key] and example.answer in example.answers for example in data.examples)
    config = training(asking, early_stopping={"share": 0.3, "every": 1})
    model = finetune(config, tmp_path / "run", quiet=True)
    shown = pd.read_parquet(tmp_path / "run" / "plan.parquet")
    assert list(shown.columns) == ["step", "item_id", "question_id", "reference_ids"]
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert 0 < manifest["plateau_loss"] < 2
    trained = evaluate(settings(asking, arms=[{"arm": "single"}], model={"name": str(model)}), tmp_path / "scores", quiet=True)
    assert set(trained.table["train_arm"]) == {"single"}


def test_a_class_that_no_training_case_has_is_refused(asking: Cohort, tmp_path: Path) -> None:
    mild = asking.questions["answer"].where(asking.questions["question_id"] != "grade", GRADES[0])
    shutil.copytree(asking.folder, tmp_path / "cohort")
    replace(asking, folder=tmp_path / "cohort", questions=asking.questions.assign(answer=mild)).save()
    with pytest.raises(InputError, match="question 'grade': no training case of grade 2, grade 2 to 3; merge rare classes"):
        finetune(training(Cohort.load(tmp_path / "cohort")), tmp_path / "run", quiet=True)


def test_reports_speak_of_binary_questions_only(asking: Cohort, tmp_path: Path) -> None:
    arms = [{"arm": "single"}]
    evaluate_with_reports(settings(asking, arms=arms, split="val", generate=True), tmp_path / "val", quiet=True)
    config = settings(asking, arms=arms, generate=True, calibrate_on=str(tmp_path / "val"))
    evaluate_with_reports(config, tmp_path / "test", quiet=True)
    agreement = json.loads((tmp_path / "test" / "agreement.json").read_text())
    assert agreement["single"]["share"] >= 0
    assert "value" in json.loads((tmp_path / "test" / "calibration.json").read_text())["single"]
