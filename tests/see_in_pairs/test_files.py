from __future__ import annotations

import hashlib
import json
import math
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from see_in_pairs.errors import InputError
from see_in_pairs.files import atomic_path, content_hash, read_json, read_table, sha256, to_json, write_json, write_parquet, write_text


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_half(target: Path) -> None:
    with atomic_path(target) as temporary:
        temporary.write_text("half of the n")
        raise RuntimeError("crash")


def test_an_error_while_writing_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    write_text(target, "old")
    with pytest.raises(RuntimeError, match="crash"):
        write_half(target)
    assert target.read_text() == "old"
    assert names_in(tmp_path) == ["result.json"]


def test_a_killed_process_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    write_text(target, "old")
    script = (
        "import os, signal, sys\n"
        "from see_in_pairs.files import atomic_path\n"
        "with atomic_path(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half of the n')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    finished = subprocess.run([sys.executable, "-c", script, str(target)], check=False)
    assert finished.returncode == -9
    assert target.read_text() == "old"


def test_the_new_file_appears_only_when_the_block_has_ended(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "er" / "result.txt"
    with atomic_path(target) as temporary:
        temporary.write_text("new")
        assert temporary.parent == target.parent, "a rename is atomic within one file system only"
        assert temporary.suffix == ".txt"
        assert not target.exists()
    assert target.read_text() == "new"
    assert names_in(target.parent) == ["result.txt"]


def test_results_can_be_read_by_others(tmp_path: Path) -> None:
    write_text(tmp_path / "result.txt", "shared")
    assert stat.S_IMODE((tmp_path / "result.txt").stat().st_mode) == 0o644


def test_json_is_strict_whatever_the_numbers_are() -> None:
    @dataclass(frozen=True)
    class Row:
        p: float
        lag: tuple[int, ...]

    content = {
        "nan": math.nan,
        "infinite": -np.inf,
        "array": np.array([1.0, np.nan]),
        "integer": np.int64(3),
        "flag": np.bool_(True),
        "row": Row(0.5, (1, 2)),
        "path": Path("a/b"),
        1: None,
    }
    assert json.loads(to_json(content)) == {
        "nan": None,
        "infinite": None,
        "array": [1.0, None],
        "integer": 3,
        "flag": True,
        "row": {"p": 0.5, "lag": [1, 2]},
        "path": "a/b",
        "1": None,
    }


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
def test_what_is_written_as_json_is_read_back_unchanged(value: object) -> None:
    assert json.loads(to_json(value)) == value


@given(st.dictionaries(st.text(max_size=3), json_values, max_size=4))
def test_the_hash_of_content_ignores_the_order_of_keys(content: dict[str, object]) -> None:
    assert content_hash(dict(reversed(content.items()))) == content_hash(content)


def test_the_hash_of_content_sees_a_change_of_value_or_key() -> None:
    hashes = {content_hash(content) for content in ({"a": 1}, {"a": 2}, {"b": 1}, {"a": [1]}, {"a": {"b": 1}}, {})}
    assert len(hashes) == 6
    assert all(len(digest) == 16 for digest in hashes)


def test_the_hash_of_a_file_is_its_sha256(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    assert sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    content = bytes(range(256)) * 5000
    (tmp_path / "large").write_bytes(content)
    assert sha256(tmp_path / "large") == hashlib.sha256(content).hexdigest()


def test_json_files_come_back(tmp_path: Path) -> None:
    write_json(tmp_path / "content.json", {"rho": 0.9, "name": "Südhang"})
    assert read_json(tmp_path / "content.json") == {"rho": 0.9, "name": "Südhang"}


@pytest.mark.parametrize(
    ("content", "message"), [(None, "no such file"), (b"{'a': 1}", "not valid JSON"), (b"\xff\xfe\x00", "not valid JSON")]
)
def test_a_bad_json_file_is_named_in_one_line(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "content.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_json(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame({"item_id": ["a", "b"], "score": [0.25, 0.75]})


def test_tables_come_back_from_every_format(tmp_path: Path, table: pd.DataFrame) -> None:
    write_parquet(tmp_path / "table.parquet", table)
    table.to_csv(tmp_path / "table.csv", index=False, encoding="utf-8-sig")  # as spreadsheet programs write it
    table.to_csv(tmp_path / "table.tsv", index=False, sep="\t")
    for name in ("table.parquet", "table.csv", "table.tsv"):
        pd.testing.assert_frame_equal(read_table(tmp_path / name), table, check_dtype=False)


@pytest.mark.parametrize(
    ("name", "content"),
    [("missing.csv", None), ("empty.csv", b""), ("broken.parquet", b"PAR1 but no more"), ("picture.csv", b"\x89PNG\r\n\x1a\n\xff\xfe")],
)
def test_a_bad_table_is_named_in_one_line(tmp_path: Path, name: str, content: bytes | None) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_table(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
