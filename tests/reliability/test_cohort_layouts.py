"""Public sets as mirrors give them out: columns that are not needed left out or renamed, endings in capitals, other formats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, features

from empirical.cohorts.images import spellings
from empirical.cohorts.readers.chexpert import import_chexpert
from empirical.cohorts.readers.folder import find_by_name, import_folder
from empirical.cohorts.readers.ham10000 import import_ham10000
from empirical.cohorts.readers.nih import import_nih
from empirical.cohorts.readers.table import import_table
from see_in_pairs.errors import InputError

N = 12


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(sum(str(path).encode())).integers(0, 255, (16, 16), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def nih(root: Path, ending: str = ".png", **columns: object) -> Path:
    for number in range(N):
        picture(root / "images_001" / "images" / f"{number:08d}{ending}")
    findings = ["Pneumonia" if number % 2 else "No Finding" for number in range(N)]
    table = pd.DataFrame({"Image Index": [f"{number:08d}.png" for number in range(N)], "Finding Labels": findings, "Patient ID": range(N)})
    table.assign(**columns).to_csv(root / "Data_Entry_2017_v2020.csv", index=False)
    return root


@pytest.mark.parametrize("header", ["Patient Sex", "Patient Gender"])
def test_nih_is_read_under_either_header(header: str, tmp_path: Path) -> None:
    cohort = import_nih(nih(tmp_path / "set", **{header: ["M", "F"] * 6, "Patient Age": 40}), tmp_path / "out", quiet=True)
    assert cohort.table["sex"].value_counts().to_dict() == {"M": 6, "F": 6}
    assert (cohort.table["age"] == 40).all()


def test_nih_needs_image_findings_and_patient_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cohort = import_nih(nih(tmp_path / "set"), tmp_path / "out")
    assert "has no column Patient Age, Patient Sex, View Position, Follow-up #, and is read without" in capsys.readouterr().err
    assert (len(cohort.table), set(cohort.table["sex"]), cohort.table["age"].isna().all()) == (N, {""}, True)
    with pytest.raises(InputError, match="has no column Follow-up #"):
        import_nih(tmp_path / "set", tmp_path / "priors", priors=True, quiet=True)


@pytest.mark.parametrize("ending", [".PNG", ".jpg", ".JPEG"])
def test_images_of_another_ending_than_the_table_says_are_found(ending: str, tmp_path: Path) -> None:
    assert len(import_nih(nih(tmp_path / "set", ending), tmp_path / "out", quiet=True).table) == N


def test_ham10000_needs_image_lesion_and_diagnosis_only(tmp_path: Path) -> None:
    for number in range(N):
        picture(tmp_path / "HAM10000_images_part_1" / f"ISIC_{number}.JPG")
    table = pd.DataFrame({"image_id": [f"ISIC_{number}" for number in range(N)], "lesion_id": range(N), "dx": ["nv", "mel"] * 6})
    table.to_csv(tmp_path / "HAM10000_metadata.csv", index=False)
    cohort = import_ham10000(tmp_path, tmp_path / "out", quiet=True)
    assert (len(cohort.table), set(cohort.table["site"]), set(cohort.table["label"])) == (N, {""}, {"nv", "mel"})
    table.drop(columns="lesion_id").to_csv(tmp_path / "HAM10000_metadata.csv", index=False)
    with pytest.raises(InputError, match="has no column lesion_id"):
        import_ham10000(tmp_path, tmp_path / "none", quiet=True)


def test_chexpert_needs_path_and_findings_only(tmp_path: Path) -> None:
    paths = [f"CheXpert-v1.0-small/train/patient{number:05d}/study1/view1_frontal.jpg" for number in range(N)]
    paths += [f"CheXpert-v1.0-small/train/patient{number:05d}/study1/view2_lateral.jpg" for number in range(N)]
    for path in paths:
        picture(tmp_path / path.partition("/")[2].replace(".jpg", ".JPG"))
    ill = [str(float(number % 2)) for number in range(N)] * 2
    well = ["" if value == "1.0" else "1.0" for value in ill]
    pd.DataFrame({"Path": paths, "No Finding": well, "Pneumonia": ill}).to_csv(tmp_path / "train.csv", index=False)
    cohort = import_chexpert(tmp_path, tmp_path / "out", quiet=True)
    assert (len(cohort.table), cohort.info.counts["lateral_views_left_out"], set(cohort.table["view"])) == (N, N, {""})
    both = import_chexpert(tmp_path, tmp_path / "both", lateral=True, quiet=True)
    assert both.table["view"].value_counts().to_dict() == {"": N, "lateral": N}


FORMATS = [".gif", ".GIF", ".PNG", ".TIF", *([".jp2", ".J2K"] if features.check("jpg_2000") else [])]


@pytest.mark.parametrize("ending", FORMATS)
def test_folders_and_tables_hold_images_of_any_format_that_is_read(ending: str, tmp_path: Path) -> None:
    rows = []
    for number in range(N):
        label = "ill" if number % 2 else "well"
        path = picture(tmp_path / "set" / label / f"{number}{ending}")
        rows.append({"image": str(path.relative_to(tmp_path / "set").with_suffix("")), "label": label})
    pd.DataFrame(rows).to_csv(tmp_path / "a.csv", index=False)
    assert len(import_folder(tmp_path / "set", tmp_path / "out", healthy="well", quiet=True).table) == N
    assert len(import_table(tmp_path / "set", tmp_path / "out2", table=tmp_path / "a.csv", healthy="well", quiet=True).table) == N


def test_a_moving_gif_is_several_pictures(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((16, 16), level, np.uint8)) for level in (0, 90, 200)]
    for number in range(6):
        picture(tmp_path / "set" / "well" / f"{number}.png")
        picture(tmp_path / "set" / "ill" / f"{number}.png")
    frames[0].save(tmp_path / "set" / "ill" / "moving.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(InputError, match=r"moving\.gif: has 3 pictures"):
        import_folder(tmp_path / "set", tmp_path / "out", healthy="well", quiet=True)


def test_a_name_that_two_files_could_have_has_none(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.png", "a.jpg", "b.jpg", "c.PNG")]
    names = pd.Series(["a.png", "a", "a.tif", "b.png", "b", "c.png", "d.png"])
    assert list(find_by_name(names, files, tmp_path)) == ["a.png", "", "", "b.jpg", "b.jpg", "c.PNG", ""]


def test_the_name_of_the_table_comes_first() -> None:
    assert spellings("x/a.JPG")[:2] == ["x/a.JPG", "x/a.jpg"]
    assert spellings("v1.2")[0] == "v1.2"
    assert "v1.2.png" in spellings("v1.2")
