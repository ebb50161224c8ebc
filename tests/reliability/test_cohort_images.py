"""Image files that are broken, or say what no picture says: each is counted as broken, and none becomes a black picture."""

from __future__ import annotations

import contextlib
import io
import os
import random
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from empirical.cohorts.images import open_mask, open_rgb, read_image
from empirical.cohorts.readers.folder import import_folder
from see_in_pairs.errors import InputError

PIXELS = np.random.default_rng(0).integers(0, 255, (16, 16, 3), dtype=np.uint8)


def encoded(kind: str, pixels: np.ndarray = PIXELS, **options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


def not_a_number() -> bytes:
    pixels = np.random.default_rng(0).random((16, 16)).astype(np.float32)
    pixels[3, 3] = np.nan
    return encoded("TIFF", pixels)


def infinite() -> bytes:
    return encoded("TIFF", np.full((16, 16), np.inf, dtype=np.float32))


def broken_exif() -> bytes:
    """A turned picture one of whose EXIF values, a whole number, is written as text."""
    entries = struct.pack("<HHII", 0x0112, 3, 1, 6) + struct.pack("<HHI4s", 0x0101, 2, 3, b"ab\0\0")
    exif = b"Exif\0\0II*\0" + struct.pack("<I", 8) + struct.pack("<H", 2) + entries + struct.pack("<I", 0)
    return encoded("JPEG", exif=exif)


def without_dimensions() -> bytes:
    """A TIFF whose second directory names neither width nor height."""
    content = bytearray(encoded("TIFF"))
    (start,) = struct.unpack_from("<I", content, 4)
    (number,) = struct.unpack_from("<H", content, start)
    struct.pack_into("<I", content, start + 2 + 12 * number, len(content))
    return bytes(content) + struct.pack("<H", 1) + struct.pack("<HHII", 60_000, 3, 1, 6) + struct.pack("<I", 0)


def transparent(alpha: np.ndarray) -> bytes:
    return encoded("PNG", np.dstack([np.zeros_like(PIXELS), alpha]))


BROKEN = {
    "not_a_number.tif": (not_a_number(), "1 pixels are infinite or not a number"),
    "infinite.tif": (infinite(), "256 pixels are infinite or not a number"),
    "exif.jpg": (broken_exif(), "cannot be read as an image"),
    "without_dimensions.tif": (without_dimensions(), "cannot be read as an image"),
    "transparent.png": (transparent(np.zeros((16, 16), np.uint8)), "the whole image is transparent"),
    "transparent_level.png": (encoded("PNG", PIXELS[..., 0].astype(np.uint16) * 9, transparency=9), "transparent gray level"),
}


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_image_is_one_line(name: str, tmp_path: Path) -> None:
    content, words = BROKEN[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words):
        open_rgb(tmp_path / name)


def test_broken_images_are_counted_and_the_rest_is_imported(tmp_path: Path) -> None:
    for label in ("well", "ill"):
        for seed in range(6):
            (tmp_path / "set" / label).mkdir(parents=True, exist_ok=True)
            pixels = np.random.default_rng([seed, len(label)]).integers(0, 255, (16, 16), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "set" / label / f"{seed}.png")
    for name, (content, _) in BROKEN.items():
        (tmp_path / "set" / "ill" / name).write_bytes(content)
    os.mkfifo(tmp_path / "set" / "ill" / "pipe.png")  # would be waited for without end
    cohort = import_folder(tmp_path / "set", tmp_path / "out", healthy="well", skip_broken=True, quiet=True)
    assert (len(cohort.table), cohort.info.counts["unreadable_images"]) == (12, len(BROKEN) + 1)
    assert all(name in (tmp_path / "out" / "broken.csv").read_text() for name in (*BROKEN, "pipe.png"))


def test_what_is_transparent_lies_on_white_and_what_is_not_keeps_its_pixels(tmp_path: Path) -> None:
    alpha = np.full((16, 16), 255, np.uint8)
    alpha[:8], alpha[8:10] = 0, 128
    (tmp_path / "a.png").write_bytes(transparent(alpha))
    shown = np.asarray(open_rgb(tmp_path / "a.png"))
    assert ((shown[:8] == 255).all(), (shown[8:10] == 127).all(), (shown[10:] == 0).all()) == (True, True, True)
    Image.fromarray(np.dstack([PIXELS, np.full((16, 16), 255, np.uint8)])).save(tmp_path / "b.png")
    np.testing.assert_array_equal(np.asarray(open_rgb(tmp_path / "b.png")), PIXELS)
    palette = Image.fromarray((np.arange(256) % 4).astype(np.uint8).reshape(16, 16)).convert("P")
    palette.save(tmp_path / "c.png", transparency=0)
    assert (np.asarray(open_rgb(tmp_path / "c.png"))[:, ::4] == 255).all()


def test_a_mask_is_false_where_it_is_transparent(tmp_path: Path) -> None:
    inside = np.zeros((16, 16), np.uint8)
    inside[4:8, 4:8] = 255
    Image.fromarray(np.dstack([np.full_like(PIXELS, 200), inside])).save(tmp_path / "mask.png")
    np.testing.assert_array_equal(open_mask(tmp_path / "mask.png"), inside > 0)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow tells of each tag
def test_bytes_changed_at_random_give_a_picture_or_one_line() -> None:
    rng, exif = random.Random(0), Image.Exif()
    exif[0x0112] = 6
    kinds = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF")
    files = [encoded(kind, **({"exif": exif} if kind in ("PNG", "JPEG", "WEBP") else {})) for kind in kinds]
    for _ in range(600):
        content = bytearray(rng.choice(files))
        for _ in range(rng.choice([1, 2, 4])):
            content[rng.randrange(min(len(content), rng.choice([64, 300, 10**9])))] = rng.choice([0, 127, 255, rng.randrange(256)])
        with contextlib.suppress(InputError):
            assert read_image(Path("a.png"), bytes(content))[0].mode == "RGB"
