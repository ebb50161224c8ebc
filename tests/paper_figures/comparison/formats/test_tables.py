"""Tables in any format: JSON Lines, JSON, Parquet; metrics by name; several epochs of an item."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from paper_figures.comparison.pairing import align
from paper_figures.comparison.score_tables import read_arm
from see_in_pairs.errors import InputError

ROWS = [{"item_id": 7, "label": True, "score": 3.5, "f1": 0.25}, {"item_id": "007", "label": False, "score": -2, "f1": 1}]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.json", "a.csv", "a.CSV", "a.tsv", "a.parquet"])
def test_a_table_of_scores_in_every_format(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith("gz"):
        path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in ROWS).encode()))
    elif name.endswith("jsonl"):
        path.write_text("\n".join(map(json.dumps, ROWS)))
    elif name.endswith("json"):
        path.write_text(json.dumps(ROWS))
    else:
        rows = pd.DataFrame(ROWS).astype({"item_id": str})
        rows.to_parquet(path) if name.endswith("parquet") else rows.to_csv(path, index=False, sep="\t" if name.endswith("tsv") else ",")
    arm = read_arm(path)
    assert (arm.name, arm.table["item_id"].tolist(), arm.table["score"].tolist()) == ("a", ["7", "007"], [3.5, -2])
    assert align(arm, arm).pair.labels.tolist() == [False, True]  # sorted by item: 007, 7
    metric = read_arm(path, metrics=["accuracy", "f1"])
    assert (metric.metric, metric.has_scores, metric.table["value"].tolist()) == ("f1", False, [0.25, 1])


@pytest.mark.parametrize("column", ["correct", "value"])
def test_epochs_are_averaged_per_item_and_training(tmp_path: Path, column: str) -> None:
    rows = [
        {"item_id": f"i{item}", "train_seed": seed, "epoch": epoch, column: int((item + seed + epoch) % 3 == 0)}
        for item in range(4) for seed in range(2) for epoch in range(3)
    ]  # fmt: skip
    pd.DataFrame(rows).assign(**{column: lambda table: table[column].where(table["item_id"] != "i3", 0)}).to_csv(tmp_path / "a.csv")
    arm = read_arm(tmp_path / "a.csv")
    expected = [1 / 3] * 6 + [0, 0]  # one of three neighbouring numbers is a multiple of 3
    assert arm.table.sort_values(["item_id", "train_seed"])["value"].tolist() == pytest.approx(expected)
    assert align(arm, arm).metric == column
    pd.DataFrame(rows[1:]).to_csv(tmp_path / "b.csv")
    with pytest.raises(InputError, match=r"1 items have fewer than 3 epochs \(i0\)"):
        read_arm(tmp_path / "b.csv")
    pd.DataFrame(rows).assign(label=1, score=0.5).to_csv(tmp_path / "c.csv")
    with pytest.raises(InputError, match="several epochs"):
        read_arm(tmp_path / "c.csv")


def test_a_metric_of_zero_and_one_is_right_or_wrong(tmp_path: Path) -> None:
    for name, values in (("a", [1, 0, 1]), ("b", [1, 1, 1]), ("c", [0.5, 1, 1])):
        pd.DataFrame({"item_id": list("xyz"), "acc": values}).to_csv(tmp_path / f"{name}.csv")
    a, b, c = (read_arm(tmp_path / f"{name}.csv", metrics=["acc"]) for name in "abc")
    assert (align(a, b).metric, align(a, b).pair.scores_a.dtype) == ("", np.dtype(bool))
    assert (align(a, c).metric, align(a, c).pair.scores_b.tolist()) == ("acc", [0.5, 1, 1])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", "{}", "neither a list of rows"), ("a.json", "[3]", "neither a list of rows"), ("a.json", "[]", "no items"),
        ("a.jsonl", "3", "not a JSON object"), ("a.jsonl", '{"item_id": 1, "correct": 1}\n{"correct": 1}', "1 rows have no item_id"),
        ("a.csv", "item_id,value\n1,high\n", "no value"), ("a.csv", "item_id,value\n1,0.2\n1,0.3\n", "occur twice"),
        ("a.csv", "item_id,correct\n1,0.5\n", "named with --metric"),
        ("a.json", '[{"item_id": "\\ud800", "value": 1}]', "a lone surrogate"),
        ("a.json", '[{"item_id": 1, "value": 1%s}]' % ("0" * 400), "too large"),
        ("a.json", '[{"item_id": 1, "value": 1, "reference_ids": ["r", ["s"]]}]', "not a JSON list of names"),
        ("samples_a.jsonl", '{"doc_id": "\\udc00", "acc": 1}', "a lone surrogate"),
        ("samples_a.jsonl", '{"doc_id": 1, "acc": 1%s}' % ("0" * 400), "not a number"),
    ],
)  # fmt: skip
def test_what_is_no_table_of_items(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message):
        align(read_arm(tmp_path / name), read_arm(tmp_path / name))


def test_cells_that_hold_lists_or_objects_are_names_like_others(tmp_path: Path) -> None:
    rows = [{"item_id": str(i), "value": 0.5, "patient_id": {"site": [i // 2]}, "reference_ids": ["r", f"s{i}"]} for i in range(4)]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    arm = read_arm(tmp_path / "a.json")
    aligned = align(arm, arm)
    assert len(set(aligned.a.clusters.tolist())) == 2 and aligned.a.second_clusters == [["r", f"s{i}"] for i in range(4)]


def test_two_metrics_are_not_compared(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"item_id": "1", "f1": 0.5, "anls": 0.4}]
    pd.DataFrame(rows).to_csv(tmp_path / "a.csv")
    with pytest.raises(InputError, match="one has f1, the other anls"):
        align(read_arm(tmp_path / "a.csv", metrics=["f1"]), read_arm(tmp_path / "a.csv", metrics=["anls"]))
