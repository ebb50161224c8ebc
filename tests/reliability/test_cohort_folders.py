"""Folders and files that the user may not read are an error or counted as broken, in every reader: none is left out unsaid."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from empirical.cohorts import Cohort
from empirical.cohorts.readers.folder import files_below
from empirical.cohorts.readers.registry import import_kind
from see_in_pairs.errors import InputError
from tests.empirical.cohorts.readers.test_dicom import dicom_set

as_user = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")


def pictures(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        seed = sum(os.fsencode(folder / name))
        Image.fromarray(np.random.default_rng(seed).integers(0, 255, (8, 8), dtype=np.uint8)).save(folder / name)


def folder_set(root: Path) -> Path:
    for label in ("well", "ill", "other"):
        pictures(root / label / "deep", [f"{label}{number}.png" for number in range(6)])
    return root


def nih_set(root: Path) -> Path:
    names = [f"{number}.png" for number in range(12)]
    pictures(root / "images_001" / "images", names[:6])
    pictures(root / "images_002" / "images", names[6:])
    findings = ["Pneumonia" if number % 2 else "No Finding" for number in range(12)]
    table = pd.DataFrame({"Image Index": names, "Finding Labels": findings, "Patient ID": range(12), "Follow-up #": 0, "Patient Age": 5})
    table.assign(**{"Patient Gender": "F", "View Position": "PA"}).to_csv(root / "Data_Entry_2017.csv", index=False)
    return root


def ham_set(root: Path) -> Path:
    pictures(root / "HAM10000_images_part_1", [f"{number}.jpg" for number in range(6)])
    pictures(root / "HAM10000_images_part_2", [f"{number}.jpg" for number in range(6, 12)])
    table = pd.DataFrame({"image_id": range(12), "lesion_id": range(12), "dx": ["nv", "mel"] * 6, "dx_type": "", "age": 5, "sex": "male"})
    table.assign(localization="", dataset="").to_csv(root / "HAM10000_metadata.csv", index=False)
    return root


def medmnist_set(root: Path) -> Path:
    root.mkdir()
    content = {f"{split}_images": np.zeros((4, 8, 8), np.uint8) for split in ("train", "test")}
    np.savez(root / "a.npz", **content, **{f"{split}_labels": np.arange(4) % 2 for split in ("train", "test")})
    return root


READERS: dict[str, tuple[Callable[[Path], Path], dict[str, Any], list[str]]] = {
    "folder": (folder_set, {"healthy": "well"}, [".", "other", "other/deep"]),
    "dicom": (dicom_set, {"healthy": "well"}, [".", "ill"]),
    "nih": (nih_set, {"only_present": True}, [".", "images_002", "images_002/images"]),
    "ham10000": (ham_set, {"only_present": True}, [".", "HAM10000_images_part_2"]),
    "medmnist": (medmnist_set, {"healthy": "0"}, ["."]),
}
CASES = [(kind, closed) for kind, (_, _, folders) in READERS.items() for closed in folders]


@pytest.mark.parametrize(("kind", "closed"), CASES)
def test_a_folder_that_may_not_be_read_is_one_line(kind: str, closed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make, options, _ = READERS[kind]
    root = make(tmp_path / "set")
    list_folder = os.scandir

    def guarded(path: Any) -> Any:
        if Path(path) == root / closed:
            raise PermissionError(13, "Permission denied", str(path))
        return list_folder(path)

    monkeypatch.setattr(os, "scandir", guarded)
    with pytest.raises(InputError, match=r"the folder cannot be read \(Permission denied\)"):
        import_kind(kind, root, tmp_path / "out", {**options, "quiet": True})
    assert not (tmp_path / "out").exists()


@as_user
@pytest.mark.parametrize(("kind", "closed"), [case for case in CASES if case[1] != "."])
def test_a_closed_folder_is_one_line(kind: str, closed: str, tmp_path: Path) -> None:
    make, options, _ = READERS[kind]
    root = make(tmp_path / "set")
    (root / closed).chmod(0)
    try:
        with pytest.raises(InputError, match="the folder cannot be read"):
            import_kind(kind, root, tmp_path / "out", {**options, "quiet": True})
    finally:
        (root / closed).chmod(0o755)


@pytest.mark.parametrize("name", ["x8.dcm", "x8"])
def test_a_file_that_may_not_be_read_counts_as_broken(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = dicom_set(tmp_path / "set", Path(name).suffix)
    (root / "ill" / name).write_bytes(b"")
    monkeypatch.setattr(Path, "open", denying(Path.open, name))
    monkeypatch.setattr("builtins.open", denying(open, name))
    cohort = import_kind("dicom", root, tmp_path / "out", {"healthy": "well", "skip_broken": True, "quiet": True})
    assert isinstance(cohort, Cohort)
    assert (cohort.info.counts["unreadable_images"], cohort.info.counts["other_files"]) == (1, 0)


def denying(opened: Callable[..., Any], name: str) -> Callable[..., Any]:
    def guarded(path: Any, *args: Any, **options: Any) -> Any:
        if Path(str(path)).name == name:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *args, **options)

    return guarded


def test_files_of_all_readable_folders_are_listed_by_name(tmp_path: Path) -> None:
    for name in ("b/2.txt", "b/1.txt", "a/c/3.txt", "0.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    listed = [path.relative_to(tmp_path).as_posix() for path in files_below(tmp_path)]
    assert listed == ["0.txt", "a/c/3.txt", "b/1.txt", "b/2.txt"]


def test_a_link_to_a_folder_is_not_followed_but_counted(tmp_path: Path) -> None:
    root = folder_set(tmp_path / "set")
    pictures(tmp_path / "elsewhere", ["1.png", "2.png"])
    (root / "ill" / "more").symlink_to(tmp_path / "elsewhere")
    (root / "ill" / "circle").symlink_to(root / "ill")
    cohort = import_kind("folder", root, tmp_path / "out", {"healthy": "well", "quiet": True})
    assert (len(cohort.table), cohort.info.counts["other_files"]) == (18, 2)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_names_that_are_no_text_are_one_line_and_can_be_left_out(tmp_path: Path) -> None:
    root = folder_set(tmp_path / "set")
    pictures(root / "ill" / os.fsdecode(b"\xe9"), ["1.png"])
    pictures(root / "ill", [os.fsdecode(b"\xff.png")])
    options: dict[str, Any] = {"healthy": "well", "positive": ["ill"], "quiet": True}
    with pytest.raises(InputError, match=r"the name is not UTF-8.*--exclude"):
        import_kind("folder", root, tmp_path / "out", options)
    patterns = ["[!0-9a-z]*.png", "ill/?/1.png"]
    cohort = import_kind("folder", root, tmp_path / "out", {**options, "exclude": patterns})
    assert (len(cohort.table), cohort.info.counts["left_out_by_exclude"]) == (12, 2)
    root.rename(tmp_path / os.fsdecode(b"set\xff"))
    with pytest.raises(InputError, match=r"--root .* is not UTF-8"):
        import_kind("folder", tmp_path / os.fsdecode(b"set\xff"), tmp_path / "again", {**options, "exclude": patterns})
