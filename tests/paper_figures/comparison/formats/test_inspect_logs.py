"""Logs of inspect_ai, of the shape that its code writes: JSON, and zip packed by Deflate or Zstandard."""

import json
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from paper_figures.comparison.pairing import align
from paper_figures.comparison.score_tables import ArmScores, read_arm
from see_in_pairs.errors import InputError

VALUES = ["C", "I", "P", "N", 1, 0.25, True, "yes", "no", "0.5"]
NUMBERS = [1, 0, 0.5, 0, 1, 0.25, 1, 1, 0, 0.5]


def samples(values: list[Any], epochs: int = 1, scorer: str = "match") -> list[dict[str, Any]]:
    return [
        {"id": number, "epoch": epoch + 1, "input": "q", "target": ["a", str(number)], "completed": True,
         "metadata": {"patient_id": f"0{number // 2}", "boxes": [1, 2]}, "scores": {scorer: {"value": value, "answer": "A"}}}
        for epoch in range(epochs) for number, value in enumerate(values)
    ]  # fmt: skip


def header(**more: Any) -> dict[str, Any]:
    return {"version": 2, "status": "success", "eval": {"task": "chest", "model": "openai/one"}, "results": {}} | more


def write_json(path: Path, rows: list[dict[str, Any]], **more: Any) -> Path:
    path.write_text(json.dumps(header(samples=rows, **more)))
    return path


def write_eval(path: Path, rows: list[dict[str, Any]], summaries: bool = True, **more: Any) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("_journal/start.json", "{}")
        for row in rows:
            archive.writestr(f"samples/{row['id']}_epoch_{row['epoch']}.json", json.dumps(row))
        if summaries:
            archive.writestr("summaries.json", json.dumps(rows))
        archive.writestr("header.json", json.dumps(header(**more)))
    return path


def write_zstandard(path: Path, rows: list[dict[str, Any]], damage: int = 0) -> Path:
    """A zip by its specification (APPNOTE.TXT 4.3): per member a local header, then the central directory; method 93, several frames."""
    local, central = b"", b""
    for name, content in (("header.json", header()), ("summaries.json", rows)):
        text = json.dumps(content).encode()
        halves = text[: len(text) // 2], text[len(text) // 2 :]
        packed = b"".join(pa.compress(half, codec="zstd", asbytes=True) for half in halves)
        fields = struct.pack("<HHHHH3LHH", 63, 0, 93, 0, 33, zlib.crc32(text) + damage, len(packed), len(text), len(name), 4)
        central += b"PK\x01\x02\x3f\x00" + fields + struct.pack("<HHHLL", 0, 0, 0, 0, len(local)) + name.encode() + b"\xff\xff\0\0"
        local += b"PK\x03\x04" + fields + name.encode() + b"\xff\xff\0\0" + packed
    path.write_bytes(local + central + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 2, 2, len(central), len(local), 0))
    return path


def by_item(arm: ArmScores) -> list[float]:
    found: list[float] = arm.table.assign(item=arm.table["item_id"].astype(int)).sort_values("item")["value"].tolist()
    return found


@pytest.mark.parametrize("kind", ["json", "eval", "eval without summaries", "zstandard"])
def test_every_way_to_pack_and_every_value(tmp_path: Path, kind: str) -> None:
    rows = samples(VALUES)
    path = tmp_path / ("log.json" if kind == "json" else "log.eval")
    if kind == "json":
        write_json(path, rows)
    elif kind == "zstandard":
        write_zstandard(path, rows)
    else:
        write_eval(path, rows, summaries=kind == "eval")
    arm = read_arm(path)
    assert (arm.name, arm.metric, by_item(arm)) == ("openai/one", "match", NUMBERS)
    aligned = align(arm, arm)
    assert (aligned.metric, aligned.cluster_columns) == ("match", ("patient_id",))
    assert sorted(set(aligned.a.clusters.tolist())) == ["00", "01", "02", "03", "04"]


def test_epochs_of_a_sample_are_averaged(tmp_path: Path) -> None:
    rows = samples(["C", "I", "C"]) + [row | {"epoch": 2} for row in samples(["I", "I", "C"])]
    assert by_item(read_arm(write_eval(tmp_path / "a.eval", rows))) == [0.5, 0, 1]
    with pytest.raises(InputError, match=r"1 samples have fewer than 2 epochs \(2\)"):
        read_arm(write_eval(tmp_path / "b.eval", rows[:-1]))


def test_a_sample_tried_again_counts_once(tmp_path: Path) -> None:
    path = write_eval(tmp_path / "a.eval", samples(["I", "I"]), summaries=False)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("samples/1_epoch_1.json", json.dumps(samples(["I", "C"])[1]))
    assert by_item(read_arm(path)) == [0, 1]


def test_one_of_several_scores_is_chosen(tmp_path: Path) -> None:
    rows = [row | {"scores": {"f1": {"value": 0.25}, "grader": {"value": {"safe": "C", "kind": "I"}}}} for row in samples(["C", "C"])]
    path = write_json(tmp_path / "a.json", rows)
    with pytest.raises(InputError, match=r"choose the score with --metric; there are f1, grader.safe, grader.kind"):
        read_arm(path)
    assert by_item(read_arm(path, metrics=["f1"])) == [0.25, 0.25]
    assert by_item(read_arm(path, metrics=["acc", "grader.safe"])) == [1, 1]
    with pytest.raises(InputError, match="no score 'acc'"):
        read_arm(path, metrics=["acc"])


def test_documents_of_another_set_are_refused(tmp_path: Path) -> None:
    other = [row | {"target": "b"} for row in samples(["C", "I"])]
    arms = [read_arm(write_json(tmp_path / f"{name}.json", rows)) for name, rows in (("a", samples(["C", "I"])), ("b", other))]
    with pytest.raises(InputError, match="targets of 2 items"):
        align(*arms)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"status": "error"}, "ended with status 'error'"), ({"samples": []}, "no samples"), ({"samples": [3]}, "are not those"),
        ({"samples": samples([float("nan"), "C"])}, r"1 samples have no match \(0\)"),
        ({"samples": [{"id": 1, "epoch": 1}]}, "there are none"),
    ],
)  # fmt: skip
def test_logs_that_are_not_whole(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(header(samples=samples(["C", "I"])) | change))
    with pytest.raises(InputError, match=message):
        read_arm(path)


@pytest.mark.parametrize("content", ["damaged", "no zip", "no header", "cut", "deep"])
def test_files_that_are_broken(tmp_path: Path, content: str) -> None:
    path = write_zstandard(tmp_path / "a.eval", samples(["C"]), damage=content == "damaged")
    if content == "no zip":
        path.write_bytes(b"PK")
    elif content == "cut":
        path.write_bytes(path.read_bytes()[60:])
    elif content in ("no header", "deep"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("header.json" if content == "deep" else "_journal/start.json", "[" * 99_999)
    with pytest.raises(InputError, match=r"a\.eval") as caught:
        read_arm(path)
    assert "\n" not in str(caught.value)
