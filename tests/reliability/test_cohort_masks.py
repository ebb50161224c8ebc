"""Masks that lie beside the images do not become patients' images unsaid, and patterns leave them out, counted."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from empirical.audit import audit
from empirical.cohorts.image_scan import mask_suspects
from empirical.cohorts.readers.folder import import_folder
from empirical.cohorts.readers.registry import import_kind
from see_in_pairs.errors import InputError
from tests.empirical.cohorts.readers.test_dicom import dicom_set


def ultrasound(root: Path, bits: str = "1") -> Path:
    """Two classes of five images each, a mask beside every second one, named as public sets of ultrasound images do."""
    for label in ("normal", "malignant"):
        (root / label).mkdir(parents=True)
        for number in range(1, 6):
            pixels = np.random.default_rng([number, len(label)]).integers(0, 255, (16, 16), dtype=np.uint8)
            Image.fromarray(pixels).convert("RGB").save(root / label / f"{label} ({number}).png")
            if number % 2:
                Image.fromarray((pixels > 99).astype(np.uint8) * 255).convert(bits).save(root / label / f"{label} ({number})_mask.png")
    return root


def test_masks_are_told_in_a_warning_and_by_the_audit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cohort = import_folder(ultrasound(tmp_path / "set"), tmp_path / "out", healthy="normal", quiet=True)
    said = capsys.readouterr().err
    assert "warning: 6 images may be masks" in said
    assert "--exclude" in said
    assert "several pixel formats: RGB (10), 1 (6)" in said
    (finding,) = [finding for finding in audit(cohort) if finding.name == "possible_masks"]
    assert (finding.severity, len(finding.rows)) == ("warn", 6)
    assert all("_mask" in row for row in finding.rows)


@pytest.mark.parametrize(
    ("options", "counts"),
    [
        ({"exclude": ["*_mask*"]}, {"left_out_by_exclude": 6}),
        ({"include": ["*).png"]}, {"left_out_by_include": 6}),
        ({"exclude": ["normal/*_mask.png", "malignant/*_mask.png"]}, {"left_out_by_exclude": 6}),
        ({"include": ["*.png"], "exclude": ["*_mask.*"]}, {"left_out_by_include": 1, "left_out_by_exclude": 6}),
    ],
    ids=["exclude", "include", "paths", "both"],
)
def test_patterns_leave_files_out_and_count_them(
    options: dict[str, list[str]], counts: dict[str, int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = ultrasound(tmp_path / "set", bits="RGB")
    if len(options) == 2:
        (root / "normal" / "notes.txt").write_text("hello")
    cohort = import_kind("folder", root, tmp_path / "out", {"healthy": "normal", "quiet": True, **options})
    assert len(cohort.table) == 10
    assert {name: number for name, number in cohort.info.counts.items() if "clude" in name} == counts
    assert {name: cohort.info.parameters[name] for name in options} == options
    assert not any(finding.name == "possible_masks" for finding in audit(cohort))
    assert "may be masks" not in capsys.readouterr().err


def test_patterns_serve_dicom_with_folders_and_with_a_table(tmp_path: Path) -> None:
    root = dicom_set(tmp_path / "set")
    rows = [{"image": file.stem, "label": file.parent.name} for file in sorted(root.rglob("*.dcm")) if file.stem != "x7"]
    pd.DataFrame(rows).to_csv(root / "labels.csv", index=False)
    for more in ({}, {"table": "labels.csv"}):
        cohort = import_kind("dicom", root, tmp_path / f"out{len(more)}", {"healthy": "well", "exclude": ["x7*"], "quiet": True, **more})
        assert (len(cohort.table), cohort.info.counts["left_out_by_exclude"]) == (7, 1)


@pytest.mark.parametrize("options", [{"exclude": ["*_mask*", "*_msk*"]}, {"include": ["*.PNG"]}, {"exclude": [""]}])
def test_a_pattern_that_fits_no_file_is_one_line(options: dict[str, list[str]], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="fits no file"):
        import_folder(ultrasound(tmp_path / "set"), tmp_path / "out", healthy="normal", quiet=True, **options)  # type: ignore[arg-type]


def test_names_of_masks_are_those_beside_another() -> None:
    names = ["a/1.png", "a/1_mask.png", "a/1_mask_2.jpg", "b/2_mask.png", "a/3.png", "a/3_SEG.tif", "a/4.png", "a/4_seen.png", "a/mask.png"]
    table = pd.DataFrame({"image": names, "mode": "L"})
    assert list(table["image"][mask_suspects(table)]) == ["a/1_mask.png", "a/1_mask_2.jpg", "a/3_SEG.tif"]
    assert list(mask_suspects(table.assign(mode="1"))) == [True] * len(names)


def test_a_pattern_of_thousands_of_letters_is_one_line_and_stars_take_no_time(tmp_path: Path) -> None:
    root = ultrasound(tmp_path / "set")
    with pytest.raises(InputError, match="longer than 1000 letters"):
        import_folder(root, tmp_path / "out", healthy="normal", include=["*a" * 501], quiet=True)
    (root / "normal" / ("a" * 200)).write_text("")
    began = time.monotonic()
    with pytest.raises(InputError, match="fits no file"):
        import_folder(root, tmp_path / "out", healthy="normal", exclude=["*a" * 400 + "b"], quiet=True)
    assert time.monotonic() - began < 20
