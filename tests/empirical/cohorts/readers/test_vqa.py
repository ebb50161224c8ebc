"""Questions and answers: every layout from a small set of its shape, what is kept and counted, and what is wrong in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from empirical.cohorts import Cohort
from empirical.cohorts.readers.registry import import_kind
from empirical.cohorts.readers.vqa import order_numbers
from see_in_pairs.errors import InputError


def pictures(root: Path, names: list[str]) -> None:
    for seed, name in enumerate(dict.fromkeys(names)):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng([seed, len(name)]).integers(0, 255, (8, 8), dtype=np.uint8)).save(root / name)


def imported(root: Path, **options: Any) -> Cohort:
    return import_kind("vqa", root, root.parent / "out", {"quiet": True, "fractions": (0.5, 0.0, 0.5)} | options)


def answers(cohort: Cohort, *columns: str) -> list[tuple[Any, ...]]:
    assert cohort.questions is not None
    return list(cohort.questions[list(columns)].itertuples(index=False, name=None))


def vqa_rad(root: Path) -> Path:
    rows = []
    for k in range(6):
        row = {"qid": k, "image_name": f"synpic{k}.jpg", "image_case_url": f"case={k // 2}", "image_organ": "CHEST"}
        rows.append(
            row
            | {"phrase_type": "freeform", "question": "Is the image normal?", "answer": "Yes" if k % 2 else "no", "answer_type": "CLOSED"}
        )
        rows.append(row | {"phrase_type": "test_para", "question": "Where is it?", "answer": "left", "answer_type": "OPEN"})
    pictures(root, [f"VQA_RAD Image Folder/synpic{k}.jpg" for k in range(6)])
    (root / "VQA_RAD Dataset Public.json").write_text(json.dumps(rows))
    return root


def test_vqa_rad_keeps_yes_and_no_counts_the_open_and_splits_by_case(tmp_path: Path) -> None:
    cohort = imported(vqa_rad(tmp_path / "set"), healthy_when=["is the image normal=yes"])
    assert cohort.table["label"].tolist() == ["other", "healthy"] * 3
    assert cohort.table["patient_id"].tolist() == ["case=0"] * 2 + ["case=1"] * 2 + ["case=2"] * 2
    assert (cohort.table.groupby("patient_id")["split"].nunique() == 1).all()
    assert cohort.info.counts["images_in_several_splits_of_the_set"] == 6  # the set splits questions, not images
    assert cohort.info.counts["open_ended_questions_left_out"] == 6
    assert answers(cohort, "answer", "choices", "scale")[:2] == [("no", ("yes", "no"), "binary"), ("yes", ("yes", "no"), "binary")]
    assert cohort.table["image_organ"].eq("CHEST").all()
    assert "CC0" in cohort.info.licence


def test_all_answers_that_occur_make_the_choices_on_request(tmp_path: Path) -> None:
    root = vqa_rad(tmp_path / "set")
    rows = json.loads((root / "VQA_RAD Dataset Public.json").read_text())
    rows[1]["answer"] = "Right."
    (root / "VQA_RAD Dataset Public.json").write_text(json.dumps(rows))
    cohort = imported(root, answers="occurring")
    where = cohort.questions[cohort.questions["question"] == "Where is it?"]
    assert where["choices"].tolist() == [("left", "Right.")] * 6
    assert where["answer"].tolist() == ["Right.", *["left"] * 5]
    assert cohort.info.counts["open_ended_questions_left_out"] == 0


def slake(root: Path, validation: str = "validate") -> Path:
    for number, name in enumerate(("train", validation, "test")):
        rows = []
        for k in range(3):
            image = f"xmlab{3 * number + k}/source.jpg"
            pictures(root, [f"imgs/{image}"])
            row = {"triple": ["vhead", "_", "_"], "IMG_NAME": image, "location": "Lung", "content_type": "Abnormality"}
            rows.append(row | {"q_lang": "en", "question": "Is the lung healthy?", "answer": "Yes" if k else "No", "answer_type": "CLOSED"})
            rows.append(row | {"q_lang": "zh", "question": "肺健康吗？", "answer": "是", "answer_type": "CLOSED"})
            rows.append(row | {"q_lang": "en", "question": "Which is bigger, heart or lung?", "answer": "Lung", "answer_type": "CLOSED"})
        (root / f"{name}.json").write_text(json.dumps(rows), encoding="utf-8")
    return root


def test_slake_has_two_languages_its_own_splits_and_names_in_another_case(tmp_path: Path) -> None:
    root = slake(tmp_path / "set")
    with pytest.raises(InputError, match=r"several languages \(en, zh\); choose one with --language"):
        imported(root)
    cohort = imported(root, language="en", healthy_when=["Is the lung healthy?=yes"])
    assert cohort.table["split"].value_counts().to_dict() == {"train": 3, "val": 3, "test": 3}
    assert cohort.info.counts["questions_in_other_languages"] == 9
    assert cohort.info.counts["of_these_called_closed_by_the_set"] == 9
    assert cohort.info.counts["files_taken_as_patients"] == 9
    assert cohort.questions["question_type"].eq("Abnormality").all()
    assert "triple" not in cohort.table and cohort.info.counts["columns_not_kept"] == 1


def test_the_validation_part_of_slake_has_two_names(tmp_path: Path) -> None:
    cohort = imported(slake(tmp_path / "set", "validation"), language="en")
    assert cohort.table["split"].value_counts().to_dict() == {"train": 3, "val": 3, "test": 3}


def test_pathvqa_takes_its_splits_from_the_folders(tmp_path: Path) -> None:
    root = tmp_path / "set"
    for split in ("train", "val", "test"):
        names = [f"{split}_{k:04d}" for k in range(2)]
        pictures(root, [f"images/{split}/{name}.jpg" for name in names])
        lines = [
            json.dumps({"answer": answer, "image": name, "question": "Is it a tumour?"})
            for name, answer in zip(names, ("yes", "no"), strict=True)
        ]
        (root / "qas" / split).mkdir(parents=True)
        (root / "qas" / split / f"{split}_qa.jsonl").write_text("\n".join(lines))
    cohort = imported(root)
    assert cohort.table["split"].value_counts().to_dict() == {"train": 2, "val": 2, "test": 2}
    assert set(cohort.table["image"]) == {f"images/{split}/{split}_000{k}.jpg" for split in ("train", "val", "test") for k in range(2)}


def omnimedvqa(root: Path, **changes: str) -> Path:
    rows = []
    for k in range(4):
        options = {"option_D": "None", "option_A": "Cataract", "option_B": "Glaucoma.", "option_C": "Normal"}
        row = {
            "dataset": "ACRIMA",
            "question_id": f"a_{k}",
            "question_type": "Disease Diagnosis",
            "question": "What is seen?",
            "gt_answer": "glaucoma",
        }
        rows.append(row | {"image_path": f"Images/ACRIMA/{k}.png", "modality_type": "Fundus"} | options)
    rows[0] |= changes
    pictures(root, [f"Images/ACRIMA/{k}.png" for k in range(4)])
    (root / "QA_information" / "Open-access").mkdir(parents=True)
    (root / "QA_information" / "Open-access" / "ACRIMA.json").write_text(json.dumps(rows))
    return root


def test_omnimedvqa_gives_the_choices_in_four_columns(tmp_path: Path) -> None:
    cohort = imported(omnimedvqa(tmp_path / "set", gt_answer="Cataract", option_D=""), answers="given")
    assert answers(cohort, "choices", "answer", "scale")[0] == (("Cataract", "Glaucoma.", "Normal"), "Cataract", "nominal")
    assert answers(cohort, "choices", "answer")[1] == (("Cataract", "Glaucoma.", "Normal", "None"), "Glaucoma.")
    assert cohort.info.licence.startswith("OmniMedVQA: each part")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"gt_answer": "Myopia"}, "the answer 'Myopia' is none of its choices"),
        ({"option_A": "glaucoma"}, "duplicated or empty choices"),
        ({"option_A": "", "option_B": "", "option_C": "", "option_D": ""}, "has no choices"),
        ({"option_B": "", "option_C": "", "option_D": ""}, "has only one choice"),
        ({"question": ""}, "rows without a question"),
    ],
)
def test_questions_and_answers_that_do_not_fit_are_one_line(tmp_path: Path, changes: dict[str, str], says: str) -> None:
    root = omnimedvqa(tmp_path / "set", **changes)
    with pytest.raises(InputError, match=says) as caught:
        imported(root)
    assert "\n" not in str(caught.value)
    cohort = imported(root, skip_malformed=True)
    assert len(cohort.questions) == 3
    if "question" in changes:
        assert cohort.info.counts["rows_without_question_or_answer"] == 1
    else:
        assert cohort.info.counts["malformed_questions_left_out"] == 1
        assert cohort.info.counts["images_without_a_closed_question"] == 1


def own_table(root: Path, name: str, **changes: Any) -> Path:
    """A table of one's own, its columns in another order, with a further one."""
    rows = {
        "Extra": [f"note {k}" for k in range(4)],
        "Reply": ["B", "No", "a", "yes"],
        "Options": ["small|large", "Yes|No", "small|large", "Yes|No"],
        "Asked": ["How big is it?", "Is it there?", "How big is it?", "Is it there?"],
        "File": [f"p{k}_scan.png" for k in range(4)],
    } | changes
    pictures(root, [f"p{k}_scan.png" for k in range(4)])
    table = pd.DataFrame(rows)
    if name.endswith("parquet"):
        table.to_parquet(root / name)
    elif name.endswith("jsonl"):
        table.to_json(root / name, orient="records", lines=True)
    else:
        table.to_csv(root / name, index=False, sep="\t" if name.endswith("tsv") else ",")
    return root


COLUMNS = {"question": "asked", "answer": "Reply", "choices": "OPTIONS", "image": "File"}


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.parquet"])
def test_a_table_of_ones_own_names_its_columns_in_any_case(tmp_path: Path, name: str) -> None:
    cohort = imported(own_table(tmp_path / "set", name), table=name, columns=COLUMNS, patient_pattern="(p[0-9]+)_")
    assert cohort.table["patient_id"].tolist() == ["p0", "p1", "p2", "p3"]
    assert answers(cohort, "question_id", "choices", "answer") == [
        ("q1", ("small", "large"), "large"), ("q2", ("yes", "no"), "no"), ("q1", ("small", "large"), "small"), ("q2", ("yes", "no"), "yes")
    ]  # fmt: skip
    assert cohort.table["Extra"].tolist() == [f"note {k}" for k in range(4)]
    assert Cohort.load(cohort.folder).hash == cohort.hash


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"columns": COLUMNS | {"answer": "Replies"}}, "has no column Replies .* did you mean 'Reply'"),
        ({"columns": COLUMNS | {"reply": "Reply"}}, "not one of ours"),
        ({"columns": {k: v for k, v in COLUMNS.items() if k != "question"}}, "no column 'question'"),
        ({"language": "en"}, "no column says the language"),
        ({"healthy_when": ["Is it gone?=yes"]}, "no such question; did you mean 'is it there'"),
        ({"healthy_when": ["Is it there?=perhaps"]}, "no image has it"),
        ({"healthy_when": ["Is it there?"]}, "write QUESTION=ANSWER"),
        ({"layout": "slake"}, "give only one of the two"),
        ({"table": "", "layout": "slak"}, "--layout slak: must be one of .* did you mean 'slake'"),
        ({"columns": COLUMNS | {"choices": "none", "answer": "File"}}, "has no column none"),
        ({"positive": "healthy"}, "is the healthy label"),
    ],
)
def test_wrong_options_are_one_line(tmp_path: Path, options: dict[str, Any], says: str) -> None:
    root = own_table(tmp_path / "set", "t.csv")
    given = {"table": "t.csv", "columns": COLUMNS} | options
    given = {key: [value] if key == "positive" else value for key, value in given.items()}
    with pytest.raises(InputError, match=says) as caught:
        imported(root, **given)
    assert "\n" not in str(caught.value)


def test_two_answers_to_one_question_about_an_image_are_refused_or_left_out(tmp_path: Path) -> None:
    files = ["p0_scan.png", "p1_scan.png", "p0_scan.png", "p1_scan.png"]
    root = own_table(tmp_path / "set", "t.csv", File=files, Reply=["A", "No", "B", "no"])
    with pytest.raises(InputError, match=r"has two answers for p0_scan.png"):
        imported(root, table="t.csv", columns=COLUMNS)
    cohort = imported(root, table="t.csv", columns=COLUMNS, skip_malformed=True)
    assert cohort.info.counts["questions_with_two_answers_left_out"] == 2 and cohort.info.counts["questions_asked_twice"] == 1


def test_answers_too_many_to_be_choices_and_lists_as_answers_are_one_line(tmp_path: Path) -> None:
    rows = [{"image": "a.png", "question": "How big?", "answer": f"{k} mm"} for k in range(27)]
    pictures(tmp_path / "set", ["a.png"])
    (tmp_path / "set" / "t.json").write_text(json.dumps(rows))
    with pytest.raises(InputError, match="with --answers occurring it is one with 2 to 26 different ones"):
        imported(tmp_path / "set", table="t.json", answers="occurring")
    rows[1]["answer"] = ["yes", "no"]  # type: ignore[assignment]
    (tmp_path / "set" / "t.json").write_text(json.dumps(rows))
    with pytest.raises(InputError, match=r"'answer' holds a list or a structure \(row 2\)"):
        imported(tmp_path / "set", table="t.json")


def test_a_parquet_table_may_have_categories_and_missing_cells_of_pandas(tmp_path: Path) -> None:
    root = own_table(tmp_path / "set", "t.csv")
    table = pd.read_csv(root / "t.csv", dtype="string").assign(age=pd.array([50, None, 60, 70], dtype="Int64"))
    table.assign(Reply=table["Reply"].astype("category")).to_parquet(root / "t.parquet")
    cohort = imported(root, table="t.parquet", columns=COLUMNS)
    assert [answer for (answer,) in answers(cohort, "answer")] == ["large", "no", "small", "yes"]
    assert cohort.table["age"].fillna(-1).tolist() == [50, -1, 60, 70]
    table.assign(Reply=table["Reply"].where(table.index != 2)).to_parquet(root / "t.parquet")
    with pytest.raises(InputError, match="1 rows without a question or an answer, the first in row 3"):
        imported(root, table="t.parquet", columns=COLUMNS)


def test_an_unknown_folder_is_one_line(tmp_path: Path) -> None:
    pictures(tmp_path / "set", ["a.png"])
    with pytest.raises(InputError, match=r"no table of a known layout; give --layout"):
        imported(tmp_path / "set")


def ms_cxr_t(root: Path, dates: tuple[str, str] = ("20190101", "20200101"), value: str = "Stable") -> Path:
    rows, known = [], []
    for k in range(4):
        now, before = f"p10/p1000000{k}/s5{k}/now{k}", f"p10/p1000000{k}/s9{k}/old{k}"
        pictures(root, [f"files/{now}.jpg", f"files/{before}.jpg"])
        rows.append({"label_quality": "one_expert", "edema_progression": value if k == 0 else "improving",
                     "pneumonia_progression": "" if k else "worsening",
                     "Subject_ID": f"1000000{k}", "previous_dicom_id": before, "dicom_id": now, "study_id": f"5{k}"})  # fmt: skip
        known += [
            {"dicom_id": f"old{k}", "StudyDate": dates[0], "StudyTime": "90000.5"},
            {"dicom_id": f"now{k}", "StudyDate": dates[1], "StudyTime": "90000"},
        ]
    pd.DataFrame(rows).to_csv(root / "MS_CXR_T_temporal_image_classification_v1.0.0.csv", index=False)
    pd.DataFrame(known).to_csv(root / "mimic-cxr-2.0.0-metadata.csv", index=False)
    return root


def test_ms_cxr_t_asks_for_the_change_since_a_given_earlier_image(tmp_path: Path) -> None:
    cohort = imported(ms_cxr_t(tmp_path / "set"))
    table = cohort.table.set_index("item_id")
    now, old = "files/p10/p10000000/s50/now0.jpg", "files/p10/p10000000/s90/old0.jpg"
    assert table.loc[now, "given_reference"] == old and table.loc[old, "given_reference"] == ""
    assert table.loc[now, "split"] == table.loc[old, "split"] and (table["follow_up"] > 0).all()
    assert cohort.info.counts["questions_about_a_pair"] == 5 and cohort.info.counts["priors_that_are_not_asked_about"] == 4
    assert set(answers(cohort, "choices", "scale")) == {(("improving", "stable", "worsening"), "ordinal")}
    assert sorted(answers(cohort, "finding", "answer")) == [("edema", "improving")] * 3 + [("edema", "stable"), ("pneumonia", "worsening")]


def test_a_prior_later_than_its_image_and_a_grade_outside_its_scale_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"4 priors are later than their current image: that of files/p10/p10000000/s50/now0.jpg"):
        imported(ms_cxr_t(tmp_path / "late", ("20210101", "20200101")))
    with pytest.raises(InputError, match="the answer 'much better' is none of its choices"):
        imported(ms_cxr_t(tmp_path / "grade", value="much better"))


def test_medical_diff_vqa_counts_questions_about_one_image_apart(tmp_path: Path) -> None:
    root, rows, images = tmp_path / "set", [], []
    for k in range(4):
        images += [{"study_id": f"5{k}", "dicom_id": f"now{k}", "view": "PA"}, {"study_id": f"9{k}", "dicom_id": f"old{k}", "view": "PA"}]
        pictures(root, [f"files/p1/p{k}/s5{k}/now{k}.jpg", f"files/p1/p{k}/s9{k}/old{k}.jpg"])
        row = {"split": "test" if k > 1 else "train", "study_id": f"5{k}", "subject_id": f"7{k}", "ref_id": f"9{k}.0"}
        rows.append(row | {"question_type": "difference", "question": "what has changed?", "answer": "nothing" if k % 2 else "more edema"})
        rows.append(row | {"question_type": "presence", "question": "is there edema?", "answer": "yes" if k % 2 else "no"})
    pd.DataFrame(rows).to_csv(root / "mimic_pair_questions.csv", index=False)
    pd.DataFrame(images).to_csv(root / "mimic_all.csv", index=False)
    cohort = imported(root)
    assert set(answers(cohort, "question", "about")) == {("is there edema?", "image")}
    counts = cohort.info.counts
    assert (counts["questions_about_a_pair"], counts["questions_about_a_single_image"], counts["open_ended_questions_left_out"]) == (
        4,
        4,
        4,
    )
    assert cohort.table["given_reference"].ne("").sum() == 4 and len(cohort.table) == 8
    occurring = import_kind("vqa", root, tmp_path / "more", {"quiet": True, "answers": "occurring"})
    assert set(answers(occurring, "question", "about")) == {("is there edema?", "image"), ("what has changed?", "pair")}
    pd.DataFrame(rows).drop(columns="ref_id").to_csv(root / "mimic_pair_questions.csv", index=False)
    with pytest.raises(InputError, match="has no column ref_id"):
        import_kind("vqa", root, tmp_path / "again", {"quiet": True})
    pd.DataFrame(rows).to_csv(root / "mimic_pair_questions.csv", index=False)
    pd.DataFrame(images[:1]).to_csv(root / "mimic_all.csv", index=False)
    with pytest.raises(InputError, match=r"6 questions are of studies that it does not name"):
        import_kind("vqa", root, tmp_path / "again", {"quiet": True})


def test_mmxu_names_answers_by_letters_and_lists_of_priors(tmp_path: Path) -> None:
    root, lines = tmp_path / "set", []
    for k in range(4):
        now, old, older = (f"files/p10/p1000000{k}/s{n}/{name}{k}.jpg" for n, name in ((3, "now"), (2, "old"), (1, "older")))
        pictures(root, [now, old, older])
        lines.append({"options": {"A": "larger", "B": "unchanged"}, "answer": "A" if k % 2 else "B", "id": k, "question": "Has it grown?",
                      "prior_image_path": [old, older], "cur_image_path": now, "cur_report": "x" * 500})  # fmt: skip
    (root / "MMXU-test.jsonl").write_text("\n".join(map(json.dumps, lines)))
    cohort = imported(root, resplit=True)
    assert [answer for (answer,) in answers(cohort, "answer")] == ["unchanged", "larger"] * 2
    assert cohort.table["patient_id"].nunique() == 4 and cohort.info.counts["rows_with_further_priors_not_used"] == 4
    lines[0]["prior_image_path"] = [lines[1]["cur_image_path"]]
    (root / "MMXU-test.jsonl").write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(InputError, match="1 given references are of another patient"):
        import_kind("vqa", root, tmp_path / "again", {"quiet": True})


def test_visits_are_numbers_or_dates() -> None:
    assert order_numbers(pd.Series(["3", "", "10"]), "order").fillna(-1).tolist() == [3, -1, 10]
    assert order_numbers(pd.Series(["1970-01-02", "1970-02-01"]), "order").tolist() == [1, 31]
    with pytest.raises(InputError, match="'order' holds spring; visits are numbers or dates"):
        order_numbers(pd.Series(["1970-01-02", "spring"]), "order")


def test_a_visit_of_one_column_and_a_date_of_the_other_cannot_be_compared(tmp_path: Path) -> None:
    pictures(tmp_path / "set", ["p/now.png", "p/old.png"])
    row = {"image": "p/now.png", "given_reference": "p/old.png", "question": "Better?", "answer": "yes", "patient_id": "p"}
    for order, prior_order in (("2019-05-31", "3"), ("3", "2018-01-01")):
        pd.DataFrame([row | {"order": order, "prior_order": prior_order}]).to_csv(tmp_path / "set" / "t.csv", index=False)
        with pytest.raises(InputError, match=r"'order and prior_order' mixes numbers of visits \(3\) with dates"):
            imported(tmp_path / "set", table="t.csv")
