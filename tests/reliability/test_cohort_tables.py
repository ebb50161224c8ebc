"""Tables and archives that are not what they seem: read as they are meant, or refused in one line; no column is shifted."""

from __future__ import annotations

import contextlib
import random
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from empirical.cohorts.csv_io import read_any_table, read_csv
from empirical.cohorts.readers.medmnist import _read, import_medmnist
from empirical.cohorts.readers.table import import_table
from see_in_pairs.errors import InputError


def csv(folder: Path, text: str) -> Path:
    (folder / "a.csv").write_text(text)
    return folder / "a.csv"


@pytest.mark.parametrize("text", ["a,b\n1,2,\n4,5,\n", "a,b\n1,2, ,\n4,5,,\n", "a,b\n1,2,\n4,5\n", "a,b\n1,2\n4,5\n"])
def test_rows_that_end_in_a_comma_are_read_under_their_header(text: str, tmp_path: Path) -> None:
    assert read_csv(csv(tmp_path, text), ("a", "b")).to_dict("list") == {"a": ["1", "4"], "b": ["2", "5"]}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2,3\n4,5,6\n", "rows have 1 field more than the header"),
        ("a,b\n1,2,\n4,5,6\n", "rows have 1 field more than the header"),
        ("a,b\n1,2,3,4\n", "rows have 2 fields more than the header"),
        ("a,b\n1,2\n4,5,6\n", "Expected 2 fields in line 3, saw 3"),
    ],
)
def test_rows_longer_than_the_header_are_one_line(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        read_csv(csv(tmp_path, text), ())


def test_a_table_of_images_with_rows_that_end_in_a_comma(tmp_path: Path) -> None:
    rows = ["image,label,patient_id"]
    for number in range(12):
        Image.fromarray(np.random.default_rng(number).integers(0, 255, (8, 8), dtype=np.uint8)).save(tmp_path / f"{number}.png")
        rows.append(f"{number}.png,{'ill' if number % 2 else 'well'},{number // 4},")
    csv(tmp_path, "\n".join(rows))
    cohort = import_table(tmp_path, tmp_path / "out", table="a.csv", healthy="well", quiet=True)
    assert cohort.table.set_index("image").loc["7.png", ["label", "patient_id"]].tolist() == ["ill", "1"]


@pytest.mark.parametrize("cells", [[[1], [2]], [{"bytes": b"x"}, {"bytes": b"y"}], [b"x", b"y"], [None, [1]]])
def test_lists_structures_and_bytes_in_parquet_are_one_line(cells: list[object], tmp_path: Path) -> None:
    pd.DataFrame({"label": ["a", "b"], "image": cells}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(InputError, match="column 'image' holds lists, structures or bytes") as caught:
        read_any_table(tmp_path / "a.parquet")
    assert "\n" not in str(caught.value)


LABELS = np.array([0, 1, 0, 1])


def archive(path: Path, shape: tuple[int, ...] = (4, 8, 8), packed: bool = False) -> Path:
    content = {f"{split}_images": np.ones(shape, np.uint8) for split in ("train", "test")}
    save = np.savez_compressed if packed else np.savez
    save(path, **content, **{f"{split}_labels": LABELS[: shape[0]] for split in ("train", "test")})
    return path


@pytest.mark.parametrize("shape", [(4, 0, 0), (4, 8, 0), (0, 8, 8), (4, 0, 8, 3)])
def test_arrays_without_a_pixel_are_one_line(shape: tuple[int, ...], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="have no pixels"):
        import_medmnist(archive(tmp_path / "a.npz", shape), tmp_path / "out", healthy="0", quiet=True)
    assert not (tmp_path / "out").exists()


def test_one_array_under_the_name_of_an_archive_is_one_line(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((4, 8, 8), np.uint8))
    (tmp_path / "a.npy").rename(tmp_path / "a.npz")
    with pytest.raises(InputError, match="is one array"):
        import_medmnist(tmp_path, tmp_path / "out", healthy="0", quiet=True)


def test_an_archive_of_something_else_is_one_line(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as made:
        made.writestr("train_images.npy", b"hello")
        made.writestr("train_labels.npy", b"\x93NUMPY")
    with pytest.raises(InputError, match=r"a\.npz: "):
        import_medmnist(tmp_path, tmp_path / "out", healthy="0", quiet=True)


def test_archives_changed_at_random_are_read_or_one_line(tmp_path: Path) -> None:
    rng = random.Random(0)
    files = [archive(tmp_path / f"{packed}.npz", packed=packed).read_bytes() for packed in (False, True)]
    for _ in range(500):
        content = bytearray(rng.choice(files))
        for _ in range(rng.choice([1, 2, 4])):
            content[rng.randrange(len(content))] = rng.choice([0, 255, rng.randrange(256)])
        (tmp_path / "a.npz").write_bytes(content)
        with contextlib.suppress(InputError):
            _read(tmp_path / "a.npz")


@pytest.mark.parametrize("delimiter", ["", "ab", "(a+)+$", '"', "\n", "\ud800"])
def test_a_delimiter_is_one_character_and_no_pattern(delimiter: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--delimiter .*must be one character"):
        read_csv(csv(tmp_path, "a,b\n1,2\n"), (), delimiter=delimiter)
    assert read_csv(csv(tmp_path, "a\tb\n1\t2\n"), (), delimiter="\\t").to_dict("list") == {"a": ["1"], "b": ["2"]}
