"""Readers of image sets: what is kept, what is counted, and hostile input, each in one line."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from empirical.cohorts import Cohort
from empirical.cohorts.csv_io import parse_age
from empirical.cohorts.readers.folder import import_folder
from empirical.cohorts.readers.ham10000 import import_ham10000
from empirical.cohorts.readers.nih import import_nih
from empirical.cohorts.splits import parse_fractions, split_by_patient
from see_in_pairs.errors import InputError

NIH_ROWS = [  # image, findings, patient, age, sex, view
    ("a0.png", "Pneumonia|Edema", "1", "058Y", "M", "PA"),
    ("a1.png", "No Finding", "1", "59", "M", "PA"),  # normal film of a patient with findings: no clean control
    ("b0.png", "No Finding", "2", "414", "F", "AP"),  # impossible age
    ("b1.png", "No Finding", "2", "30", "F", "AP"),
    ("c0.png", "Effusion", "3", "40", "F", "AP"),
    ("d0.png", "Pneumonia", "4", "41", "", "AP"),
    ("e0.png", "No Finding", "5", "006M", "F", "PA"),
]
COLUMNS = ["Image Index", "Finding Labels", "Patient ID", "Patient Age", "Patient Gender", "View Position"]


def picture(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (8, 8), dtype=np.uint8)).save(path)


def nih_set(root: Path, rows: list[tuple[str, ...]] = NIH_ROWS, absent: tuple[str, ...] = (), sep: str = ",", **changes: object) -> Path:
    table = pd.DataFrame(rows, columns=COLUMNS).assign(**{"Follow-up #": 0, **changes})
    root.mkdir(exist_ok=True)
    table.to_csv(root / "Data_Entry_2017_v2020.csv", index=False, sep=sep, encoding="utf-8-sig")
    for seed, row in enumerate(rows):
        if row[0] not in absent and "/" not in row[0]:
            picture(root / "images" / row[0], seed)
    return root


def test_nih_keeps_findings_and_clean_controls_and_accounts_for_every_row(tmp_path: Path) -> None:
    cohort = import_nih(nih_set(tmp_path / "nih"), tmp_path / "out", quiet=True)
    table = cohort.table.set_index("item_id")
    assert table["label"].to_dict() == {
        "a0.png": "Pneumonia", "b0.png": "No Finding", "b1.png": "No Finding", "d0.png": "Pneumonia", "e0.png": "No Finding"
    }  # fmt: skip
    counts = cohort.info.counts
    kept = counts["rows_with_pneumonia"] + counts["rows_of_clean_controls"]
    left = counts["rows_with_other_findings_only"] + counts["normal_rows_of_patients_with_findings"]
    assert (kept, left, counts["rows_in_table"], counts["implausible_ages"]) == (5, 2, 7, 1)
    assert table.loc["a0.png", "age"] == 58
    assert np.isnan(table.loc["b0.png", "age"])
    assert table.loc["e0.png", "age"] == 0.5
    assert table.loc["d0.png", "sex"] == ""
    assert (table.groupby("patient_id")["split"].nunique() == 1).all()
    assert Cohort.load(tmp_path / "out").image("a0.png").size == (8, 8)
    assert not (tmp_path / "out" / "images").exists()


def test_nih_keeps_what_tells_scanners_apart(tmp_path: Path) -> None:
    originals = {"OriginalImage[Width": range(2000, 2007), "Height]": 2500, "OriginalImagePixelSpacing[x": 0.143, "y]": 0.143}
    cohort = import_nih(nih_set(tmp_path / "nih", **originals), tmp_path / "out", quiet=True)
    kept = cohort.table.set_index("item_id")[["original_width", "original_height", "original_spacing"]]
    assert kept.loc["b0.png"].tolist() == [2002, 2500, 0.143]


def test_nih_rows_without_an_image_stop_unless_allowed(tmp_path: Path) -> None:
    root = nih_set(tmp_path / "nih", absent=("b1.png", "a1.png"))  # a1 is not asked for
    with pytest.raises(InputError, match=r"1 of 5 rows have no image: b1\.png; .*--only-present"):
        import_nih(root, tmp_path / "out", quiet=True)
    cohort = import_nih(root, tmp_path / "out", only_present=True, quiet=True)
    assert cohort.info.counts["rows_without_image"] == 1
    assert len(cohort.table) == 4


def test_nih_takes_the_parts_of_the_full_download(tmp_path: Path) -> None:
    root = nih_set(tmp_path / "nih")
    (root / "images_002").mkdir()
    (root / "images").rename(root / "images_002" / "images")
    cohort = import_nih(root, tmp_path / "out", quiet=True)
    assert set(cohort.table["image"].str.split("/").str[0]) == {"images_002"}


BAD_NIH = {
    "no folder": (lambda root: root / "nowhere", "no such folder"),
    "no table": (lambda root: (root.mkdir(), root)[1], "no Data_Entry_2017_v2020.csv"),
    "wrong delimiter": (lambda root: nih_set(root, sep=";"), "separated by ';': save it with commas"),
    "repeated image": (lambda root: nih_set(root, [*NIH_ROWS, NIH_ROWS[0]]), "repeated in 1 rows"),
    "climbing path": (lambda root: nih_set(root, [*NIH_ROWS, ("../../x.png", "Pneumonia", "9", "1", "F", "PA")]), "not plain file names"),
    "no such finding": (lambda root: nih_set(root, [row for row in NIH_ROWS if "Pneumonia" not in row[1]]), "not a finding of the table"),
    "one class": (lambda root: nih_set(root, NIH_ROWS[:1]), "no image of class 'No Finding'"),
    "no rows": (lambda root: nih_set(root, []), "has no rows"),
}


@pytest.mark.parametrize("case", BAD_NIH)
def test_bad_nih_sets_are_one_line_and_leave_nothing(case: str, tmp_path: Path) -> None:
    make, words = BAD_NIH[case]
    with pytest.raises(InputError, match=words) as caught:
        import_nih(make(tmp_path / "nih"), tmp_path / "out", quiet=True)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("column", COLUMNS[:3])
def test_a_missing_column_is_named(column: str, tmp_path: Path) -> None:
    root = nih_set(tmp_path / "nih")
    path = root / "Data_Entry_2017_v2020.csv"
    pd.read_csv(path).drop(columns=column).to_csv(path, index=False)
    with pytest.raises(InputError, match=f"no column {column}"):
        import_nih(root, tmp_path / "out", quiet=True)


def test_a_cut_image_is_named(tmp_path: Path) -> None:
    root = nih_set(tmp_path / "nih")
    path = root / "images" / "d0.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(InputError, match=r"d0\.png: cannot be read as an image"):
        import_nih(root, tmp_path / "out", quiet=True)


def test_ages_as_they_are_written() -> None:
    ages = parse_age(pd.Series(["58", "058Y", "006M", "000D", "", "x", "12.5", "-3"]))
    np.testing.assert_allclose(ages, [58, 58, 0.5, 0, np.nan, np.nan, 12.5, np.nan])


def image_folder(root: Path, names: list[str]) -> Path:
    for seed, name in enumerate(names):
        picture(root / name, seed)
    return root


LABELS = [f"{label}/{label}{k}-{j}.png" for label in ("NORMAL", "SICK") for k in range(10) for j in range(2)]


def test_a_folder_without_splits_is_split_by_patient(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = image_folder(tmp_path / "set", [*LABELS, "OTHER/x.png"])
    (root / "SICK" / "notes.txt").write_text("hello")
    cohort = import_folder(root, tmp_path / "out", healthy="NORMAL", positive=["SICK"], patient_pattern=r"([A-Z]+\d+)-", quiet=True)
    assert cohort.info.counts == {"other_files": 1, "items_of_other_labels": 1, "rows_without_image": 0, "unreadable_images": 0}
    assert (cohort.table.groupby("patient_id")["split"].nunique() == 1).all()
    assert cohort.table.groupby("split")["patient_id"].nunique().to_dict() == {"train": 12, "val": 2, "test": 6}
    assert "warning" not in capsys.readouterr().err


def test_without_a_pattern_each_file_is_a_patient_and_that_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cohort = import_folder(image_folder(tmp_path / "set", LABELS), tmp_path / "out", healthy="NORMAL", quiet=True)
    assert cohort.table["patient_id"].is_unique
    assert "warning: no --patient-pattern" in capsys.readouterr().err


def test_given_splits_are_kept_and_a_single_one_is_not(tmp_path: Path) -> None:
    given = [f"{split}/{name}" for split in ("train", "testing") for name in LABELS[:4] + LABELS[-4:]]
    cohort = import_folder(image_folder(tmp_path / "two", given), tmp_path / "a", healthy="NORMAL", quiet=True)
    assert (cohort.table["split"] == cohort.table["image"].str.split("/").str[0].str.replace("testing", "test")).all()
    one = import_folder(image_folder(tmp_path / "one", [f"train/{name}" for name in LABELS]), tmp_path / "b", healthy="NORMAL", quiet=True)
    assert set(one.table["split"]) == {"train", "val", "test"}


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    root = image_folder(tmp_path / "set", LABELS)
    os.symlink(root, root / "SICK" / "again")
    cohort = import_folder(root, tmp_path / "out", healthy="NORMAL", quiet=True)
    assert len(cohort.table) == len(LABELS)


@pytest.mark.parametrize(
    ("names", "options", "words"),
    [
        (["a.txt"], {}, "no image found"),
        (LABELS, {"healthy": "healthy"}, "no image of label 'healthy' .found: NORMAL, SICK"),
        (LABELS[:20], {}, "a label other than the healthy"),
        (LABELS, {"positive": ["ILL"]}, "no image of label 'ILL'"),
        (LABELS, {"patient_pattern": "("}, "not a regular expression"),
        (LABELS, {"patient_pattern": r"NORMAL\d+"}, "no patient in 20 of 40 file names"),
    ],
)
def test_bad_folders_are_one_line(names: list[str], options: dict[str, object], words: str, tmp_path: Path) -> None:
    root = tmp_path / "set"
    image_folder(root, [name for name in names if name.endswith("png")])
    root.mkdir(exist_ok=True)
    with pytest.raises(InputError, match=words) as caught:
        import_folder(root, tmp_path / "out", **{"healthy": "NORMAL", "quiet": True, **options})
    assert "\n" not in str(caught.value)


def ham_set(root: Path) -> Path:
    rows = [(f"L{k // 2}", f"I{k}", "mel" if k < 8 else "nv", "histo", "0" if k == 0 else "45.0", sex, "back", f"clinic{k % 2}")
            for k, sex in zip(range(16), ["female", "male", "unknown", "female"] * 4, strict=True)]  # fmt: skip
    columns = ["lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization", "dataset"]
    root.mkdir()
    pd.DataFrame([*rows, ("L99", "I99", "bkl", "histo", "", "", "", "")], columns=columns).to_csv(
        root / "HAM10000_metadata.csv", index=False
    )
    for seed in range(16):
        picture(root / "images" / f"I{seed}.jpg", seed)
    return root


def test_ham10000_splits_by_lesion_and_takes_the_source_as_site(tmp_path: Path) -> None:
    cohort = import_ham10000(ham_set(tmp_path / "ham"), tmp_path / "out", quiet=True)
    table = cohort.table.set_index("item_id")
    assert cohort.info.healthy == "nv"
    counts = {"rows_in_table": 17, "rows_of_other_diagnoses": 1, "rows_without_image": 0, "missing_ages": 1, "unreadable_images": 0}
    assert cohort.info.counts == counts
    assert np.isnan(table.loc["I0", "age"])
    assert table.loc["I1", ["sex", "site", "patient_id"]].tolist() == ["M", "clinic1", "L0"]
    assert (table.groupby("patient_id")["split"].nunique() == 1).all()
    with pytest.raises(InputError, match="needs rows of it beside those of 'nv'"):
        import_ham10000(tmp_path / "ham", tmp_path / "out", positive="nv", quiet=True)


@given(st.integers(2, 60), st.integers(0, 5), st.sampled_from([(0.6, 0.1, 0.3), (0.5, 0.0, 0.5), (1.0, 0.0, 0.0)]))
def test_splits_keep_patients_whole_and_strata_in_proportion(count: int, seed: int, fractions: tuple[float, float, float]) -> None:
    patients = pd.Series([f"p{k // 2}" for k in range(2 * count)])
    positive = pd.Series([k % 6 == 0 for k in range(2 * count)])
    split = split_by_patient(patients, positive, fractions, seed)
    assert (split.groupby(patients).nunique() == 1).all()
    strata = positive.groupby(patients).any()
    home = split.groupby(patients).first()
    for stratum in (True, False):
        members = home[strata == stratum]
        for name, share in zip(("train", "val", "test"), fractions, strict=True):
            assert abs((members == name).sum() - share * len(members)) <= 1


def test_splits_do_not_depend_on_the_order_of_rows() -> None:
    patients, positive = pd.Series([f"p{k}" for k in range(50)]), pd.Series([k % 2 == 0 for k in range(50)])
    order = np.random.default_rng(0).permutation(50)
    straight = split_by_patient(patients, positive, (0.6, 0.1, 0.3), 1)
    shuffled = split_by_patient(patients[order], positive[order], (0.6, 0.1, 0.3), 1)
    assert straight.equals(shuffled.sort_index())
    assert not straight.equals(split_by_patient(patients, positive, (0.6, 0.1, 0.3), 2))


@pytest.mark.parametrize("text", ["", "1", "0.5,0.5", "0.5,0.1,0.1", "a,b,c", "-0.1,0.5,0.6"])
def test_bad_fractions_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="fractions"):
        parse_fractions(text)


@pytest.mark.skipif("SEE_IN_PAIRS_DATA" not in os.environ, reason="SEE_IN_PAIRS_DATA does not name a folder with real images")
def test_the_real_sets_are_read_whole(tmp_path: Path) -> None:
    data = Path(os.environ["SEE_IN_PAIRS_DATA"])
    nih = import_nih(data / "nih-chestxray14", tmp_path / "nih", only_present=True, quiet=True)
    entries = pd.read_csv(data / "nih-chestxray14" / "Data_Entry_2017_v2020.csv")
    on_disk = set(os.listdir(data / "nih-chestxray14" / "images"))
    clean = ~entries["Patient ID"].isin(set(entries.loc[entries["Finding Labels"] != "No Finding", "Patient ID"]))
    expected = entries[entries["Image Index"].isin(on_disk) & (clean | entries["Finding Labels"].str.contains("Pneumonia"))]
    assert set(nih.table["item_id"]) == set(expected["Image Index"])
    ham = import_ham10000(data / "ham10000", tmp_path / "ham", quiet=True)
    assert len(ham.table) == 2520
