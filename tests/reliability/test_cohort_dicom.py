"""DICOM headers against the standard: one line, counted, the good pixels kept, and padding read as the pixels are."""

from __future__ import annotations

import contextlib
import os
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydicom import Dataset, dcmread

from empirical.cohorts import Cohort
from empirical.cohorts.csv_io import parse_age, parse_number
from empirical.cohorts.dicom_pixels import open_dataset, read_dicom
from empirical.cohorts.images import open_rgb
from empirical.cohorts.readers import dicom as reader
from empirical.cohorts.readers.dicom import import_dicom
from empirical.cohorts.readers.table import import_table
from see_in_pairs.errors import InputError
from tests.empirical.cohorts.readers.test_dicom import RAMP, dicom_set, write


def changed(path: Path, old: bytes, new: bytes, **elements: object) -> Path:
    """A file one of whose bytes say something else."""
    content = write(path, **elements).read_bytes()
    assert content.count(old) == 1
    path.write_bytes(content.replace(old, new))
    return path


def frames(path: Path) -> Path:
    return changed(path, b"\x28\0\x08\0IS\x02\x001 ", b"\x28\0\x08\0IS\x02\x001A", NumberOfFrames=1)


def unknown_vr(path: Path) -> Path:
    return changed(path, b"\x08\0\x70\0LO", b"\x08\0\x70\0ZZ", Manufacturer="Maker", PatientID="P77")


def odd_length(path: Path) -> Path:
    return changed(path, b"\x28\0\x20\x01US\x02\0\x05\0", b"\x28\0\x20\x01US\x03\0\x05\0\0", PixelPaddingValue=5)


def table_without_data(path: Path) -> Path:
    lut = Dataset()
    lut.LUTDescriptor = [4096, 0, 16]
    lut["LUTDescriptor"].VR = "US"
    return write(path, VOILUTSequence=[lut])


def slope_no_number(path: Path) -> Path:
    return changed(path, b"DS\x04\x001.25", b"DS\x04\0nan ", RescaleSlope="1.25", RescaleIntercept=0)


def float_no_number(path: Path) -> Path:
    dataset = dcmread(write(path))
    del dataset.PixelData, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation
    values = RAMP.astype(np.float32)
    values[2, 2] = np.inf
    dataset.BitsAllocated, dataset.FloatPixelData = 32, values.tobytes()
    dataset.save_as(path)
    return path


BROKEN = [frames, odd_length, table_without_data, slope_no_number, float_no_number]


@pytest.mark.parametrize("make", BROKEN)
def test_a_malformed_header_is_one_line(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=r"a\.dcm: ") as caught:
        open_rgb(make(tmp_path / "a.dcm"))
    assert "\n" not in str(caught.value)


def test_malformed_files_are_counted_and_good_pixels_are_kept(tmp_path: Path) -> None:
    root = dicom_set(tmp_path / "set")
    for make in BROKEN:
        make(root / "ill" / f"{make.__name__}.dcm")
    unknown_vr(root / "ill" / "unknown.dcm")
    cohort = import_dicom(root, tmp_path / "out", healthy="well", skip_broken=True, quiet=True)
    assert (cohort.info.counts["unreadable_images"], cohort.info.counts["headers_not_understood"]) == (len(BROKEN), 1)
    row = cohort.table.set_index("item_id").loc["ill/unknown.dcm"]
    assert (row["patient_id"], row["manufacturer"]) == ("P77", "")


@pytest.mark.parametrize(("least", "limit"), [(-2000, None), (-2000, -1900), (-1, None)])
def test_padding_is_read_as_the_pixels_are(least: int, limit: int | None, tmp_path: Path) -> None:
    pixels = (RAMP.astype(np.int16) - 1000).astype(np.int16)
    pixels[0] = least
    shown = []
    for sign in ("SS", "US"):
        values = {"PixelPaddingValue": least, "PixelPaddingRangeLimit": limit}
        written = {name: value if sign == "SS" else value % 2**16 for name, value in values.items() if value is not None}
        dataset = dcmread(write(tmp_path / f"{sign}.dcm", pixels, BitsStored=16, HighBit=15))
        for name, value in written.items():
            setattr(dataset, name, value)
            dataset[name].VR = sign
        dataset.save_as(tmp_path / f"{sign}.dcm")
        shown.append(np.asarray(open_rgb(tmp_path / f"{sign}.dcm")))
    np.testing.assert_array_equal(shown[0], shown[1])
    assert (shown[1][0] == 0).all()
    low, high = pixels[1:].min(), pixels[1:].max()
    np.testing.assert_array_equal(shown[1][1:, :, 0], np.round(255 * (pixels[1:].astype(float) - low) / (high - low)))


def test_padding_of_twelve_signed_bits_may_be_written_without_the_sign(tmp_path: Path) -> None:
    pixels = (RAMP // 4).astype(np.int16)
    pixels[0] = -2000
    shown = np.asarray(open_rgb(write(tmp_path / "a.dcm", pixels, PixelPaddingValue=2**12 - 2000)))
    assert ((shown[0] == 0).all(), shown[1, 0, 0], shown[7, 7, 0]) == (True, 0, 255)


def test_padding_of_unsigned_pixels_may_be_written_signed(tmp_path: Path) -> None:
    pixels = RAMP.copy()
    pixels[0] = 65535
    dataset = dcmread(write(tmp_path / "a.dcm", pixels, BitsStored=16, HighBit=15))
    dataset.PixelPaddingValue = -1
    dataset["PixelPaddingValue"].VR = "SS"
    dataset.save_as(tmp_path / "a.dcm")
    shown = np.asarray(open_rgb(tmp_path / "a.dcm"))
    assert ((shown[0] == 0).all(), shown[7, 7, 0]) == (True, 255)


def test_headers_changed_at_random_give_a_picture_or_one_line(tmp_path: Path) -> None:
    rng, path = random.Random(0), tmp_path / "a.dcm"
    lut = Dataset()
    lut.LUTDescriptor, lut.LUTData = [4096, 0, 16], [int(value) for value in np.arange(4096)]
    lut["LUTDescriptor"].VR, lut["LUTData"].VR = "US", "US"
    facts = {"PatientID": "P1", "PatientSex": "F", "PatientAge": "045Y", "StudyDate": "20200101", "NumberOfFrames": 1}
    more: list[dict[str, object]] = [{"WindowCenter": [9, 9], "WindowWidth": [9, 9]}, {"PixelPaddingValue": 0}, {"VOILUTSequence": [lut]}]
    files = [write(path, **facts, **elements).read_bytes() for elements in more]
    for _ in range(300):
        content = bytearray(rng.choice(files))
        end = len(content) - 2 * RAMP.size
        for _ in range(rng.choice([1, 2, 4])):
            place = rng.randrange(132, min(end, 900))
            content[place : place + 2] = rng.choice(
                [b"ZZ", b"US", b"SQ", b"\xff\xff", b"\0\0", b"A", b"123", bytes([rng.randrange(256)] * 2)]
            )
        path.write_bytes(content)
        reader._read_headers(tmp_path, pd.Series(["a.dcm"]), quiet=True)
        with contextlib.suppress(InputError):
            assert read_dicom(path)[0].mode == "RGB"


@pytest.mark.parametrize("age", ["inf", "-inf", "1e999", "9" * 400, "nan"])
def test_an_age_without_end_is_no_age(age: str, tmp_path: Path) -> None:
    assert parse_age(pd.Series([age])).isna().all()
    assert parse_number(pd.Series([age])).isna().all()
    root = dicom_set(tmp_path / "set")
    rows = [{"image": str(file.relative_to(root)), "label": file.parent.name, "age": 40} for file in sorted(root.rglob("*.dcm"))]
    pd.DataFrame(rows).astype({"age": str}).replace({"age": {"40": age}}).to_csv(root / "a.csv", index=False)
    cohort = import_table(root, tmp_path / "out", table="a.csv", healthy="well", quiet=True)
    assert (cohort.table["age"].isna().all(), cohort.info.counts["ages_not_understood"]) == (True, 8)


def test_an_endless_age_in_a_cohort_made_by_hand_is_one_line(tmp_path: Path) -> None:
    cohort = import_dicom(dicom_set(tmp_path / "set"), tmp_path / "out", healthy="well", quiet=True)
    cohort.table.assign(age=np.inf).to_parquet(tmp_path / "out" / "cohort.parquet")
    with pytest.raises(InputError, match="age: is infinite"):
        Cohort.load(tmp_path / "out")


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_pipe_under_the_name_of_a_dicom_file_is_not_opened(tmp_path: Path, kind: str) -> None:
    root = dicom_set(tmp_path / "set")
    odd = root / "ill" / "x1.dcm"
    odd.unlink()
    if kind == "pipe":
        os.mkfifo(odd)
    else:
        odd.symlink_to("/dev/zero")
    with pytest.raises(InputError, match=r"x1\.dcm: is not a regular file"):
        open_dataset(odd)
    (tmp_path / "labels.csv").write_text("image,label\n" + "".join(f"x{n}.dcm,{'ill' if n % 2 else 'well'}\n" for n in range(8)))
    options = {"table": tmp_path / "labels.csv", "healthy": "well", "skip_broken": True, "quiet": True}
    cohort = import_dicom(root, tmp_path / "out", **options)
    assert "x1" not in " ".join(cohort.table["image"])
