"""The cohort type: what it keeps, what it refuses, and image files of every bad kind."""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from empirical.cohorts import Cohort, CohortInfo
from empirical.cohorts.images import is_safe_path, open_rgb, read_image
from see_in_pairs.errors import InputError


def test_a_cohort_survives_the_disk(phantom: Cohort) -> None:
    back = Cohort.load(phantom.folder)
    assert back.table.equals(phantom.table)
    assert back.info == phantom.info
    assert back.hash == phantom.hash
    assert set(back.queries("train")["split"]) == {"train"}
    assert back.image("test-00000").mode == "RGB"
    assert back.mask("test-00000") is None
    assert back.mask("test-00001").dtype == bool


def test_text_that_was_written_as_categories_is_text(phantom: Cohort, tmp_path: Path) -> None:
    categories = dict.fromkeys(("image", "mask", "serves", "label", "width"), "category")
    phantom.table.assign(width=9).astype(categories).to_parquet(tmp_path / "cohort.parquet")
    (tmp_path / "cohort.json").write_text(json.dumps(asdict(phantom.info)))
    assert Cohort.load(tmp_path).hash == replace(phantom, table=phantom.table.assign(width=9)).hash


def test_the_hash_sees_labels_and_images_but_not_the_folder(phantom: Cohort) -> None:
    moved = replace(phantom, folder=Path("elsewhere"))
    relabelled = replace(phantom, table=phantom.table.assign(label="healthy"))
    assert moved.hash == phantom.hash != relabelled.hash


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"item_id": "same"}, "occur twice"),
        ({"patient_id": ""}, "without a patient"),
        ({"split": "training"}, "unknown split"),
        ({"label": "odd"}, "does not name"),
        ({"label": "nodule"}, "references that are not healthy"),
        ({"image": "../../etc/passwd"}, "stay inside"),
        ({"mask": "/etc/passwd"}, "stay inside"),
        ({"sex": None}, "empty values in sex"),
        ({"patient_id": 7}, "patient_id: must hold text"),
        ({"age": "old"}, "age: must hold numbers"),
        ({"age": True}, "age: must hold numbers"),
        ({"width": "wide"}, "width: must hold numbers"),
        ({"frame": 0.5}, "frame: must hold whole numbers"),
        ({"mode": [["L"]] * 144}, "mode: holds lists, structures or bytes .list"),
        ({"extra": [{"a": 1}] * 144}, "extra: holds lists, structures or bytes .dict"),
        ({"extra": [b"a"] * 144}, "extra: holds lists, structures or bytes .bytes"),
    ],
)
def test_a_table_that_breaks_the_contract_is_refused(phantom: Cohort, changes: dict[str, object], words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words) as caught:
        Cohort(tmp_path, phantom.info, phantom.table.assign(**changes)).save()
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_missing_columns_and_empty_cohorts_are_refused(phantom: Cohort, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"needs the column\(s\) age"):
        Cohort(tmp_path, phantom.info, phantom.table.drop(columns="age")).save()
    with pytest.raises(InputError, match="empty"):
        Cohort(tmp_path, phantom.info, phantom.table.iloc[:0]).save()


@pytest.mark.parametrize("content", ["", "[]", '{"name": "x"}'])
def test_folders_that_are_no_cohort_are_refused(phantom: Cohort, content: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a cohort"):
        Cohort.load(tmp_path)
    phantom.table.to_parquet(tmp_path / "cohort.parquet")
    (tmp_path / "cohort.json").write_text(content)
    with pytest.raises(InputError, match=r"cohort\.json"):
        Cohort.load(tmp_path)
    (tmp_path / "cohort.parquet").write_text("not parquet")
    with pytest.raises(InputError, match=r"cohort\.parquet"):
        Cohort.load(tmp_path)


WRONG: list[object] = [
    True, -1, 1.5, "", "x" * 5000, "\0", "\ud800", [], [1], ["a", "a"], ["healthy"], [["a"]], {}, {"a": "b"}, {"a": None}, {"a": 1.5},
    10**400,
]  # fmt: skip
TAKES: dict[str, tuple[object, ...]] = {  # what a key may hold of these
    "name": ("",), "kind": ("",), "licence": ("",), "counts": ({},), "parameters": ({}, {"a": "b"}, {"a": None}, {"a": 1.5}),
}  # fmt: skip


@pytest.mark.parametrize("key", [item.name for item in fields(CohortInfo)])
def test_facts_of_another_kind_are_one_line(phantom: Cohort, key: str, tmp_path: Path) -> None:
    phantom.table.to_parquet(tmp_path / "cohort.parquet")
    for value in WRONG:
        (tmp_path / "cohort.json").write_text(json.dumps(asdict(phantom.info) | {key: value}))
        if value in TAKES.get(key, ()):
            assert Cohort.load(tmp_path).hash
            continue
        with pytest.raises(InputError, match=r"cohort\.json: ") as caught:
            Cohort.load(tmp_path)
        assert len(str(caught.value)) < 400
        assert str(caught.value).isprintable()
        assert key in str(caught.value) or value == 10**400


def test_unknown_items_and_splits_are_named(phantom: Cohort) -> None:
    with pytest.raises(InputError, match="no item 'nobody'"):
        phantom.image("nobody")
    with pytest.raises(InputError, match="no split 'reference'"):
        phantom.queries("reference")


def test_links_out_of_the_cohort_and_in_circles_are_refused(phantom: Cohort, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    Image.new("L", (4, 4)).save(secret)
    folder = tmp_path / "cohort"
    folder.mkdir()
    (folder / "out.png").symlink_to(secret)
    (folder / "loop.png").symlink_to(folder / "loop.png")
    for name in ("out.png", "loop.png"):
        cohort = Cohort(folder, phantom.info, phantom.table.assign(image=name))
        with pytest.raises(InputError, match=name):
            cohort.image("train-00000")


@pytest.mark.parametrize(
    ("path", "safe"),
    [("a/b.png", True), ("a/../b.png", False), ("C:\\x.png", False), ("..\\x.png", False), ("", False), ("a..b.png", True)],
)
def test_safe_paths(path: str, safe: bool) -> None:
    assert is_safe_path(path) is safe


def bomb(path: Path) -> None:
    """A PNG of 60,000 x 60,000 pixels by its header."""
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    )


def test_broken_files_are_one_line_that_names_them(tmp_path: Path) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8))
    for suffix in ("png", "jpg"):
        noise.save(tmp_path / f"whole.{suffix}")
        whole = (tmp_path / f"whole.{suffix}").read_bytes()
        (tmp_path / f"cut.{suffix}").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "empty.png").write_bytes(b"")
    bomb(tmp_path / "bomb.png")
    for name in ("cut.png", "cut.jpg", "text.png", "empty.png", "bomb.png", "missing.png", "."):
        with pytest.raises(InputError, match=str(tmp_path)) as caught:
            open_rgb(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_every_pixel_format_becomes_rgb(tmp_path: Path) -> None:
    ramp = np.linspace(1000, 5000, 16 * 16).reshape(16, 16)
    Image.fromarray(ramp.astype(np.uint16)).save(tmp_path / "wide.png")
    wide = np.asarray(open_rgb(tmp_path / "wide.png"))
    assert (wide.min(), wide.max(), wide.shape) == (0, 255, (16, 16, 3))
    Image.new("CMYK", (4, 4), (0, 255, 255, 0)).save(tmp_path / "cmyk.jpg")
    red, green, blue = np.asarray(open_rgb(tmp_path / "cmyk.jpg"), dtype=int)[0, 0]
    assert red > 200 > 60 > max(green, blue)
    Image.new("P", (1, 1)).save(tmp_path / "one.png")
    assert read_image(tmp_path / "one.png")[0].size == (1, 1)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    Image.new("L", (8, 4)).save(tmp_path / "turned.jpg", exif=exif)
    assert open_rgb(tmp_path / "turned.jpg").size == (4, 8)


def test_info_has_no_shared_state() -> None:
    first, second = (CohortInfo("a", "b", "c", ["d"], "e", "f") for _ in range(2))
    first.counts["x"] = 1
    assert second.counts == {}
