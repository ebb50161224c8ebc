"""One picture of files that hold several: the one that was chosen, wherever it is read, and never another's embedding or signature."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
from PIL import Image
from pydicom import Dataset, dcmread

from empirical.arms.images import image_size
from empirical.cohorts import Cohort
from empirical.cohorts.dicom_pixels import read_dicom, window
from empirical.cohorts.images import open_rgb
from empirical.cohorts.perceptual_hash import load_signatures, signature
from empirical.cohorts.readers.dicom import import_dicom
from empirical.cohorts.readers.folder import import_folder
from empirical.cohorts.readers.table import import_table
from empirical.references.embeddings import cache
from empirical.vlm.config import ModelConfig
from see_in_pairs.errors import InputError
from tests.empirical.cohorts.readers.test_dicom import write


def pictures(seed: int) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).integers(0, 255, (3, 8, 8), dtype=np.uint8))


def several(path: Path, seed: int) -> Path:
    """Write three pictures into one file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".dcm":
        pixels = np.stack(pictures(seed))
        pixels[:, 0, :2] = 0, 255  # the whole range in each, which is stretched to it
        return write(path, pixels, Rows=8, Columns=8, NumberOfFrames=3, PatientID=f"P{seed}")
    first, *others = [Image.fromarray(picture) for picture in pictures(seed)]
    first.save(path, save_all=True, append_images=others)
    return path


def frames_set(root: Path, ending: str) -> Path:
    for seed in range(8):
        several(root / ("well", "ill")[seed % 2] / f"{seed}{ending}", seed)
    return root


@pytest.mark.parametrize("ending", [".tif", ".gif", ".dcm"])
def test_the_chosen_picture_is_the_one_that_is_read(ending: str, tmp_path: Path) -> None:
    root = frames_set(tmp_path / "set", ending)
    reader = import_dicom if ending == ".dcm" else import_folder
    with pytest.raises(InputError, match=r"has 3 pictures; choose one \(--frame\)"):
        reader(root, tmp_path / "none", healthy="well", quiet=True)
    cohort = reader(root, tmp_path / "out", healthy="well", frame=2, quiet=True)
    again = Cohort.load(tmp_path / "out")
    for item in again.table["item_id"]:
        expected = pictures(int(Path(item).stem))[1]
        if ending == ".dcm":
            expected[0, :2] = 0, 255
        np.testing.assert_array_equal(np.asarray(again.image(item))[..., 0], expected)
    kept = load_signatures(cohort)[0]
    np.testing.assert_array_equal(kept[3], signature(again.image(again.table["item_id"][3])))
    (tmp_path / "out" / "signatures.npz").unlink()
    np.testing.assert_array_equal(load_signatures(again)[0], kept)
    assert again.hash != reader(root, tmp_path / "other", healthy="well", frame=3, quiet=True).hash


def test_a_picture_that_a_file_does_not_have_counts_as_broken(tmp_path: Path) -> None:
    root = frames_set(tmp_path / "set", ".tif")
    for label in ("well", "ill"):
        Image.fromarray(pictures(9)[0]).save(root / label / "one.png")
    with pytest.raises(InputError, match=r"one\.png: has 1 picture, so there is no frame 2"):
        import_folder(root, tmp_path / "out", healthy="well", frame=2, quiet=True)
    assert (
        import_folder(root, tmp_path / "out", healthy="well", frame=2, skip_broken=True, quiet=True).info.counts["unreadable_images"] == 2
    )


def listed(root: Path, frames: list[object], columns: dict[str, str], **more: list[object]) -> Cohort:
    frames_set(root, ".tif")
    names = [f"{('well', 'ill')[k % 2]}/{k}.tif" for k in range(8)]
    pd.DataFrame({"image": names, "label": ["well", "ill"] * 4, "frame": frames} | more).to_csv(root / "a.csv", index=False)
    return import_table(root, root.parent / "out", table="a.csv", healthy="well", columns=columns, quiet=True)


def test_a_table_may_choose_for_each_file(tmp_path: Path) -> None:
    cohort = listed(tmp_path / "set", [1, 2, 3, 1, 2, 3, 1, 2], {"frame": "frame"})
    shown = [np.asarray(cohort.image(item))[..., 0] for item in cohort.table["item_id"]]
    for seed, frame in enumerate([1, 2, 3, 1, 2, 3, 1, 2]):
        np.testing.assert_array_equal(shown[seed], pictures(seed)[frame - 1])
    with pytest.raises(InputError, match="has 3 pictures"):  # a column of this name may be anything, unless it was chosen
        listed(tmp_path / "set", [1] * 8, {})
    with pytest.raises(InputError, match="'frame' holds '-1', 'x'; pictures of a file are counted from 1"):
        listed(tmp_path / "set", [-1, "x", 1, 1, 1, 1, 1, ""], {"frame": "frame"})
    with pytest.raises(InputError, match=r"well/0\.tif: gives several items; save each picture as a separate file"):
        listed(tmp_path / "set", [1, 2] * 4, {"frame": "frame", "item_id": "id"}, image=["well/0.tif"] * 8, id=list("abcdefgh"))


def test_each_picture_has_an_embedding_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEE_IN_PAIRS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(
        cache, "_embed", lambda model, images: np.stack([np.asarray(image)[0, :, 0] for image in images]).astype(np.float32)
    )
    root = frames_set(tmp_path / "set", ".tif")
    for frame in (1, 2, 1):
        cohort = import_folder(root, tmp_path / f"out{frame}", healthy="well", frame=frame, quiet=True)
        items = list(cohort.table["item_id"])
        vectors = cache.embedder(cohort, ModelConfig(name="pocket"))(items)
        np.testing.assert_array_equal(vectors, [pictures(int(Path(item).stem))[frame - 1][0] for item in items])


def test_sizes_are_those_of_the_picture(tmp_path: Path) -> None:
    for seed in range(4):
        path = tmp_path / "set" / ("well", "ill")[seed % 2] / f"{seed}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(seed).integers(0, 255, (30, 40), dtype=np.uint8)
        Image.fromarray(noise[:5]).save(path, save_all=True, append_images=[Image.fromarray(noise)])
    cohort = import_folder(tmp_path / "set", tmp_path / "out", healthy="well", frame=2, quiet=True)
    assert {image_size(cohort, item) for item in cohort.table["item_id"]} == {(40, 30)}
    assert cohort.table[["width", "height"]].drop_duplicates().to_numpy().tolist() == [[40, 30]]


@pytest.mark.parametrize("name", ["SC_rgb_rle_2frame.dcm", "examples_ybr_color.dcm", "rtdose_rle.dcm"])
def test_frames_of_compressed_files_are_those_of_pydicom(name: str) -> None:
    path = Path(pydicom.__file__).parent / "data" / "test_files" / name
    expected = pydicom.pixels.pixel_array(dcmread(path), index=1)
    shown = np.asarray(read_dicom(path, 2)[0]).astype(float)
    if expected.ndim == 2:
        expected = np.round(255 * (expected - expected.min()) / (float(expected.max()) - expected.min()))[..., None]
    np.testing.assert_array_equal(shown, np.broadcast_to(expected, shown.shape))


def test_a_frame_of_an_enhanced_file_has_its_own_rescale_and_window(tmp_path: Path) -> None:
    def group(**elements: object) -> Dataset:
        made, inner = Dataset(), Dataset()
        for name, value in elements.items():
            setattr(inner, name, value)
        setattr(made, "FrameVOILUTSequence" if "WindowCenter" in elements else "PixelValueTransformationSequence", [inner])
        return made

    pixels = np.arange(2 * 64, dtype=np.uint16).reshape(2, 8, 8)
    rescales = [group(RescaleSlope=slope, RescaleIntercept=-50, RescaleType="HU") for slope in (1, 3)]
    path = write(
        tmp_path / "a.dcm", pixels, Rows=8, Columns=8, NumberOfFrames=2, PerFrameFunctionalGroupsSequence=rescales,
        SharedFunctionalGroupsSequence=[group(WindowCenter=100, WindowWidth=200)],
    )  # fmt: skip
    for frame, slope in ((1, 1), (2, 3)):
        expected = np.round(255 * window(slope * pixels[frame - 1].astype(float) - 50, 100, 200))
        np.testing.assert_array_equal(np.asarray(open_rgb(path, frame=frame))[..., 0], expected)
