"""Fundus photographs: every layout from a small set of its shape, grades and their merging, and what is wrong in one line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from empirical.arms.build import refuse_classes_without_cases
from empirical.cohorts import Cohort
from empirical.cohorts.readers.asked import merge_grades
from empirical.cohorts.readers.fundus import _odir_grade
from empirical.cohorts.readers.registry import import_kind
from see_in_pairs.errors import InputError


def pictures(root: Path, names: list[str]) -> None:
    for seed, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng([seed, len(name)]).integers(0, 255, (8, 8), dtype=np.uint8)).save(root / name)


def imported(root: Path, **options: Any) -> Cohort:
    return import_kind("fundus", root, root.parent / "out", {"quiet": True, "fractions": (0.5, 0.0, 0.5)} | options)


def folders(root: Path) -> Path:
    grades = {"1 - No DR": 4, "2 - Mild": 2, "10 - ADED": 1, "9 - PDR": 2}
    names = [
        f"{grade}/Patient{list(grades).index(grade)}{k}_{eye}.jpg"
        for grade, number in grades.items()
        for k in range(number)
        for eye in "LR"
    ]
    pictures(root, [*names[:-1], names[-1].replace("_R", "-R")])
    return root


def test_folders_of_grades_are_a_scale_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    cohort = imported(folders(tmp_path / "set"))
    scale = ("1 No DR", "2 Mild", "9 PDR", "10 ADED")
    assert set(cohort.questions["choices"]) == {scale} and set(cohort.questions["scale"]) == {"ordinal"}
    assert (cohort.info.healthy, tuple(cohort.info.positive)) == (scale[0], scale[1:])
    assert cohort.table["eye"].value_counts().to_dict() == {"left": 9, "right": 9}
    assert cohort.info.counts["file_names_of_another_pattern"] == 1
    assert (cohort.table.groupby("patient_id")["split"].nunique() == 1).all()
    assert cohort.table.groupby("patient_id").size().eq(2).all()


def test_grades_are_merged_by_name_or_number_or_by_how_rare_they_are(tmp_path: Path) -> None:
    root = folders(tmp_path / "set")
    cohort = imported(root, merge=["9+10"])
    assert cohort.questions["choices"].iloc[0] == ("1 No DR", "2 Mild", "9 PDR or 10 ADED")
    assert cohort.info.counts["grades_merged_of_grade"] == 1
    assert "10 ADED" in set(cohort.table["label"])  # labels keep the grade of the set
    for merge, says in {"1+10": "neighbours", "9+11": "no such grade", "9": "neighbours"}.items():
        with pytest.raises(InputError, match=says):
            import_kind("fundus", root, tmp_path / "more", {"merge": [merge], "quiet": True})


@pytest.mark.parametrize(
    ("sizes", "least", "expected"),
    [
        ((9, 8, 7), 5, ["a", "b", "c"]),
        ((9, 2, 7), 5, ["a", "b or c"]),  # the rarer neighbour
        ((9, 9, 2, 2), 3, ["a", "b", "c or d"]),
        ((9, 3, 9, 3, 9), 5, ["a or b", "c or d", "e"]),
        ((9, 0, 9), 0, ["a or b", "c"]),  # a grade without images
    ],
)
def test_a_rare_grade_goes_to_its_rarer_neighbour(sizes: tuple[int, ...], least: int, expected: list[str]) -> None:
    grades = pd.Series([letter for letter, size in zip("abcde", sizes, strict=False) for _ in range(size)])
    merged = merge_grades(grades, tuple("abcde"[: len(sizes)]), (), least, {}, "grade")
    assert list(dict.fromkeys(merged.values())) == expected


def test_a_scale_that_cannot_be_merged_enough_is_one_line(tmp_path: Path) -> None:
    root = folders(tmp_path / "set")
    with pytest.raises(InputError, match="fewer than two grades have 100 images; lower --least"):
        imported(root, least=100)
    with pytest.raises(InputError, match=r"'grade': only one grade is left \(1 No DR or 2 Mild or 9 PDR or 10 ADED\)"):
        imported(root, merge=["1+2", "2+9", "9+10"])  # merges that overlap are one
    with pytest.raises(InputError, match=r"'grade': only one grade is left \(1 No DR\)"):
        imported(root, positive=["1"])
    with pytest.raises(InputError, match="'grade': fewer than two grades have images; import more"):
        merge_grades(pd.Series(["a", "a"]), ("a", "b"), (), 0, {}, "grade")


def test_a_grade_without_a_training_case_is_one_line_before_training(tmp_path: Path) -> None:
    cohort = imported(folders(tmp_path / "set"))
    with pytest.raises(InputError, match="question 'grade': no training case of"):
        for seed in range(4):
            refuse_classes_without_cases(import_kind("fundus", tmp_path / "set", tmp_path / f"o{seed}", {"seed": seed, "quiet": True}))
    assert cohort.questions is not None


def aptos(root: Path, **changes: object) -> Path:
    rows = pd.DataFrame({"Extra": range(8), "diagnosis": [0, 0, 1, 2, 3, 4, 0, 1], "ID_code": [f"a{k:03d}" for k in range(8)]})
    for column, value in changes.items():
        rows[column] = rows[column].astype(object)
        rows.at[0, column] = value
    pictures(root, [f"train_images/a{k:03d}.png" for k in range(8)])
    rows.to_csv(root / "train.csv", index=False)
    pd.DataFrame({"id_code": ["t0", "t1"]}).to_csv(root / "test.csv", index=False)
    return root


def test_aptos_has_numbers_no_patients_and_a_test_table_without_grades(tmp_path: Path) -> None:
    cohort = imported(aptos(tmp_path / "set"))
    answers = dict(zip(cohort.questions["item_id"], cohort.questions["answer"], strict=True))
    assert answers["a005"] == "proliferative" and answers["a000"] == "no retinopathy"
    assert cohort.info.counts["rows_without_a_grade"] == 2 and cohort.info.counts["files_taken_as_patients"] == 8
    assert cohort.table["Extra"].tolist() == list(map(str, range(8)))


def test_a_grade_outside_its_scale_a_repeated_and_a_missing_image_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"1 grade\(s\) outside their scale: '7' of a000 \(grade\) is none of 0 to 4"):
        imported(aptos(tmp_path / "a", diagnosis=7))
    with pytest.raises(InputError, match="an earlier row names: a001"):
        imported(aptos(tmp_path / "b", ID_code="a001"))
    with pytest.raises(InputError, match="1 of 8 rows have no image: gone"):
        imported(aptos(tmp_path / "c", ID_code="gone"))


def test_an_image_without_a_grade_is_counted_and_left_out(tmp_path: Path) -> None:
    cohort = imported(aptos(tmp_path / "set", diagnosis=""))
    assert cohort.info.counts["images_without_a_grade"] == 1 and "a000" not in set(cohort.table["item_id"]) and len(cohort.table) == 7


def test_idrid_asks_two_questions_and_keeps_its_two_parts_apart(tmp_path: Path) -> None:
    root = tmp_path / "B. Disease Grading"
    for letter, part, other in (("a", "Training", "Training Set"), ("b", "Testing", "Testing Set")):
        pictures(root, [f"1. Original Images/{letter}. {other}/IDRiD_00{k}.jpg" for k in range(1, 7)])
        names = [f"IDRiD_00{k}" for k in range(1, 7)]
        rows = pd.DataFrame(
            {"Image name": names, "Retinopathy grade": [0, 1, 2, 3, 4, 0], "Risk of macular edema ": [0, 1, 2, 2, 0, 1], "": ""}
        )
        (root / "2. Groundtruths").mkdir(exist_ok=True)
        rows.to_csv(root / "2. Groundtruths" / f"{letter}. IDRiD_Disease Grading_{part} Labels.csv", index=False)
    cohort = imported(root)
    assert cohort.table["split"].value_counts().to_dict() == {"train": 6, "test": 6}
    assert cohort.questions["question_id"].value_counts().to_dict() == {"grade": 12, "macular_edema": 12}
    labels = cohort.table.set_index("item_id")["label"]
    assert labels["train/IDRiD_001"] == "no retinopathy" and labels["train/IDRiD_006"] == "other"  # exudates: not healthy
    assert cohort.table.set_index("item_id").loc["test/IDRiD_001", "image"].startswith("1. Original Images/b.")


def test_odir_reads_the_grade_of_each_eye_from_its_words(tmp_path: Path) -> None:
    root, rows = tmp_path / "set", []
    words = ["normal fundus", "mild nonproliferative retinopathy", "cataract", "severe nonproliferative retinopathy", "normal fundus"]
    for k, text in enumerate(words):
        rows.append({"Patient Sex": "Male", "Right-Diagnostic Keywords": "normal fundus", "Left-Diagnostic Keywords": text,
                     "Left-Fundus": f"{k}_left.jpg", "Right-Fundus": f"{k}_right.jpg", "Patient Age": 50 + k, "ID": k})  # fmt: skip
    pictures(root, [f"images/{k}_{eye}.jpg" for k in range(5) for eye in ("left", "right")])
    pd.DataFrame([*rows, *rows]).to_csv(root / "full_df.csv", index=False)  # a row for each eye
    cohort = imported(root, merge=["moderate+severe+proliferative"])
    assert len(cohort.table) == 9 and cohort.info.counts["eyes_without_a_grade_of_retinopathy"] == 1
    table = cohort.table.set_index("item_id")
    assert (table.loc["3_left.jpg", "label"], table.loc["3_left.jpg", "eye"], table.loc["3_left.jpg", "age"]) == ("severe", "left", 53)
    assert cohort.questions["choices"].iloc[0] == ("no retinopathy", "mild", "moderate or severe or proliferative")


@pytest.mark.parametrize(
    ("words", "grade"),
    [
        ("normal fundus", "no retinopathy"),
        ("normal fundus\uff0clens dust", ""),
        ("moderate non proliferative retinopathy\uff0chypertensive retinopathy", "moderate"),
        ("proliferative diabetic retinopathy", "proliferative"),
        ("suspected moderate non proliferative retinopathy", ""),
        ("diabetic retinopathy", ""),
        ("severe proliferative diabetic retinopathy", "proliferative"),
    ],
)
def test_words_of_an_eye(words: str, grade: str) -> None:
    assert _odir_grade(words) == grade


def test_messidor_pairs_eyes_and_counts_images_that_cannot_be_graded(tmp_path: Path) -> None:
    root = tmp_path / "set"
    names = [f"2005_{k}.PNG" for k in range(8)]
    pictures(root, [f"IMAGES/{name}" for name in names])
    grades = ["0", "1.0", "", "3", "4", "0", "0", "2"]
    pd.DataFrame({"adjudicated_gradable": 1, "adjudicated_dme": "0", "adjudicated_dr_grade": grades, "image_id": names}).to_csv(
        root / "messidor_data.csv", index=False
    )
    pd.DataFrame({"left": names[::2], "right": names[1::2]}).to_csv(root / "messidor-2.csv", index=False, sep=";")
    with pytest.raises(InputError, match="'macular_edema': fewer than two grades"):
        imported(root)
    pd.DataFrame({"adjudicated_dme": ["0", "1"] * 4, "adjudicated_dr_grade": grades, "image_id": names}).to_csv(
        root / "messidor_data.csv", index=False
    )
    cohort = imported(root)
    pd.DataFrame({"left": names[::2], "right": names[1::2]}).to_csv(root / "messidor-2.csv", index=False)
    with pytest.raises(InputError, match=r"messidor-2\.csv: has one column, and must have the two eyes"):
        imported(root)
    assert cohort.info.counts["images_that_cannot_be_graded"] == 1
    assert cohort.table["patient_id"].value_counts().to_dict() == {"exam 1": 2, "exam 2": 1, "exam 3": 2, "exam 4": 2}


def test_unknown_folders_and_layouts_are_one_line(tmp_path: Path) -> None:
    pictures(tmp_path / "set", ["a/x.png"])
    with pytest.raises(InputError, match="no folders of grades, and no table of a known set"):
        imported(tmp_path / "set")
    with pytest.raises(InputError, match=r"--layout apts: must be one of .* did you mean 'aptos'"):
        imported(tmp_path / "set", layout="apts")
    for layout, says in {
        "aptos": "no train.csv",
        "idrid": "no table named as",
        "odir": "no table of",
        "messidor": "no messidor_data",
    }.items():
        with pytest.raises(InputError, match=says):
            imported(tmp_path / "set", layout=layout)
    pictures(tmp_path / "two", ["1 a/x.png", "1 b/y.png", "2 c/z.png"])
    with pytest.raises(InputError, match="two folders have the same number"):
        imported(tmp_path / "two")


@pytest.mark.skipif("SEE_IN_PAIRS_DATA" not in os.environ, reason="SEE_IN_PAIRS_DATA does not name a folder with real images")
def test_the_real_folders_of_grades(tmp_path: Path) -> None:
    root = Path(os.environ["SEE_IN_PAIRS_DATA"]) / "fundus-dr"
    cohort = import_kind("fundus", root, tmp_path / "out", {"merge": ["6+7", "8+9+10"], "least": 20, "quiet": True})
    assert len(cohort.table) == 420 and cohort.table["patient_id"].nunique() == 210
    assert cohort.info.counts["file_names_of_another_pattern"] == 1 and set(cohort.table["eye"]) == {"left", "right"}
    assert cohort.questions["answer"].value_counts().min() >= 20
