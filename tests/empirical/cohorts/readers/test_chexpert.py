"""CheXpert: which rows are positive, which are controls under each policy on uncertain labels, and hostile tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from empirical.cohorts.readers.chexpert import import_chexpert, label_rows
from see_in_pairs.errors import InputError

COLUMNS = ["Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", "No Finding", "Edema", "Pneumonia"]
ROWS = [  # patient/study/view, sex, age, side, view, No Finding, Edema, Pneumonia
    ("1/study1/view1_frontal", "Female", "68", "Frontal", "AP", "", "", "1.0"),
    ("1/study1/view2_lateral", "Female", "68", "Lateral", "", "", "", "1.0"),
    ("2/study1/view1_frontal", "Male", "0", "Frontal", "PA", "1.0", "", ""),
    ("2/study2/view1_frontal", "Male", "51", "Frontal", "PA", "1.0", "", ""),
    ("3/study1/view1_frontal", "Male", "40", "Frontal", "PA", "1.0", "", ""),  # no control: ill at another time
    ("3/study2/view1_frontal", "Male", "41", "Frontal", "PA", "", "1.0", "0.0"),
    ("4/study1/view1_frontal", "Unknown", "33", "Frontal", "AP", "", "", "-1.0"),
    ("5/study1/view1_frontal", "Female", "77", "Frontal", "AP", "", "-1.0", "1.0"),
    ("6/study1/view1_frontal", "Female", "20", "Frontal", "PA", "1.0", "", ""),
]


def chexpert_set(root: Path, rows: list[tuple[str, ...]] = ROWS, prefix: str = "CheXpert-v1.0-small/", table: str = "train.csv") -> Path:
    root.mkdir(exist_ok=True)
    split = table.removesuffix(".csv")
    full = [(f"{prefix}{split}/patient0000{row[0]}.jpg", *row[1:]) for row in rows]
    pd.DataFrame(full, columns=COLUMNS).to_csv(root / table, index=False)
    for seed, (path, *_) in enumerate(full):
        file = root / path.removeprefix(prefix)
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng([seed, len(rows)]).integers(0, 255, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(file)
    return root


@pytest.mark.parametrize(("uncertain", "positives"), [("ignore", {"1", "5"}), ("positive", {"1", "4", "5"}), ("negative", {"1", "5"})])
def test_positives_and_clean_controls_under_each_policy(uncertain: str, positives: set[str], tmp_path: Path) -> None:
    cohort = import_chexpert(chexpert_set(tmp_path / "set"), tmp_path / "out", uncertain=uncertain, quiet=True)
    by_label = cohort.table.groupby("label")["patient_id"].unique()
    assert set(by_label["Pneumonia"]) == {f"patient0000{patient}" for patient in positives}
    assert set(by_label["No Finding"]) == {"patient00002", "patient00006"}
    assert cohort.info.counts["rows_with_uncertain_finding"] == 1
    assert cohort.info.counts["lateral_views_left_out"] == 1
    left = cohort.info.counts["rows_neither_positive_nor_clean"] + cohort.info.counts["lateral_views_left_out"]
    assert len(cohort.table) + left == cohort.info.counts["rows_in_table"] == 9
    assert cohort.info.parameters["uncertain"] == uncertain


@pytest.mark.parametrize(("finding", "expected"), [("1.0", "Pneumonia"), ("-1.0", ""), ("0.0", "No Finding"), ("", "No Finding")])
def test_a_row_that_contradicts_no_finding_is_no_control(finding: str, expected: str) -> None:
    rows = pd.DataFrame([("train/patient00001/study1/a.jpg", *ROWS[2][1:-1], finding)], columns=COLUMNS)
    assert label_rows(rows, "Pneumonia", "ignore").tolist() == [expected]


def test_what_the_table_and_the_path_say(tmp_path: Path) -> None:
    cohort = import_chexpert(chexpert_set(tmp_path / "set"), tmp_path / "out", lateral=True, quiet=True)
    table = cohort.table.assign(name=cohort.table["item_id"].str.split("patient0000").str[1]).set_index("name")
    assert table.loc["1/study1/view2_lateral.jpg", ["view", "sex"]].tolist() == ["lateral", "F"]
    assert np.isnan(table.loc["2/study1/view1_frontal.jpg", "age"])  # written as 0
    assert table.loc["2/study2/view1_frontal.jpg", ["age", "follow_up", "view"]].tolist() == [51, 2, "PA"]
    assert cohort.image(cohort.table["item_id"][0]).size == (8, 8)


def test_radiologists_labels_are_for_the_test_unless_split_anew(tmp_path: Path) -> None:
    root = chexpert_set(tmp_path / "set")
    valid = [(row[0].replace("1/", "8/").replace("2/", "9/"), *row[1:]) for row in ROWS[:4]]
    chexpert_set(root, valid, table="valid.csv")
    kept = import_chexpert(root, tmp_path / "kept", quiet=True).table
    assert (kept["split"] == kept["item_id"].str.contains("/valid/").map({True: "test", False: "train"})).all()
    anew = import_chexpert(root, tmp_path / "anew", resplit=True, fractions=(0.5, 0.0, 0.5), quiet=True).table
    assert set(anew[anew["item_id"].str.contains("/train/")]["split"]) == {"train", "test"}


@pytest.mark.parametrize("prefix", ["", "CheXpert-v1.0/"])
def test_paths_with_and_without_the_first_folder(prefix: str, tmp_path: Path) -> None:
    assert len(import_chexpert(chexpert_set(tmp_path / "set", prefix=prefix), tmp_path / "out", quiet=True).table) == 5


@pytest.mark.parametrize(
    ("rows", "options", "words"),
    [
        (ROWS, {"positive": "Cancer"}, "not a finding of the table .findings: Edema, Pneumonia"),
        (ROWS, {"positive": "Sex"}, "not a finding"),
        ([*ROWS, ("/../../../../x", *ROWS[0][1:])], {}, "paths lead out of the set"),
        ([*ROWS, ROWS[0]], {}, "'Path' is empty or repeated in 1 rows"),
        ([row for row in ROWS if row[0][0] in "13"], {}, "no image of class 'No Finding'"),
    ],
)
def test_bad_sets_are_one_line(rows: list[tuple[str, ...]], options: dict[str, str], words: str, tmp_path: Path) -> None:
    root = chexpert_set(tmp_path / "set", [row for row in rows if ".." not in row[0]])
    full = [(f"train/patient0000{row[0]}.jpg", *row[1:]) for row in rows]
    pd.DataFrame(full, columns=COLUMNS).to_csv(root / "train.csv", index=False)
    with pytest.raises(InputError, match=words) as caught:
        import_chexpert(root, tmp_path / "out", quiet=True, **options)
    assert "\n" not in str(caught.value)


def test_no_tables_and_no_patient_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    with pytest.raises(InputError, match=r"no train\.csv and no valid\.csv"):
        import_chexpert(tmp_path / "set", tmp_path / "out", quiet=True)
    pd.DataFrame([("train/a.jpg", *ROWS[0][1:])], columns=COLUMNS).to_csv(tmp_path / "set" / "train.csv", index=False)
    with pytest.raises(InputError, match="1 paths name no patient"):
        import_chexpert(tmp_path / "set", tmp_path / "out", quiet=True)
