"""What every reader ends with: filters, broken images, splits with a pool of references, links, and what is counted."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from empirical.cohorts import Cohort
from empirical.cohorts.filters import keep_where
from empirical.cohorts.perceptual_hash import load_signatures, signature
from empirical.cohorts.readers.folder import import_folder
from empirical.cohorts.readers.nih import import_nih
from empirical.cohorts.splits import parse_fractions, split_by_patient
from see_in_pairs.errors import InputError


def picture(path: Path, seed: int, side: int = 8) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (side, side), dtype=np.uint8)).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed in range(40):
        picture(tmp_path / "set" / ("well", "ill")[seed % 2] / f"p{seed // 2}-{seed}.png", seed)
    return tmp_path / "set"


def imported(folder: Path, **settings: object) -> Cohort:
    return import_folder(folder, folder.parent / "out", **{"healthy": "well", "patient_pattern": r"p\d+", "quiet": True, **settings})


def truncated(path: Path) -> None:
    picture(path, 1, 64)
    path.write_bytes(path.read_bytes()[:-200])


def truncated_jpeg(path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)
    Image.fromarray(noise).save(path, format="JPEG")
    path.write_bytes(path.read_bytes()[:800])


def several_pages(path: Path) -> None:
    pages = [Image.new("L", (8, 8), shade) for shade in (0, 255)]
    pages[0].save(path, format="TIFF", save_all=True, append_images=pages[1:])


def huge(path: Path) -> None:
    import struct
    import zlib

    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
    body = b"".join(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


HOSTILE = {
    "truncated PNG": ("p99.png", truncated, "cannot be read as an image"),
    "truncated JPEG": ("p99.jpg", truncated_jpeg, "cannot be read as an image"),
    "decompression bomb": ("p99.png", huge, "too many pixels for a plausible image"),
    "1 x 1": ("p99.png", lambda path: picture(path, 0, 1), "is 1 x 1 pixels, too small"),
    "several pages": ("p99.tiff", several_pages, "has 2 pictures"),
    "text": ("p99.png", lambda path: path.write_text("hello"), "cannot be read as an image"),
    "link in a circle": ("p99.png", lambda path: path.symlink_to(path), r"p99\.png"),
    "link out of the set": ("p99.png", lambda path: path.symlink_to(picture(path.parents[2] / "x.png", 0)), "leads out of"),
    "dangling link": ("p99.png", lambda path: path.symlink_to(path.parent / "gone.png"), r"p99\.png: no such image"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_image_is_one_line_and_can_be_skipped_by_request(case: str, folder: Path) -> None:
    name, make, words = HOSTILE[case]
    make(folder / "ill" / name)
    with pytest.raises(InputError, match=words) as caught:
        imported(folder)
    assert "\n" not in str(caught.value)
    assert "--skip-broken" in str(caught.value)
    cohort = imported(folder, skip_broken=True)
    assert (len(cohort.table), cohort.info.counts["unreadable_images"]) == (40, 1)
    listed = pd.read_csv(folder.parent / "out" / "broken.csv")["problem"]
    assert len(listed) == 1
    assert name in listed[0]


def test_odd_but_sound_images_are_read(folder: Path) -> None:
    picture(folder / "ill" / "p50.png", 50)
    wide = np.linspace(1000, 5000, 64).reshape(8, 8).astype(np.uint16)
    Image.fromarray(wide).save(folder / "ill" / "p51.png")
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(folder / "well" / "p52.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    Image.new("L", (16, 8)).save(folder / "well" / "p53.jpg", exif=exif)
    facts = imported(folder).table.set_index("patient_id")[["width", "height", "mode"]]
    assert facts.loc["p51"].tolist() == [8, 8, "I;16"]
    assert facts.loc["p52"].tolist() == [8, 8, "CMYK"]
    assert facts.loc["p53"].tolist() == [8, 16, "L"]


def test_a_fourth_fraction_sets_healthy_patients_aside(tmp_path: Path) -> None:
    for seed in range(60):
        picture(tmp_path / "set" / ("well", "well", "ill")[seed % 3] / f"p{seed}-.png", seed)
    cohort = imported(tmp_path / "set", fractions=parse_fractions("0.4,0.1,0.2,0.3"))
    counts = cohort.table.groupby(["label", "split"]).size()
    assert counts["well"].to_dict() == {"reference": 12, "test": 8, "train": 16, "val": 4}
    assert counts["ill"].to_dict() == {"test": 6, "train": 11, "val": 3}  # by 4 : 1 : 2, rounded at 11.4 and 14.3
    again = Cohort.load(tmp_path / "out")
    assert set(again.table.loc[again.table["split"] == "reference", "serves"]) == {""}


def test_references_cannot_be_set_aside_where_every_patient_is_ill(folder: Path) -> None:
    with pytest.raises(InputError, match="no patient is left for references"):
        imported(folder, fractions=(0.4, 0.1, 0.3, 0.2))


def test_splits_hold_the_shares_of_a_column_too() -> None:
    patients = pd.Series([f"p{k}" for k in range(200)])
    positive, site = pd.Series(np.arange(200) % 2 == 0), pd.Series(np.where(np.arange(200) < 40, "small", "large"))
    split = split_by_patient(patients, positive, (0.5, 0.0, 0.5), 0, site)
    assert (split[site == "small"] == "test").sum() == 20


def test_stratifying_on_what_is_not_there_is_one_line(folder: Path) -> None:
    with pytest.raises(InputError, match="--stratify country: no such column"):
        imported(folder, stratify=["country"])
    with pytest.raises(InputError, match="--stratify image: has 40 different values"):
        imported(folder, stratify=["image"])


@pytest.mark.parametrize(
    ("condition", "kept"),
    [
        ("age=18", 1),
        ("age!=18", 3),
        ("age=18, 60.0", 2),
        ("age=", 1),
        ("age!=", 3),
        ("No Finding=1.0", 2),
        ("view=AP", 2),
        ("view=AP,PA", 3),
        ("view!=AP", 2),
        ("view=", 1),
        ("age>=18", 2),
        ("age < 18", 1),
        ("age<=100", 3),
        ("age>40", 1),
    ],
)
def test_conditions_keep_and_count(condition: str, kept: int) -> None:
    table = pd.DataFrame({"view": ["AP", "AP", "PA", ""], "age": [10.0, 18.0, 60.0, np.nan], "No Finding": [1, 0, 1, 0]})
    left, counts = keep_where(table, [condition])
    assert len(left) == kept
    assert list(counts.values()) == [4 - kept]


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("age", "write column=value"),
        ("size=3", "no column 'size'"),
        ("view>3", "a number"),
        ("age>x", "a number"),
        ("age>99", "no item"),
        ("age=x", "has numbers"),
    ],
)
def test_bad_conditions_are_one_line(condition: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        keep_where(pd.DataFrame({"view": ["AP"], "age": [10.0]}), [condition])


def test_what_conditions_leave_out_is_in_the_counts(folder: Path) -> None:
    counts = imported(folder, where=["label=well,ill", "patient_id!=p3"]).info.counts
    assert counts["left_out_by_where_patient_id!=p3"] == 2
    assert counts["left_out_by_where_label=well,ill"] == 0


def test_folders_of_splits_beside_others_are_refused(folder: Path) -> None:
    os.rename(folder / "ill", folder / "train")
    with pytest.raises(InputError, match=r"folders of splits .train\.\.\.. lie beside others .well."):
        imported(folder)


def test_kermany_names_give_patients(tmp_path: Path) -> None:
    names = {"PNEUMONIA": ["person12_bacteria_30.jpeg", "person12_bacteria_31.jpeg", "person7_virus_1.jpeg"],
             "NORMAL": ["NORMAL2-IM-0341-0001.jpeg", "NORMAL2-IM-0341-0001-0002.jpeg", "IM-0115-0001.jpeg"]}  # fmt: skip
    for split in ("train", "val", "test"):
        for label, files in names.items():
            for seed, file in enumerate(files):
                picture(tmp_path / "chest_xray" / split / label / file.replace("person", f"person{len(split)}"), seed + 10 * len(split))
    (tmp_path / "chest_xray" / "__MACOSX").mkdir()
    (tmp_path / "chest_xray" / "train" / ".DS_Store").write_text("")
    cohort = import_folder(tmp_path / "chest_xray", tmp_path / "out", healthy="NORMAL", patient_pattern=r"person\d+|IM-\d+", quiet=True)
    assert set(cohort.table["patient_id"]) == {
        "person512",
        "person57",
        "person312",
        "person37",
        "person412",
        "person47",
        "IM-0341",
        "IM-0115",
    }
    assert set(cohort.table["split"]) == {"train", "val", "test"}
    assert cohort.info.positive == ["PNEUMONIA"]


def test_nih_keeps_earlier_normal_films_as_priors_of_their_patient_only(tmp_path: Path) -> None:
    rows = [(f"{patient}_{visit}.png", finding, visit, patient) for patient, visits in {
        "1": ["No Finding", "Pneumonia", "No Finding"], "2": ["No Finding", "No Finding"], "3": ["Pneumonia", "No Finding"],
        "4": ["No Finding", "Edema"], "5": ["No Finding", "Pneumonia"], "6": ["No Finding"]}.items()
        for visit, finding in enumerate(visits)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["Image Index", "Finding Labels", "Follow-up #", "Patient ID"])
    table[["Patient Age", "Patient Gender", "View Position"]] = ["50", "F", "PA"]
    for seed, name in enumerate(table["Image Index"]):
        if name != "5_1.png":
            picture(tmp_path / "set" / "images" / name, seed)
    table.to_csv(tmp_path / "set" / "Data_Entry_2017.csv", index=False)
    cohort = import_nih(tmp_path / "set", tmp_path / "out", priors=True, only_present=True, quiet=True)
    priors = cohort.table[cohort.table["serves"] == "prior"]
    assert priors["item_id"].tolist() == ["1_0.png"]  # 1_2 came later, 4_0 before another finding, 5_0 has lost its query
    assert set(priors["split"]) == {"reference"}
    assert (cohort.info.counts["normal_rows_kept_as_priors"], cohort.info.counts["priors_without_query"]) == (2, 1)
    assert set(cohort.table.loc[cohort.table["label"] == "Pneumonia", "item_id"]) == {"1_1.png", "3_0.png"}


def test_signatures_are_kept_beside_the_cohort_and_made_again_when_lost(folder: Path) -> None:
    cohort = imported(folder)
    path = folder.parent / "out" / "signatures.npz"
    kept, problems = load_signatures(cohort)
    assert problems == []
    np.testing.assert_array_equal(kept[3], signature(cohort.image(cohort.table["item_id"][3])))
    for damage in (path.unlink, lambda: path.write_bytes(b"not npz"), lambda: np.savez(path, sha256=np.array([]), signature=np.zeros(3))):
        damage()
        np.testing.assert_array_equal(load_signatures(cohort)[0], kept)
        assert path.stat().st_size > 1000


def test_a_folder_that_cannot_be_written_does_not_stop_signatures(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = imported(folder)
    (folder.parent / "out" / "signatures.npz").unlink()

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("empirical.cohorts.perceptual_hash.atomic_path", refuse)
    assert np.isfinite(load_signatures(cohort)[0]).all()
