"""Tables and logs that people bring to ``compare``: read as they mean it, or one line and exit code 2."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from paper_figures.commands.compare import compare
from paper_figures.comparison.pairing import align
from paper_figures.comparison.score_tables import read_arm
from see_in_pairs.console import new_app, run_app
from see_in_pairs.errors import InputError

Run = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    app = new_app("test")
    app.command()(compare)
    app.command("other")(lambda: None)

    def call(*words: object) -> tuple[int, dict[str, Any], str]:
        code = run_app(app, ["compare", *map(str, words), "--json", "--quiet", "--resamples", "100"])
        output = capsys.readouterr()
        return code, json.loads(output.out) if output.out else {}, output.err

    return call


def two(folder: Path, a: str, b: str | None = None, name: str = "csv") -> tuple[Path, Path]:
    paths = folder / f"a.{name}", folder / f"b.{name}"
    for path, text in zip(paths, (a, a if b is None else b), strict=True):
        path.write_text(text, encoding="utf-8")
    return paths


def sample(number: int, right: int = 1, **more: Any) -> dict[str, Any]:
    return {"doc_id": number, "doc": {"question": "q"}, "target": str(number % 2), "filter": "none", "doc_hash": "h", "acc": right} | more


def logs(folder: Path, *arms: list[dict[str, Any]]) -> list[Path]:
    paths = [folder / f"samples_{name}.jsonl" for name in "ab"]
    for path, samples in zip(paths, arms, strict=True):
        path.write_text("".join(json.dumps(one) + "\n" for one in samples))
    return paths


def test_logs_of_other_documents_are_not_joined_by_their_numbers(run: Run, tmp_path: Path) -> None:
    here = [sample(i) for i in range(8)]
    code, _, err = run(*logs(tmp_path, here, [sample(i, target=str((i + 1) % 2)) for i in range(8)]))
    assert (code, err.count("\n"), "targets of 8 items (0, 1, 2 and 5 more) differ" in err) == (2, 1, True)
    code, found, _ = run(*logs(tmp_path, here, [sample(i, doc_hash=f"other {i}") for i in range(8)]))
    assert (code, any("doc_hash of 8 items" in text for text in found["warnings"])) == (0, True)
    code, found, _ = run(
        *logs(tmp_path, [sample(i, target=["yes", i]) for i in range(8)], [sample(i, target=["yes", i]) for i in range(8)])
    )
    assert (code, [text for text in found["warnings"] if "doc_hash" in text]) == (0, [])


def test_packed_logs_and_folders_with_one(run: Run, tmp_path: Path) -> None:
    for arm, right in (("a", 1), ("b", 0)):
        folder = tmp_path / arm / "model"
        folder.mkdir(parents=True)
        with gzip.open(folder / "samples_chest.jsonl.gz", "wt") as stream:
            stream.writelines(json.dumps(sample(i, right if i < 5 else 1)) + "\n" for i in range(8))
    code, found, err = run(tmp_path / "a", tmp_path / "b")
    assert (code, found.get("accuracy", {}).get("n10")) == (0, 5), err
    (tmp_path / "a" / "samples_brain.jsonl").write_text(json.dumps(sample(0)))
    code, _, err = run(tmp_path / "a", tmp_path / "b")
    assert (code, "1 tasks of" in err, "(brain)" in err, err.count("\n")) == (2, True, True, 1)
    assert run(tmp_path / "a", tmp_path / "b", "--task", "chest")[1]["accuracy"]["n10"] == 5


@pytest.mark.parametrize(
    "content",
    [
        b"\x1f\x8b not packed at all",
        gzip.compress(json.dumps(sample(0)).encode() * 99)[:40],
        b"[" * 99_999,
        gzip.compress(b'{"a": "\xe9"}'),
    ],
    ids=["no gzip", "cut off", "deep", "latin-1"],
)
def test_broken_logs_are_one_line(run: Run, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / ("a.jsonl.gz" if content[:1] == b"\x1f" else "a.jsonl")
    path.write_bytes(content)
    code, _, err = run(path, path)
    assert (code, err.count("\n"), path.name in err) == (2, 1, True)


def test_a_metric_that_the_log_lacks(run: Run, tmp_path: Path) -> None:
    code, _, err = run(*logs(tmp_path, [sample(0)], [sample(0)]), "--metric", "f1")
    assert (code, err.count("\n"), "f1 of item 0 is missing" in err, "it has acc" in err) == (2, 1, True, True)


def test_a_positive_label_that_nobody_has(run: Run, tmp_path: Path) -> None:
    paths = two(tmp_path, "item_id,label,score\n1,pos,.9\n2,neg,.2\n3,pos,.7\n4,neg,.6\n")
    for named in (["Pos"], ["pos", "nodule"]):
        code, _, err = run(*paths, *(word for name in named for word in ("--positive", name)))
        assert (code, err.count("\n"), "there are neg, pos" in err) == (2, 1, True)
    assert run(*paths, "--positive", "pos")[1]["accuracy"]["a"] == 0.75


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--run-a", "r"), "has no column 'run_id'"), (("--run-b", "r"), "has no column 'run_id'"), (("--metric", "acc"), "--metric acc"),
        (("--arm-a", "pair"), "has no column 'arm'"),
    ],
)  # fmt: skip
def test_options_that_mean_nothing_to_a_table(run: Run, tmp_path: Path, options: tuple[str, str], message: str) -> None:
    code, _, err = run(*two(tmp_path, "item_id,label,score\n1,1,.9\n2,0,.2\n"), *options)
    assert (code, err.count("\n"), message in err) == (2, 1, True)


@pytest.mark.parametrize("options", [("--positive", "1"), ("--threshold", ".4"), ("--specificity", ".8")])
def test_options_that_mean_nothing_to_right_and_wrong(run: Run, tmp_path: Path, options: tuple[str, str]) -> None:
    code, _, err = run(*two(tmp_path, "item_id,correct\n1,1\n2,0\n"), *options)
    assert (code, err.count("\n"), options[0] in err) == (2, 1, True)


@pytest.mark.parametrize(
    ("yes", "no"), [("true", "false"), ("TRUE", "FALSE"), ("True", "False"), ("1", "0"), ("1.0", "0.0"), (" true", "0 ")]
)
def test_right_and_wrong_in_any_case(run: Run, tmp_path: Path, yes: str, no: str) -> None:
    code, found, err = run(*two(tmp_path, f"item_id,correct\n1,{yes}\n2,{no}\n3,{yes}\n", f"item_id,correct\n1,{no}\n2,{no}\n3,{yes}\n"))
    assert (code, found.get("accuracy", {}).get("n10")) == (0, 1), err
    labels = f"item_id,label,score\n1,{yes},.9\n2,{no},.2\n"
    assert run(*two(tmp_path, labels))[1]["auroc"]["a"] == 1


def test_what_is_neither_right_nor_wrong_is_shown(run: Run, tmp_path: Path) -> None:
    code, _, err = run(*two(tmp_path, "item_id,correct\n1,yes\n2,0\n"))
    assert (code, err.count("\n"), "'yes'" in err, "label" in err) == (2, 1, True, False)


def test_arms_in_one_table_are_chosen(run: Run, tmp_path: Path) -> None:
    path = two(tmp_path, "item_id,label,score,arm\n1,1,.9,pair\n2,0,.2,pair\n1,1,.4,single\n2,0,.3,single\n")[0]
    code, _, err = run(path, path)
    assert (code, err.count("\n"), "--arm-a and --arm-b" in err) == (2, 1, True)
    code, found, _ = run(path, path, "--arm-a", "pair", "--arm-b", "single")
    assert (code, found["arms"], found["accuracy"]["a"], found["accuracy"]["b"]) == (0, ["pair", "single"], 1, 0.5)
    code, _, err = run(path, path, "--arm-a", "pairs", "--arm-b", "single")
    assert (code, "no arm 'pairs'" in err) == (2, True)


@pytest.mark.parametrize(("column", "names"), [("train_seed", "01"), ("reader", "01"), ("reader", ("Ann", "Bo"))])
def test_seeds_and_readers_are_kept_apart(run: Run, tmp_path: Path, column: str, names: Any) -> None:
    rows = [(item, item % 2, round(0.3 + 0.1 * item % 0.7, 2), name) for name in names for item in range(6)]
    text = f"item_id,label,score,{column}\n" + "".join(",".join(map(str, row)) + "\n" for row in rows)
    code, found, err = run(*two(tmp_path, text, text.replace("0.4", "0.8")))
    assert (code, found.get("items")) == (0, 12), err
    assert found["procedure"]["seeds"] == list(names)
    code, found, _ = run(*two(tmp_path, text, text.replace(f",{names[1]}\n", ",9\n")))
    assert (code, any("trainings of their own (2 and 2)" in warning for warning in found["warnings"])) == (0, True)


@pytest.mark.parametrize("cell", ["r1;r2", '"[""r1"", ""r2""]"', " r2 ; r1 "])
def test_several_references_in_a_cell(tmp_path: Path, cell: str) -> None:
    a, b = two(tmp_path, f"item_id,label,score,reference_ids\n1,1,.9,{cell}\n2,0,.2,r1\n3,0,.2,r3\n")
    assert align(read_arm(a), read_arm(b)).pair.second_clusters == [["r1", "r2"], ["r1"], ["r3"]]
    broken = two(tmp_path, "item_id,label,score,reference_ids\n1,1,.9,\"['r1', 'r2']\"\n2,0,.2,r1\n")
    with pytest.raises(InputError, match="not a JSON list"):
        align(read_arm(broken[0]), read_arm(broken[1]))


def test_a_parquet_table_that_is_no_records(run: Run, tmp_path: Path) -> None:
    table = pd.DataFrame({"item_id": [1, 2], "label": [True, False], "score": [0.9, 0.2], "reference_ids": [["r1", "r2"], ["r1"]]})
    table.to_parquet(tmp_path / "a.parquet")
    code, found, err = run(tmp_path / "a.parquet", tmp_path / "a.parquet")
    assert (code, found.get("auroc", {}).get("a")) == (0, 1), err


GOOD = "item_id,label,score\n1,1,.8\n2,0,.3\n"


@pytest.mark.parametrize(
    "text",
    [
        "item_id,label,score\n1 ,1 ,.9 \n2 ,0 ,.2 \n",
        "item_id,label,score\n1,1,.9,\n2,0,.2,\n",
        " item_id , label,score \n1,1,.9\n2,0,.2\n",
        "item_id,label,score,\n1,1,.9,\n2,0,.2,\n",
        "\ufeffitem_id,label,score\r\n1,1,.9\r\n2,0,.2\r\n",
    ],
    ids=["blanks", "comma at the end", "blanks in the header", "comma everywhere", "byte-order mark"],
)
def test_what_spreadsheets_leave_in_a_table_is_read(run: Run, tmp_path: Path, text: str) -> None:
    code, found, err = run(*two(tmp_path, text, GOOD))
    assert (code, found.get("auroc", {}).get("a")) == (0, 1), err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("item_id,label,score,score \n1,1,.9,x\n2,0,.2,x\n", "'score' occurs twice in the header"),
        ("item_id,label,score,score\n1,1,.9,x\n2,0,.2,x\n", "'score' occurs twice in the header"),
        ("item_id,label,score\n1,1,.9,x\n2,0,.2,y\n", "row 1 has 4 fields, the header 3"),
        ("item_id,label,score\n1,1,.9\n2,0,.2,y\n", "line 3 has 4 fields, the header 3"),
        ('item_id,label,score\n1,1,"0,9"\n2,0,"0,2"\n', "write a point, not a comma"),
        ("item_id,label,score\n1,1,high\n2,0,.2\n", "1: 'high'"),
        ("item_id;label;score\n1;1;0,9\n2;0;0,2\n", "separated by ';'"),
        ("image,label,score\n1.png,1,.9\n", "name the column of item names item_id"),
        ("item_id,label,score\n1,1,.9\n1,1,.8\n", "tell rows of an item apart"),
        ("item_id,label,score\n1,1,.9\n , ,.8\n", "1 rows have no item_id"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_shown(run: Run, tmp_path: Path, text: str, message: str) -> None:
    code, _, err = run(*two(tmp_path, text, GOOD))
    assert (code, err.count("\n"), message in err) == (2, 1, True), err


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "item_id,label,score\nJos\xe9,1,.9\n".encode("latin-1"), "save it as UTF-8"), ("a.xlsx", b"PK\x03\x04", "is a workbook"),
        ("a.csv", GOOD.encode("utf-16"), "save it as UTF-8"), ("a.csv.gz", b"\x1f\x8b\x08 no", "cannot be read"),
        ("a.csv", b"", "cannot be read"), ("a.csv", b'item_id,label,score\n1,1,".9\n', "inside string"),
    ],
)  # fmt: skip
def test_files_of_another_encoding_or_kind(run: Run, tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    code, _, err = run(tmp_path / name, two(tmp_path, GOOD, name="good.csv")[1])
    assert (code, err.count("\n"), message in err, len(err) < 400) == (2, 1, True, True), err


def test_one_cluster_names_the_way_out(run: Run, tmp_path: Path) -> None:
    text = "item_id,label,score,patient_id\n" + "".join(f"{i},{i % 2},{0.1 * i:.1f},P\n" for i in range(8))
    code, found, _ = run(*two(tmp_path, text, text.replace("0.3", "0.6")))
    assert (code, found["recommended"]) == (0, {})
    assert any("all items have the same patient_id" in warning and "--cluster" in warning for warning in found["warnings"])


@pytest.mark.filterwarnings("error")
def test_empty_cells_of_arms_and_seeds_are_values_of_their_own(run: Run, tmp_path: Path) -> None:
    a, b = two(tmp_path, "item_id,label,score,arm,train_seed\n1,1,.9,pair,\n2,0,.2,,\n1,1,.9,,1\n")
    code, _, err = run(a, b)
    assert (code, err.count("\n"), "(, pair)" in err) == (2, 1, True)
    a, b = two(tmp_path, "item_id,label,score,train_seed\n1,1,.9,\n2,0,.2,\n1,1,.9,1\n2,0,.1,1\n")
    assert run(a, b)[1]["procedure"]["seeds"] == ["-1", "1"]


def test_a_reader_of_each_item_and_columns_of_documents_are_no_seeds(run: Run, tmp_path: Path) -> None:
    code, found, err = run(*two(tmp_path, "item_id,label,score,reader\n1,1,.9,Ann\n2,0,.2,Bo\n3,1,.4,Bo\n"))
    assert (code, found.get("procedure")) == (0, None), err
    documents = [sample(i, doc={"reader": f"r{i}", "train_seed": i}) for i in range(4)]
    code, found, err = run(*logs(tmp_path, documents, documents))
    assert (code, found.get("procedure")) == (0, None), err
