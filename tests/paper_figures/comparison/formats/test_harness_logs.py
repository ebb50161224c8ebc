"""Logs of lm-evaluation-harness and lmms-eval, of the shape that their code writes; identifiers stay as they are written."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from paper_figures.comparison.formats.harness_logs import json_lines, read_samples
from paper_figures.comparison.pairing import align
from paper_figures.comparison.score_tables import read_arm, with_items
from see_in_pairs.errors import InputError

RIGHT = {"a": [1, 1, 0, 1, 1, 0], "b": [1, 0, 0, 1, 0, 0]}


def lm_eval(right: int, number: int, **more: Any) -> dict[str, Any]:
    """A sample as lm-evaluation-harness logs it."""
    doc = {"question": "Is it healthy?", "patient_id": f"00{number // 2}", "choices": ["yes", "no"]}
    arguments = {"gen_args_0": {"arg_0": "Is it healthy?", "arg_1": " yes"}, "gen_args_1": {"arg_0": "Is it healthy?", "arg_1": " no"}}
    return {
        "doc_id": number, "doc": doc, "target": "0", "arguments": arguments, "resps": [[["-1.2", "True"]], [["-2.0", "False"]]],
        "filtered_resps": [["-1.2", "True"], ["-2.0", "False"]], "filter": "none", "metrics": ["acc"], "doc_hash": "d", "prompt_hash": "p",
        "target_hash": "t", "acc": float(right),
    } | more  # fmt: skip


def lmms_eval(right: int, number: int, **more: Any) -> dict[str, Any]:
    """A sample as lmms-eval logs it: no document."""
    return {
        "doc_id": number, "target": "yes", "filtered_resps": ["yes"], "doc_hash": "d", "exact_match": float(right),
        "chest_score": {"pred": "yes", "score": right}, "input": "Is it healthy?",
    } | more  # fmt: skip


def write(path: Path, samples: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(sample) + "\n" for sample in samples), encoding="utf-8")
    return path


def values(path: Path, metric: str | None = None) -> list[float]:
    found: list[float] = read_samples(json_lines(path), path, [] if metric is None else [metric])[0]["value"].tolist()
    return found


def test_lm_evaluation_harness(tmp_path: Path) -> None:
    arms = [
        read_arm(write(tmp_path / f"samples_chest_{arm}.jsonl", [lm_eval(right, i) for i, right in enumerate(RIGHT[arm])])) for arm in "ab"
    ]
    aligned = align(*arms, ["patient_id"])
    assert aligned.pair.scores_a.tolist() == [bool(value) for value in RIGHT["a"]]
    assert aligned.pair.clusters.tolist() == ["000", "000", "001", "001", "002", "002"]
    assert aligned.pair.labels is None


def test_lmms_eval_with_a_table_of_patients(tmp_path: Path) -> None:
    logs = [write(tmp_path / f"2026_samples_chest_{arm}.jsonl", [lmms_eval(r, i) for i, r in enumerate(RIGHT[arm])]) for arm in "ab"]
    (tmp_path / "items.csv").write_text("item_id,patient_id\n" + "".join(f"{i},0{i // 2}\n" for i in range(6)))
    arms = [with_items(read_arm(log), tmp_path / "items.csv") for log in logs]
    aligned = align(*arms)
    assert aligned.pair.clusters.tolist() == ["00", "00", "01", "01", "02", "02"]
    assert values(logs[0], "chest_score.score") == RIGHT["a"]


def test_one_line_per_filter(tmp_path: Path) -> None:
    samples = [lm_eval(right, i, filter=name) for name in ("strict", "flexible") for i, right in enumerate(RIGHT["a"])]
    log = write(tmp_path / "samples.jsonl", samples)
    with pytest.raises(InputError, match="once per filter"):
        values(log)
    assert values(log, "acc,strict") == RIGHT["a"]
    assert len(values(log, ",flexible")) == 6
    with pytest.raises(InputError, match="no filter"):
        values(log, "acc,loose")


@pytest.mark.parametrize(
    ("samples", "metric", "message"),
    [
        ([lm_eval(1, 0, acc_norm=0.0)], None, "name the metric"), ([lm_eval(1, 0, acc="right")], "acc", "not a number"),
        ([lm_eval(1, 0)], "f1", "is missing"), ([{"answer": 3}], None, "neither doc_id"), ([], None, "no items"),
    ],
)  # fmt: skip
def test_what_is_no_such_log(tmp_path: Path, samples: list[dict[str, Any]], metric: str | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        values(write(tmp_path / "samples.jsonl", samples), metric)


def test_broken_and_missing_logs(tmp_path: Path) -> None:
    (tmp_path / "broken.jsonl").write_text("{not json\n")
    for name in ("broken.jsonl", "none.jsonl"):
        with pytest.raises(InputError, match=name):
            read_arm(tmp_path / name)


def test_identifiers_that_look_like_numbers_stay_as_written(tmp_path: Path) -> None:
    text = "item_id,label,score,patient\n007,1,0.9,01\n7,0,0.2,1\nNA,1,inf,null\n1e3,0,-inf,1E3\n"
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(text)
    aligned = align(read_arm(tmp_path / "a.csv"), read_arm(tmp_path / "b.csv"), ["patient"])
    assert sorted(read_arm(tmp_path / "a.csv").table["item_id"]) == ["007", "1e3", "7", "NA"]
    assert sorted(aligned.pair.clusters) == ["01", "1", "1E3", "null"]
    assert sorted(aligned.pair.scores_a) == [float("-inf"), 0.2, 0.9, float("inf")]


def test_tables_of_items_that_do_not_fit(tmp_path: Path) -> None:
    pd.DataFrame({"item_id": ["1", "2"], "correct": [1, 0]}).to_csv(tmp_path / "a.csv", index=False)
    arm = read_arm(tmp_path / "a.csv")
    for text, message in (("id\n1\n", "needs the column"), ("item_id\n1\n1\n", "twice"), ("item_id,patient_id\n1,x\n", "1 items of")):
        (tmp_path / "items.csv").write_text(text)
        with pytest.raises(InputError, match=message):
            with_items(arm, tmp_path / "items.csv")
