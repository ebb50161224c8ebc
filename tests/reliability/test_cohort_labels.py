"""Labels that are no class, and one label written in two ways: refused in one line, before they become a disease."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from empirical.cohorts.csv_io import refuse_labels_alike
from empirical.cohorts.readers.folder import import_folder
from empirical.cohorts.readers.ham10000 import import_ham10000
from empirical.cohorts.readers.medmnist import import_medmnist
from empirical.cohorts.readers.nih import import_nih
from empirical.cohorts.readers.table import import_table
from see_in_pairs.errors import InputError


def picture(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (8, 8), dtype=np.uint8)).save(path)


def medmnist(path: Path, labels: np.ndarray) -> Path:
    arrays = {}
    for split in ("train", "test"):
        arrays[f"{split}_images"] = np.random.default_rng(0).integers(0, 255, (len(labels), 8, 8), dtype=np.uint8)
        arrays[f"{split}_labels"] = labels
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.array([0, 1, np.nan, 1]), r"1 are not whole numbers \(nan\)"),
        (np.array([0, 1, np.inf, -np.inf]), r"2 are not whole numbers"),
        (np.array([0, 1, 0.5, 0.25]), r"2 are not whole numbers \(0\.5, 0\.25\)"),
        (np.array([0, 1, 1j, 0]), "complex128"),
        (np.array([0, 1, 2, 3], dtype="datetime64[D]"), "datetime64"),
        (np.array(["well", "ill", "Well", "ill"]), r"one label in several ways \('Well', 'well'\)"),
    ],
    ids=["not a number", "infinite", "fractions", "complex", "dates", "case"],
)
def test_medmnist_labels_that_are_no_class_are_refused(labels: np.ndarray, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        import_medmnist(medmnist(tmp_path / "a.npz", labels), tmp_path / "out", healthy="0", quiet=True)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", [float, bool, np.int64, "S1"])
def test_medmnist_labels_of_any_whole_kind_are_named_alike(kind: type | str, tmp_path: Path) -> None:
    cohort = import_medmnist(medmnist(tmp_path / "a.npz", np.array([0, 1, 0, 1]).astype(kind)), tmp_path / "out", healthy="0", quiet=True)
    assert set(cohort.table["label"]) == {"0", "1"}


@pytest.mark.parametrize("labels", [["well", "WELL"], ["ill", "Ill "], ["1", "01"], ["1", "1.0"], ["no  finding", "no finding"]])
def test_one_label_in_two_ways_is_refused(labels: list[str]) -> None:
    with pytest.raises(InputError, match="one label in several ways"):
        refuse_labels_alike(pd.Series([*labels, "other"], name="label"), "table")


def test_different_labels_pass() -> None:
    refuse_labels_alike(pd.Series(["well", "unwell", "1", "10", "-1", "1.5", "", "grade 1", "grade 2"], name="label"), "table")


def test_no_reader_takes_one_label_in_two_ways(tmp_path: Path) -> None:
    names = [f"{number}.png" for number in range(4)]
    for name in names:
        picture(tmp_path / "images" / name)
    root = str(tmp_path)
    pd.DataFrame({"image": [f"images/{name}" for name in names], "label": ["well", "WELL", "ill", "ill"]}).to_csv(root + "/a.csv")
    findings = ["No Finding", "No Finding", "Pneumonia", "pneumonia|Edema"]
    nih = pd.DataFrame({"Image Index": names, "Finding Labels": findings, "Patient ID": range(4), "Follow-up #": 0})
    nih.assign(**{"Patient Age": 5, "Patient Gender": "F", "View Position": "PA"}).to_csv(root + "/Data_Entry_2017.csv")
    ham = pd.DataFrame({"lesion_id": range(4), "image_id": range(4), "dx": ["nv", "nv", "mel", "MEL"], "dx_type": "", "age": 5})
    ham.assign(sex="", localization="", dataset="").to_csv(root + "/HAM10000_metadata.csv")
    for label, name in zip(["well", "WELL", "ill", "ill"], names, strict=True):
        picture(tmp_path / "folders" / label / name)
    readers = {
        "table": lambda: import_table(tmp_path, tmp_path / "out", table="a.csv", healthy="well", quiet=True),
        "nih": lambda: import_nih(tmp_path, tmp_path / "out", quiet=True),
        "ham10000": lambda: import_ham10000(tmp_path, tmp_path / "out", quiet=True),
        "folder": lambda: import_folder(tmp_path / "folders", tmp_path / "out", healthy="well", quiet=True),
    }
    for reader in readers.values():
        with pytest.raises(InputError, match="one label in several ways"):
            reader()
