"""Compressed DICOM files, those that pydicom brings along: to the gray level, by decoders of the extra 'dicom', and when a decoder dies."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import dcmread
from pydicom.encaps import generate_frames

from empirical.cohorts import compressed_pixels
from empirical.cohorts.compressed_pixels import decode
from empirical.cohorts.dicom_pixels import read_dicom
from empirical.cohorts.readers.dicom import import_dicom
from see_in_pairs.errors import InputError

FILES = Path(pydicom.__file__).parent / "data" / "test_files"
with_gdcm = pytest.mark.skipif(compressed_pixels.find_spec("gdcm") is None, reason="needs the extra 'dicom'")
with_openjpeg = pytest.mark.skipif(compressed_pixels.find_spec("openjpeg") is None, reason="needs the extra 'dicom'")


def pixels(name: str) -> np.ndarray:
    path = FILES / name
    dataset = dcmread(path)
    return decode(path, dataset, 0) if dataset.file_meta.TransferSyntaxUID.is_compressed else dataset.pixel_array


@pytest.mark.parametrize(
    ("compressed", "plain"),
    [
        pytest.param("MR_small_jpeg_ls_lossless.dcm", "MR_small.dcm", marks=with_gdcm),
        pytest.param("SC_rgb_jpeg_gdcm.dcm", "SC_rgb_rle.dcm", marks=with_gdcm),  # JPEG lossless
        ("MR_small_jp2klossless.dcm", "MR_small.dcm"),
        ("MR_small_RLE.dcm", "MR_small.dcm"),
        ("SC_rgb_gdcm_KY.dcm", "SC_rgb_rle.dcm"),
    ],
)
def test_what_was_compressed_without_loss_is_what_it_was(compressed: str, plain: str) -> None:
    np.testing.assert_array_equal(pixels(compressed), pixels(plain))


@with_gdcm
@pytest.mark.parametrize("name", ["SC_rgb_jls_lossy_line.dcm", "SC_rgb_jls_lossy_sample.dcm"])
def test_jpeg_ls_is_off_by_as_much_as_its_stream_says(name: str) -> None:
    stream = next(generate_frames(dcmread(FILES / name).PixelData, number_of_frames=1))
    scan = stream.index(b"\xff\xda")
    near = stream[scan + 5 + 2 * stream[scan + 4]]  # ISO/IEC 14495-1, C.2.3: after the components of the scan
    off = np.abs(pixels(name).astype(int) - pixels("SC_rgb_rle.dcm"))
    assert 0 < off.max() <= near


@with_openjpeg
@pytest.mark.parametrize("name", ["693_J2KI.dcm", "JPEG2000.dcm", "J2K_pixelrep_mismatch.dcm", "examples_jpeg2k.dcm"])
def test_jpeg_2000_is_the_same_by_two_decoders(name: str) -> None:
    dataset = dcmread(FILES / name)
    by_openjpeg = pydicom.pixels.pixel_array(dataset, decoding_plugin="pylibjpeg")
    np.testing.assert_array_equal(pixels(name), by_openjpeg)


@with_openjpeg
def test_what_pillow_does_not_read_openjpeg_does() -> None:
    assert read_dicom(FILES / "GDCMJ2K_TextGBR.dcm")[0].size == (400, 400)


@with_gdcm
def test_decoders_of_the_extra_change_no_picture_that_is_read_without() -> None:
    path = FILES / "SC_rgb_dcmtk_+eb+cr.dcm"
    by_pillow = pydicom.pixels.pixel_array(dcmread(path), decoding_plugin="pillow")
    np.testing.assert_array_equal(np.asarray(read_dicom(path)[0]), by_pillow)


def damaged(path: Path, place: int) -> Path:
    dataset = dcmread(FILES / "SC_rgb_jpeg_gdcm.dcm")
    content = bytearray(dataset.PixelData)
    content[place] ^= 0xFF
    dataset.PixelData = bytes(content)
    dataset.save_as(path)
    return path


@with_gdcm
def test_a_file_that_ends_its_decoder_costs_one_file(tmp_path: Path) -> None:
    problems = []
    for place in (20, 53, 60):  # at 53 GDCM 3.2 ends the process that it runs in
        try:
            assert read_dicom(damaged(tmp_path / f"{place}.dcm", place))[0].mode == "RGB"
        except InputError as error:
            problems.append(str(error))
        np.testing.assert_array_equal(pixels("SC_rgb_jpeg_gdcm.dcm"), pixels("SC_rgb_rle.dcm"))
    assert problems
    assert all("\n" not in problem and "cannot be decoded (JPEG Lossless" in problem for problem in problems)
    compressed_pixels._idle[0]._process.kill()  # killed while nobody asks for anything
    compressed_pixels._idle[0]._process.wait()
    assert read_dicom(FILES / "SC_rgb_jpeg_gdcm.dcm")[0].size == (100, 100)


@with_gdcm
def test_an_import_goes_on_beside_such_files(tmp_path: Path) -> None:
    for number in range(8):
        folder = tmp_path / "set" / ("well", "ill")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        dataset = dcmread(FILES / "SC_rgb_jpeg_gdcm.dcm")
        dataset.PatientID, dataset.SOPInstanceUID = f"P{number}", f"1.2.{number}"
        dataset.save_as(folder / f"{number}.dcm")
    damaged(tmp_path / "set" / "ill" / "damaged.dcm", 53)
    cohort = import_dicom(tmp_path / "set", tmp_path / "out", healthy="well", skip_broken=True, quiet=True)
    assert (len(cohort.table), cohort.info.counts["unreadable_images"]) == (8, 1)


@with_gdcm
def test_a_decoder_ends_with_the_process_that_asked(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from empirical.cohorts import compressed_pixels as c; from pydicom import dcmread; "
        "p = Path(sys.argv[1]); c.decode(p, dcmread(p), 0); print(c._idle[0]._process.pid, flush=True); os._exit(9)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", script, str(FILES / "SC_rgb_jpeg_gdcm.dcm")]
    pid = int(subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout)
    for _ in range(100):
        try:
            os.kill(pid, 0)
            ended = Path(f"/proc/{pid}/stat").exists() and Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] == "Z"
        except ProcessLookupError:
            ended = True
        if ended:
            break
        time.sleep(0.1)
    assert ended


@pytest.mark.parametrize(
    ("name", "there", "words"),
    [
        ("MR_small_jpeg_ls_lossless.dcm", (), r"JPEG-LS.*no decoder is installed\); pip install 'see-in-pairs\[dicom\]' adds decoders"),
        ("JPGExtended.dcm", ("pylibjpeg", "openjpeg", "gdcm"), "only pylibjpeg-libjpeg reads it, which is under the GPL"),
        ("JPEG2000-embedded-sequence-delimiter.dcm", ("pylibjpeg", "openjpeg", "gdcm"), "; save it uncompressed"),
    ],
)
def test_the_message_says_what_would_read_it(name: str, there: tuple[str, ...], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from pydicom.pixels import decoders

    monkeypatch.setattr(compressed_pixels, "find_spec", lambda module: module if module in there else None)
    if not there:
        monkeypatch.setattr(decoders.base.Decoder, "available_plugins", ())
    with pytest.raises(InputError, match=words) as caught:
        read_dicom(FILES / name)
    assert "\n" not in str(caught.value)
