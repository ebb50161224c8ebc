"""Every finding as a question of its own, a diagnosis among several, and the value of a column."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from empirical.cohorts import Cohort
from empirical.cohorts.readers.asked import ask_column
from empirical.cohorts.readers.registry import import_kind
from see_in_pairs.errors import InputError


def pictures(root: Path, names: list[str]) -> None:
    for seed, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(seed).integers(0, 255, (8, 8), dtype=np.uint8)).save(root / name)


def imported(kind: str, root: Path, **options: Any) -> Cohort:
    return import_kind(kind, root, root.parent / "out", {"quiet": True, "fractions": (0.5, 0.0, 0.5)} | options)


def answers(cohort: Cohort) -> dict[str, dict[str, str]]:
    assert cohort.questions is not None
    wide = cohort.questions.pivot(index="question_id", columns="item_id", values="answer")
    return {str(name): {item: value for item, value in row.items() if isinstance(value, str)} for name, row in wide.iterrows()}


def nih(root: Path) -> Path:
    rows = [
        ("a", "Pneumonia|Edema", "1"),
        ("b", "No Finding", "1"),
        ("c", "No Finding", "2"),
        ("d", "Edema", "3"),
        ("e", "No Finding", "4"),
    ]
    table = pd.DataFrame([(f"{name}.png", said, patient) for name, said, patient in rows])
    pictures(root, [f"images/{name}.png" for name, _, _ in rows])
    table.set_axis(["Image Index", "Finding Labels", "Patient ID"], axis="columns").assign(
        **{"View Position": ["PA", "AP", "PA", "", "AP"]}
    ).to_csv(root / "Data_Entry_2017_v2020.csv", index=False)
    return root


def test_nih_asks_each_film_for_every_finding(tmp_path: Path) -> None:
    cohort = imported("nih", nih(tmp_path / "set"), findings=["all"])
    assert answers(cohort) == {
        "edema": {"a.png": "yes", "c.png": "no", "d.png": "yes", "e.png": "no"},
        "pneumonia": {"a.png": "yes", "c.png": "no", "d.png": "no", "e.png": "no"},
    }
    assert cohort.table["label"].value_counts().to_dict() == {"other": 2, "No Finding": 2}
    assert cohort.info.counts["normal_rows_of_patients_with_findings"] == 1
    with pytest.raises(InputError, match=r"--findings Odema: not a finding of the table .* did you mean 'Edema'"):
        imported("nih", tmp_path / "set", findings=["Odema"])
    with pytest.raises(InputError, match="not for --priors"):
        imported("nih", tmp_path / "set", findings=["all"], priors=True)


def test_the_value_of_a_column_is_asked_beside_the_one_question(tmp_path: Path) -> None:
    root = nih(tmp_path / "set")
    cohort = imported("nih", root, ask=["view"])
    assert answers(cohort)["view"] == {"a.png": "PA", "c.png": "PA", "e.png": "AP"}
    assert answers(cohort)["finding"] == {"a.png": "yes", "c.png": "no", "e.png": "no"}
    more = imported("nih", root, findings=["Edema"], ask=["view"])
    assert more.info.counts["items_without_view"] == 1 and set(answers(more)) == {"edema", "view"}
    for column, says in {"views": "no such column .* did you mean 'view'", "site": "no such column", "label": ""}.items():
        if says:
            with pytest.raises(InputError, match=says):
                imported("nih", root, ask=[column])
    assert answers(imported("nih", root, ask=["view", "view"]))["view"] == answers(cohort)["view"]  # named twice, asked once
    with pytest.raises(InputError, match="--ask edema: the cohort already has a question of this name"):
        imported("nih", root, findings=["Edema"], ask=["edema"])
    with pytest.raises(InputError, match="has 1 different values"):
        imported("nih", root, findings=["Edema"], ask=["view"], where=["view=PA"])


def test_numbers_are_asked_in_their_order_and_without_a_point() -> None:
    table = pd.DataFrame({"item_id": list("abcd"), "stage": [10.0, 9.0, np.nan, 2.5]})
    counts: dict[str, int] = {}
    asked = ask_column(table, "stage", counts)
    assert asked["choices"].iloc[0] == ("2.5", "9", "10") and asked["answer"].tolist() == ["10", "9", "2.5"]
    assert counts == {"items_without_stage": 1}


@pytest.mark.parametrize(("uncertain", "expected"), [("ignore", None), ("positive", "yes"), ("negative", "no")])
def test_chexpert_takes_uncertain_findings_by_its_rule(tmp_path: Path, uncertain: str, expected: str | None) -> None:
    root = tmp_path / "set"
    rows = [(1, "", "", "", "1"), (2, "", "1", "-1", ""), (3, "1", "", "", ""), (4, "1", "", "-1", "")]
    paths = [f"train/patient0000{k}/study1/view1_frontal.jpg" for k, *_ in rows]
    pictures(root, paths)
    table = pd.DataFrame([said for _, *said in rows], columns=["No Finding", "Edema", "Pneumonia", "Support Devices"])
    table.assign(Path=paths).to_csv(root / "train.csv", index=False)
    cohort = imported("chexpert", root, findings=["all"], uncertain=uncertain)
    said = answers(cohort)
    assert set(said) == {"edema", "pneumonia"}
    assert [said["pneumonia"].get(path) for path in paths] == ["no", expected, "no", expected]
    assert [said["edema"][path] for path in paths] == ["no", "yes", "no", "no"]
    assert cohort.info.counts["uncertain_answers_left_out"] == (2 if uncertain == "ignore" else 0)
    labels = cohort.table.set_index("item_id")["label"]
    assert labels[paths[2]] == "No Finding" and labels[paths[0]] == "other" and labels[paths[1]] == "other"
    assert labels[paths[3]] == ("No Finding" if uncertain == "negative" else "other")


def test_a_table_asks_for_its_labels_by_the_rule_for_several_readers(tmp_path: Path) -> None:
    root = tmp_path / "set"
    pictures(root, [f"{k}.png" for k in range(4)])
    rows = [
        (0, "r1", "1", "0", "0"),
        (0, "r2", "0", "0", "1"),
        (0, "r3", "1", "0", "0"),
        (1, "r1", "0", "0", "1"),
        (2, "r1", "-1", "1", "0"),
        (3, "r1", "0", "0", "1"),
    ]
    table = pd.DataFrame([(f"{k}.png", *rest) for k, *rest in rows], columns=["image", "who", "Edema", "Mass", "well"])
    table.to_csv(root / "t.csv", index=False)
    options = {
        "table": "t.csv",
        "healthy": "well",
        "label_columns": ["Edema", "Mass", "well"],
        "columns": {"reader": "who"},
        "aggregate": "majority",
    }
    cohort = imported("table", root, findings=["all"], **options)
    assert answers(cohort) == {
        "edema": {"0.png": "yes", "1.png": "no", "3.png": "no"},
        "mass": {"0.png": "no", "1.png": "no", "2.png": "yes", "3.png": "no"},
    }
    assert cohort.info.counts["uncertain_answers_left_out"] == 1
    assert cohort.table["label"].tolist() == ["other", "well", "other", "well"]
    with pytest.raises(InputError, match="--findings: is not for --positive"):
        imported("table", root, findings=["all"], positive=["Mass"], **options)


def test_ham10000_asks_for_the_diagnosis(tmp_path: Path) -> None:
    root = tmp_path / "set"
    codes = ["nv", "mel", "bcc", "nv", "df"]
    pictures(root, [f"images/{k}.jpg" for k in range(5)])
    pd.DataFrame({"dx": codes, "image_id": range(5), "lesion_id": [f"l{k}" for k in range(5)], "localization": list("aabba")}).to_csv(
        root / "HAM10000_metadata.csv", index=False
    )
    cohort = imported("ham10000", root, findings=["all"], ask=["localization"])
    assert list(answers(cohort)["diagnosis"].values()) == ["nevus", "melanoma", "basal cell carcinoma", "nevus", "dermatofibroma"]
    assert cohort.info.positive == ["bcc", "df", "mel"] and set(answers(cohort)["localization"].values()) == {"a", "b"}
    fewer = imported("ham10000", root, findings=["nv", "mel"])
    assert fewer.info.counts["rows_of_other_diagnoses"] == 2
    with pytest.raises(InputError, match="name 'nv', the benign control"):
        imported("ham10000", root, findings=["mel", "bcc"])


@pytest.mark.skipif("SEE_IN_PAIRS_DATA" not in os.environ, reason="SEE_IN_PAIRS_DATA does not name a folder with real images")
def test_the_seven_real_diagnoses(tmp_path: Path) -> None:
    root = Path(os.environ["SEE_IN_PAIRS_DATA"]) / "ham10000-seven"
    cohort = import_kind("ham10000", root, tmp_path / "out", {"findings": ["all"], "ask": ["localization"], "quiet": True})
    entries = pd.read_csv(root / "HAM10000_metadata.csv")
    asked = cohort.questions[cohort.questions["question_id"] == "diagnosis"]
    assert len(asked) == len(entries) and len(asked["choices"].iloc[0]) == 7
