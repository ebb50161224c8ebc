"""DICOM: pixels as a radiologist would see them, facts from headers, labels from folders or a table, and hostile files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_windowing
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, JPEGLSLossless, RLELossless, generate_uid

from empirical.cohorts.dicom_pixels import window
from empirical.cohorts.images import open_rgb
from empirical.cohorts.readers.dicom import import_dicom
from see_in_pairs.errors import InputError

RAMP = np.arange(64, dtype=np.uint16).reshape(8, 8) * 64  # 12 bits: 0 to 4032


def write(path: Path, pixels: np.ndarray | None = RAMP, syntax: str = ExplicitVRLittleEndian, **elements: object) -> Path:
    """Write a DICOM file of 12 gray bits; elements by keyword."""
    dataset, meta = Dataset(), FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = DigitalXRayImageStorageForPresentation, syntax
    dataset.SOPClassUID, dataset.SOPInstanceUID = DigitalXRayImageStorageForPresentation, generate_uid()
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta = meta
    if pixels is not None:
        dataset.Rows, dataset.Columns = pixels.shape[:2]
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated = 8 * pixels.dtype.itemsize
        dataset.BitsStored = 8 if pixels.dtype.itemsize == 1 else 12
        dataset.HighBit, dataset.PixelRepresentation = dataset.BitsStored - 1, int(pixels.dtype.kind == "i")
        dataset.PixelData = pixels.tobytes()
        dataset["PixelData"].VR = "OW"
    for name, value in elements.items():
        setattr(dataset, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def gray(path: Path) -> np.ndarray:
    return np.asarray(open_rgb(path))[..., 0].astype(int)


def scaled(values: np.ndarray) -> np.ndarray:
    return np.round(255 * values).astype(int)


def test_without_a_window_the_whole_range_is_shown(tmp_path: Path) -> None:
    np.testing.assert_array_equal(gray(write(tmp_path / "a.dcm")), scaled(RAMP / RAMP.max()))


def test_monochrome1_is_inverted_and_padding_is_black(tmp_path: Path) -> None:
    pixels = RAMP.copy()
    pixels[0] = 4095
    shown = gray(write(tmp_path / "a.dcm", pixels, PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=4095))
    assert (shown[0] == 0).all()
    low, high = RAMP[1:].min(), RAMP.max()
    np.testing.assert_array_equal(shown[1:], scaled(1 - (RAMP[1:] - low) / (high - low)))


def test_padding_is_black_where_low_values_are_bright(tmp_path: Path) -> None:
    shown = gray(write(tmp_path / "a.dcm", PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=0))
    assert (shown.ravel()[0], shown.ravel()[1]) == (0, 255)


def test_a_range_of_padding_is_black(tmp_path: Path) -> None:
    shown = gray(write(tmp_path / "a.dcm", PixelPaddingValue=0, PixelPaddingRangeLimit=640))
    assert (shown[RAMP <= 640] == 0).all()
    assert shown.max() == 255


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@given(center=st.integers(-1000, 4000), width=st.integers(40, 4000))
def test_the_window_is_that_of_pydicom(function: str, center: int, width: int) -> None:
    dataset = Dataset()
    dataset.WindowCenter, dataset.WindowWidth, dataset.VOILUTFunction = center, width, function
    dataset.PhotometricInterpretation, dataset.BitsStored, dataset.PixelRepresentation = "MONOCHROME2", 12, 0
    expected = apply_windowing(RAMP, dataset) / 4095  # pydicom maps to the range of the stored bits
    np.testing.assert_allclose(window(RAMP.astype(float), center, width, function), expected, atol=1e-12)


def test_the_first_window_is_applied_after_the_rescale(tmp_path: Path) -> None:
    stored = (RAMP.astype(np.int16) - 2000).astype(np.int16)
    path = write(tmp_path / "a.dcm", stored, RescaleSlope=2, RescaleIntercept=100, WindowCenter=[500, 9], WindowWidth=[1000, 9])
    np.testing.assert_array_equal(gray(path), scaled(window(2.0 * stored + 100, 500, 1000)))


def test_a_table_of_values_is_applied(tmp_path: Path) -> None:
    lut = Dataset()
    lut.LUTDescriptor, lut.LUTData = [4096, 0, 16], list(np.sqrt(np.arange(4096) / 4095) * 65535)
    lut.LUTData = [int(value) for value in lut.LUTData]
    lut["LUTDescriptor"].VR, lut["LUTData"].VR = "US", "US"
    path = write(tmp_path / "a.dcm", VOILUTSequence=[lut])
    np.testing.assert_allclose(gray(path), 255 * np.sqrt(RAMP / 4095), atol=0.51)


def test_colour_becomes_rgb(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    colour = {"SamplesPerPixel": 3, "PlanarConfiguration": 0, "PhotometricInterpretation": "RGB"}
    np.testing.assert_array_equal(np.asarray(open_rgb(write(tmp_path / "a.dcm", pixels, **colour))), pixels)
    shown = np.asarray(
        open_rgb(
            write(tmp_path / "b.dcm", np.full((8, 8, 3), (76, 85, 255), np.uint8), **colour | {"PhotometricInterpretation": "YBR_FULL"})
        )
    )
    assert (np.abs(shown.astype(int) - (255, 0, 0)) <= 2).all()  # pure red in ITU-R BT.601
    palette = {f"{name}PaletteColorLookupTableDescriptor": [256, 0, 8] for name in ("Red", "Green", "Blue")}
    tables = {
        f"{name}PaletteColorLookupTableData": bytes(np.arange(256, dtype=np.uint8)[::step])
        for name, step in (("Red", 1), ("Green", -1), ("Blue", 1))
    }
    path = write(tmp_path / "c.dcm", pixels[..., 0], PhotometricInterpretation="PALETTE COLOR", **palette, **tables)
    np.testing.assert_array_equal(np.asarray(open_rgb(path))[..., 1], 255 - pixels[..., 0])


def test_compressed_pixels_are_read_where_a_decoder_is_there(tmp_path: Path) -> None:
    from pydicom import dcmread

    dataset = dcmread(write(tmp_path / "a.dcm"))
    dataset.compress(RLELossless)
    dataset.save_as(tmp_path / "b.dcm")
    np.testing.assert_array_equal(gray(tmp_path / "b.dcm"), gray(tmp_path / "a.dcm"))


def test_hostile_files_are_one_line_that_names_them(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.dcm").read_bytes()
    write(tmp_path / "nopixels.dcm", None)
    write(tmp_path / "jpegls.dcm", syntax=JPEGLSLossless, PixelData=encapsulate([b"\xff\xd8garbage\xff\xd9"]))
    write(tmp_path / "frames.dcm", np.zeros((8, 8), np.uint16), NumberOfFrames=7)
    write(tmp_path / "window.dcm", WindowCenter=5, WindowWidth=0)
    (tmp_path / "cut.dcm").write_bytes(whole[:-50])
    (tmp_path / "head.dcm").write_bytes(whole[:200])
    (tmp_path / "text.dcm").write_text("hello")
    (tmp_path / "empty.dcm").write_bytes(b"")
    words = {
        "nopixels": "without pixels", "jpegls": "JPEG-LS.*save it uncompressed", "frames": "has 7 pictures", "cut": "cannot be decoded",
        "head": r"head\.dcm", "text": "not a DICOM file", "empty": r"empty\.dcm", "missing": "no such image", "window": "window of width 0",
    }  # fmt: skip
    for name, expected in words.items():
        with pytest.raises(InputError, match=expected) as caught:
            open_rgb(tmp_path / f"{name}.dcm")
        assert "\n" not in str(caught.value)
        assert f"{name}.dcm" in str(caught.value)


def dicom_set(root: Path, suffix: str = ".dcm") -> Path:
    for number in range(8):
        label = "ill" if number % 2 else "well"
        pixels = np.random.default_rng(number).integers(0, 4095, (8, 8), dtype=np.uint16)
        write(
            root / label / f"x{number}{suffix}", pixels, PatientID=f"P{number // 2}", PatientSex="FMO"[number % 3], ViewPosition="PA",
            PatientAge="045Y" if number else "", PatientBirthDate="19500101", StudyDate=f"2020010{number + 1}",
            InstitutionName="North", Manufacturer="Maker",
        )  # fmt: skip
    return root


@pytest.mark.parametrize("suffix", [".dcm", ".DCM", ""])
def test_facts_come_from_the_headers(suffix: str, tmp_path: Path) -> None:
    root = dicom_set(tmp_path / "set", suffix)
    (root / "ill" / "notes.txt").write_text("hello")
    cohort = import_dicom(root, tmp_path / "out", healthy="well", modality="chest X-ray", quiet=True)
    table = cohort.table.set_index("item_id")
    first = table.loc[f"well/x0{suffix}"]
    assert first[["patient_id", "sex", "view", "site", "manufacturer", "mode"]].tolist() == [
        "P0",
        "F",
        "PA",
        "North",
        "Maker",
        "MONOCHROME2",
    ]
    assert first["age"] == pytest.approx(70, abs=0.01)  # from the dates
    assert table.loc[f"ill/x1{suffix}", ["age", "sex", "follow_up"]].tolist() == [45, "M", 20200102]
    assert table.loc[f"well/x2{suffix}", "sex"] == ""  # 'O'
    assert cohort.info.counts["other_files"] == 1
    assert (table.groupby("patient_id")["split"].nunique() == 1).all()
    assert cohort.image(f"well/x0{suffix}").mode == "RGB"


@pytest.mark.parametrize("named_by", ["stem", "name", "path", "instance"])
def test_labels_come_from_a_table_by_whichever_name(named_by: str, tmp_path: Path) -> None:
    from pydicom import dcmread

    root = dicom_set(tmp_path / "set")
    files = sorted(root.rglob("*.dcm"))
    names = {
        "stem": lambda file: file.stem, "name": lambda file: file.name, "path": lambda file: file.relative_to(root).as_posix(),
        "instance": lambda file: str(dcmread(file).SOPInstanceUID),
    }  # fmt: skip
    labels = pd.DataFrame(
        {"id": [names[named_by](file) for file in files[:7]], "Target": [int(file.parent.name == "ill") for file in files[:7]]}
    )
    pd.concat([labels, labels[:2]]).to_csv(root / "labels.csv", index=False)  # a row for each box, as in some challenges
    columns = {"image": "id", "label": "Target"}
    cohort = import_dicom(root, tmp_path / "out", healthy="0", table="labels.csv", columns=columns, quiet=True)
    assert cohort.info.positive == ["1"]
    expected = {file.relative_to(root).as_posix(): str(int(file.parent.name == "ill")) for file in files[:7]}
    assert dict(zip(cohort.table["item_id"], cohort.table["label"], strict=True)) == expected
    assert (cohort.info.counts["repeated_rows"], cohort.info.counts["files_without_label"]) == (2, 1)


def test_bad_tables_and_files_are_one_line(tmp_path: Path) -> None:
    root = dicom_set(tmp_path / "set")
    columns = {"image": "id", "label": "Target"}
    pd.DataFrame({"id": ["x0", "x0"], "Target": [0, 1]}).to_csv(root / "two.csv", index=False)
    pd.DataFrame({"id": ["x0", "x1", "x9"], "Target": [0, 1, 1]}).to_csv(root / "absent.csv", index=False)
    for name, words in (("two.csv", "1 images have two labels: x0"), ("absent.csv", "1 of 3 rows have no image: x9")):
        with pytest.raises(InputError, match=words):
            import_dicom(root, tmp_path / "out", healthy="0", table=name, columns=columns, quiet=True)
    write(root / "ill" / "report.dcm", None, PatientID="P9")
    with pytest.raises(InputError, match=r"report\.dcm: is a DICOM file without pixels .*--skip-broken"):
        import_dicom(root, tmp_path / "out", healthy="well", quiet=True)
    cohort = import_dicom(root, tmp_path / "out", healthy="well", skip_broken=True, quiet=True)
    assert cohort.info.counts["unreadable_images"] == 1
    assert "report.dcm" in (tmp_path / "out" / "broken.csv").read_text()
    assert len(cohort.table) == 8


def test_files_without_a_patient_are_counted_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = dicom_set(tmp_path / "set")
    write(root / "ill" / "nobody.dcm")
    cohort = import_dicom(root, tmp_path / "out", healthy="well", quiet=True)
    assert cohort.info.counts["files_taken_as_patients"] == 1
    assert "headers without a PatientID" in capsys.readouterr().err
    assert cohort.table.set_index("item_id").loc["ill/nobody.dcm", "patient_id"] == "ill/nobody.dcm"
