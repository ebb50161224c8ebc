"""Tables that VLMEvalKit writes when it evaluates, of the columns that its code writes."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from paper_figures.comparison.pairing import align
from paper_figures.comparison.score_tables import read_arm
from see_in_pairs.errors import InputError


def table(**scores: list[Any]) -> pd.DataFrame:
    items = len(next(iter(scores.values())))
    return pd.DataFrame({"index": range(items), "question": "q", "answer": list("ABCDEF")[:items], "prediction": "A", **scores})


def write(path: Path, rows: pd.DataFrame) -> Path:
    """As VLMEvalKit's own ``dump`` does: lists become text in tables."""
    if path.suffix == ".json":
        path.write_text(json.dumps(rows.to_dict("records"), indent=4))
    elif path.suffix == ".xlsx":
        rows.map(lambda cell: str(cell) if isinstance(cell, list) else cell).to_excel(path, index=False)
    else:
        rows.to_csv(path, sep="\t" if path.suffix == ".tsv" else ",", index=False, quoting=1)
    return path


@pytest.mark.parametrize("suffix", ["tsv", "json", "csv", "xlsx"])
@pytest.mark.parametrize(
    ("name", "scores", "expected"),
    [
        ("qwen_MMBench_result", {"hit": [1, 0, 1]}, [1, 0, 1]),
        ("qwen_POPE_auxmatch", {"extracted": ["Yes", "No", "No"], "score": [True, False, True]}, [1, 0, 1]),
        ("qwen_TextVQA_VAL_results", {"eval_match": [[0, 1, 1], [0.0, 0.0, 0.0], [1, 1, 1]], "eval_score": [0.6, 0, 1]}, [2 / 3, 0, 1]),
        ("qwen_DocVQA_VAL_results", {"eval_match": [[0.25, 0.75], [0.6, 0.9], [0.0, 1.0]], "eval_score": [0.5, 0.75, 0.5]}, [0.75, 0, 1]),
        ("qwen_ChartQA_TEST_results", {"eval_match": [[True, False], [False, False], [True]], "eval_score": [0.5, 0, 1]}, [1, 0, 1]),
    ],
)
def test_every_kind_of_set_and_file(tmp_path: Path, name: str, scores: dict[str, list[Any]], expected: list[float], suffix: str) -> None:
    if suffix == "xlsx":
        pytest.importorskip("openpyxl", reason="reads and writes .xlsx")
    arm = read_arm(write(tmp_path / f"{name}.{suffix}", table(**scores)))
    assert arm.name == name
    assert arm.table["item_id"].tolist() == ["0", "1", "2"]
    assert arm.table["value"].tolist() == pytest.approx(expected)


def test_answers_of_another_set_are_refused(tmp_path: Path) -> None:
    a = read_arm(write(tmp_path / "a.tsv", table(hit=[1, 0])))
    b = read_arm(write(tmp_path / "b.tsv", table(hit=[1, 0]).assign(answer=["A", "C"])))
    with pytest.raises(InputError, match=r"targets of 1 items \(1\)"):
        align(a, b)


@pytest.mark.parametrize(
    ("name", "scores", "metrics", "message"),
    [
        ("p", {"thinking": ["", ""]}, (), "has predictions without scores"), ("p", {"hit": [1, None]}, (), r"1 items .* \(1\)"),
        ("p", {"hit": [1, "x"]}, (), "hit of item 1 is 'x'"), ("p", {"hit": [1, 0]}, ["f1"], "no column 'f1'"),
        ("p_DocVQA_VAL", {"eval_match": ["[0.0]"], "eval_score": [0.5]}, ["eval_score"], "lower for better"),
        ("p", {"eval_match": ["[0.0", "[1]"]}, (), "eval_match of item 0"),
        ("p", {"eval_match": ["[]", "[1]"]}, (), "eval_match of item 0"),
    ],
)  # fmt: skip
def test_tables_without_a_score(tmp_path: Path, name: str, scores: dict[str, list[Any]], metrics: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_arm(write(tmp_path / f"{name}.tsv", table(**scores)), metrics=metrics)


def test_a_workbook_needs_openpyxl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.xlsx").write_bytes(b"PK\x03\x04")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"is a workbook.*or install openpyxl"):
        read_arm(tmp_path / "a.xlsx")
