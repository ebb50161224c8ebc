"""Files that are no files, never end, explode or say two things: refused in one line, at once."""

from __future__ import annotations

import errno
import gzip
import os
import stat
import time
from pathlib import Path

import pytest

from empirical.cohorts.csv_io import read_any_table
from paper_figures.comparison.formats.harness_logs import json_lines
from paper_figures.comparison.formats.tables import read_item_table
from see_in_pairs.configs import StrictConfig, load_config
from see_in_pairs.errors import InputError
from see_in_pairs.files import MOST_BYTES, files_in, parse_yaml, read_json, read_table, read_text, read_yaml, write_json, write_text

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9))


class Config(StrictConfig):
    n: int = 0
    name: str = ""


def fifo(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


@pytest.mark.parametrize("read", [read_text, read_json, read_yaml, read_table])
@pytest.mark.parametrize("make", [fifo, lambda _: Path("/dev/zero"), lambda folder: folder], ids=["pipe", "endless", "folder"])
def test_what_is_no_regular_file_is_not_opened(tmp_path: Path, read, make) -> None:  # type: ignore[no-untyped-def]
    began = time.monotonic()
    with pytest.raises(InputError, match=r"name a file|no such"):
        read(make(tmp_path))
    assert time.monotonic() - began < 5


def test_a_text_of_more_bytes_than_anyone_writes_is_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "long.yaml", "wb") as stream:
        stream.truncate(MOST_BYTES["YAML"] + 1)
    with pytest.raises(InputError, match="too many for YAML"):
        read_yaml(tmp_path / "long.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("n: 1\nname: x\nn: 2\n", "the key 'n' occurs twice, line 1"),
        ("outer:\n  - {a: 1, b: 2, a: 3}\n", "the key 'a' occurs twice, line 2"),
        (BOMB, "values, aliases counted"),
        ("a: &a [*a]\n", "values, aliases counted"),
        ("[" * 50_000, "not valid YAML"),
        ("n: " + "9" * 5000, "not valid YAML"),
        ("day: 2024-13-45\n", "not valid YAML"),
        ("{[1]: 2}: 3\n", "not valid YAML"),
    ],
    ids=["key twice", "key twice inside", "bomb", "itself", "deep", "endless integer", "impossible date", "mapping as key"],
)
def test_yaml_that_says_two_things_or_explodes_is_one_line(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        parse_yaml(text, "study.yaml")
    assert str(caught.value).startswith("study.yaml: ") and "\n" not in str(caught.value)


def test_a_key_may_stand_in_two_mappings_and_be_merged_from_another() -> None:
    assert parse_yaml("a: &a {n: 1}\nb: {<<: *a, m: 2}\nc: {n: 3}\n", "x") == {"a": {"n": 1}, "b": {"n": 1, "m": 2}, "c": {"n": 3}}


def test_configs_refuse_a_key_that_stands_twice_also_when_it_is_set(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("n: 7\nname: a\nn: 1000\n")
    with pytest.raises(InputError, match="the key 'n' occurs twice"):
        load_config(Config, tmp_path / "c.yaml")
    (tmp_path / "c.yaml").write_text("n: 7\n")
    with pytest.raises(InputError, match=r"--set name=\{a: 1, a: 2\}: not valid YAML"):
        load_config(Config, tmp_path / "c.yaml", ["name={a: 1, a: 2}"])


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5000, "{'a': 1}", ""], ids=["deep", "endless integer", "quotes", "empty"])
def test_json_that_is_none_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match="not valid JSON") as caught:
        read_json(tmp_path / "a.json")
    assert len(str(caught.value)) < 500


def test_a_byte_order_mark_is_no_content(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf{}")
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbfn: 1\r\n")
    assert read_json(tmp_path / "a.json") == {} and read_yaml(tmp_path / "a.yaml") == {"n": 1}


def test_a_name_that_is_no_text_can_be_written_down(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"file": os.fsdecode(b"caf\xe9.png")})
    assert read_json(tmp_path / "a.json") == {"file": "caf\udce9.png"}


@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o600), (0o022, 0o644), (0o002, 0o664)])
def test_who_may_read_results_is_for_the_user_to_say(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        write_text(tmp_path / "patients.csv", "id\n")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "patients.csv").stat().st_mode) == mode


def test_a_folder_that_may_not_be_read_is_not_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("b.csv", "a.csv", "c.txt", "below/d.csv", "closed/e.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [path.name for path in files_in(tmp_path, "*.csv")] == ["a.csv", "b.csv"]
    assert [path.name for path in files_in(tmp_path, "[a-d].csv", deep=True)] == ["a.csv", "b.csv", "d.csv"]
    assert files_in(tmp_path / "nowhere", "*") == []
    scandir = os.scandir

    def closed(folder="."):  # type: ignore[no-untyped-def]
        if os.fspath(folder) == str(tmp_path / "closed"):
            raise PermissionError(errno.EACCES, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(InputError, match=r"closed: cannot be read \(Permission denied\)"):
        files_in(tmp_path, "*.csv", deep=True)


@pytest.mark.parametrize("read", [read_table, read_any_table, read_item_table], ids=["tables", "cohorts", "comparisons"])
@pytest.mark.parametrize("ending", [".csv", ".tsv", ".csv.gz"])
def test_a_row_of_half_a_million_fields_is_refused_at_once(tmp_path: Path, read, ending: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / f"a{ending}"
    with gzip.open(path, "wb") if ending.endswith(".gz") else open(path, "wb") as stream:
        stream.write((b"x\t" if ending == ".tsv" else b"x,") * 500_000)
    began = time.monotonic()
    with pytest.raises(InputError, match=r"500,001 fields|cannot be read as a table") as caught:
        read(path)
    assert time.monotonic() - began < 20 and len(str(caught.value)) < 500


@pytest.mark.parametrize("read", [read_table, read_any_table, read_item_table], ids=["tables", "cohorts", "comparisons"])
def test_a_table_of_nothing_without_end_is_refused_at_once(tmp_path: Path, read) -> None:  # type: ignore[no-untyped-def]
    with open(tmp_path / "a.csv", "wb") as stream:
        stream.truncate(2**38)
    with pytest.raises(InputError, match="its first row has more than 16 million bytes"):
        read(tmp_path / "a.csv")


def test_a_line_of_a_log_that_never_ends_is_no_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MOST_BYTES, "JSON", 2**20)
    with open(tmp_path / "a.jsonl", "wb") as stream:
        stream.truncate(2**38)
    with pytest.raises(InputError, match="line 1 is not JSON"):
        json_lines(tmp_path / "a.jsonl")
