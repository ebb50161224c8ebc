"""The command ``compare``, on CSV files and on records: results, alignment, every kind of bad input."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from empirical.evaluation.records import Records, write_records
from paper_figures.commands.compare import compare
from paper_figures.comparison import compare_arms
from see_in_pairs.console import new_app, run_app

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    app = new_app("test")
    app.command()(compare)
    app.command("other")(lambda: None)  # two commands, so that 'compare' is a word of the command line

    def call(*words: object) -> tuple[int, str, str]:
        code = run_app(app, ["compare", *map(str, words)])
        output = capsys.readouterr()
        return code, output.out, output.err

    return call


def scores(seed: int = 0, items: int = 80) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    label = np.arange(items) // 2 % 2
    score = 1 / (1 + np.exp(-(rng.normal(size=items) + (1 - seed) * (2 * label - 1))))
    return pd.DataFrame({"item_id": [f"i{i:02d}" for i in range(items)], "label": label, "score": score, "patient": np.arange(items) // 2})


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    for seed, name in enumerate(("a.csv", "b.csv")):
        scores(seed).sample(frac=1, random_state=seed).to_csv(tmp_path / name, index=False)
    return tmp_path / "a.csv", tmp_path / "b.csv"


@pytest.fixture
def records(tmp_path: Path) -> Path:
    rows: list[dict[str, Any]] = []
    for number, (run_id, arm) in enumerate((("single", "single"), ("pair-0.90", "pair"), ("pair-random", "pair"))):
        for i, row in enumerate(scores(number % 2).to_dict("records")):
            rows.append({
                "run_id": run_id, "arm": arm, "train_arm": arm, "train_seed": 0, "n_train": 9, "item_id": row["item_id"], "site": "",
                "patient_id": f"p{row['patient']}", "label": "nodule" if row["label"] else "healthy", "seed": 0,
                "reference_ids": [] if arm == "single" else [f"r{i % 12}"], "reference_patient_ids": [], "reference_strategy": "random",
                "p_positive": row["score"], "logp": {"yes": -1.0}, "mass_outside": 0.0, "generated": "", "parsed": "", "score_seconds": 0.1,
            })  # fmt: skip
    write_records(tmp_path / "records.parquet", Records(pd.DataFrame(rows), ("nodule",), "healthy"))
    return tmp_path


def test_two_csv_files_in_any_order_of_rows(run: Run, files: tuple[Path, Path]) -> None:
    code, out, err = run(*files, "--cluster", "patient", "--resamples", 200, "--json")
    assert code == 0
    assert "A = a, B = b" in err
    a, b = scores(0), scores(1)
    expected = compare_arms(a["score"], b["score"], a["label"], clusters=a["patient"].astype(str), resamples=200).to_dict()
    result = json.loads(out)
    assert result["accuracy"]["mcnemar"]["exact"] == pytest.approx(expected["accuracy"]["mcnemar"]["exact"])
    assert result["auroc"]["clustered_delong"]["p"] == pytest.approx(expected["auroc"]["clustered_delong"]["p"])
    assert result["bootstrap"]["auroc"]["interval"] == pytest.approx(expected["bootstrap"]["auroc"]["interval"])
    assert (result["items"], result["clusters"], result["arms"]) == (80, 40, ["a", "b"])


def test_without_clusters_a_warning(run: Run, files: tuple[Path, Path]) -> None:
    code, out, _ = run(*files, "--resamples", 100)
    assert code == 0
    assert "no clusters were given" in out
    assert "McNemar mid-p" in out


def test_right_and_wrong_only(run: Run, files: tuple[Path, Path], tmp_path: Path) -> None:
    for path in files:
        table = pd.read_csv(path)
        pd.DataFrame({"item_id": table["item_id"], "correct": (table["score"] >= 0.5) == table["label"]}).to_csv(path, index=False)
    code, out, _ = run(*files, "--json", tmp_path / "new.json", "--resamples", 100)
    assert code == 0
    assert "Accuracy" in out
    result = json.loads((tmp_path / "new.json").read_text())
    assert result["auroc"] is None
    assert result["accuracy"]["n10"] > 0


def test_logs_of_another_harness_with_a_table_of_patients(run: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, share in (("a", 0.8), ("b", 0.6)):
        samples = [{"doc_id": i, "target": "yes", "filtered_resps": ["yes"], "acc": float(rng.random() < share)} for i in range(60)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(sample) + "\n" for sample in samples))
    pd.DataFrame({"item_id": range(60), "patient_id": [f"00{i // 3}" for i in range(60)]}).to_csv(tmp_path / "items.csv", index=False)
    logs = (tmp_path / "a.jsonl", tmp_path / "b.jsonl")
    code, out, err = run(*logs, "--items", tmp_path / "items.csv", "--metric", "acc", "--json", "--quiet", "--resamples", 100)
    assert code == 0, err
    result = json.loads(out)
    assert (result["items"], result["clusters"], result["cluster_columns"], result["auroc"]) == (60, 20, ["patient_id"], None)
    code, out, err = run(*logs, "--metric", "f1")
    assert (code, out, err.count("\n"), "f1" in err) == (2, "", 1, True)


def test_category_labels_need_positive(run: Run, files: tuple[Path, Path]) -> None:
    for path in files:
        table = pd.read_csv(path)
        table.assign(label=np.where(table["label"] == 1, "nodule", "healthy")).to_csv(path, index=False)
    code, _, err = run(*files)
    assert (code, err.count("\n")) == (2, 1)
    assert "--positive" in err
    code, out, _ = run(*files, "--positive", "nodule", "--resamples", 100)
    assert (code, "AUROC" in out) == (0, True)
    code, out, err = run(*files, "--positive", "nodul", "--resamples", 100)
    assert (code, out, "no item" in err, "healthy, nodule" in err) == (2, "", True, True)


def test_records_are_chosen_by_arm_and_run(run: Run, records: Path) -> None:
    code, _, err = run(records, records)
    assert (code, "--arm-a" in err) == (2, True)
    code, _, err = run(records, records, "--arm-a", "pair", "--arm-b", "single")
    assert (code, "--run-a" in err) == (2, True)
    code, out, _ = run(
        records / "records.parquet", records, "--run-a", "pair-0.90", "--arm-b", "single", "--json", "--quiet", "--resamples", 100
    )
    result = json.loads(out)
    assert (code, result["clusters"], result["cluster_columns"]) == (0, 40, ["patient_id", "reference_ids"])
    assert result["two_way"]["df"] == 11
    assert any("references serve several patients" in text for text in result["warnings"])
    code, out, _ = run(records, records, "--run-a", "pair-0.90", "--arm-b", "single", "--cluster", "patient_id", "--json", "--quiet")
    assert json.loads(out)["two_way"] is None
    code, _, err = run(records, records, "--arm-a", "nothing", "--arm-b", "single")
    assert (code, "no arm 'nothing'" in err) == (2, True)


def test_the_same_run_twice_is_identical(run: Run, records: Path) -> None:
    code, out, _ = run(records, records, "--run-a", "single", "--run-b", "single", "--json", "--quiet", "--resamples", 100)
    result = json.loads(out)
    assert (code, result["accuracy"]["mcnemar"]["exact"], result["auroc"]["delong"]["p"]) == (0, 1, 1)


def test_one_reference_for_all_is_left_to_the_patients(run: Run, records: Path, tmp_path: Path) -> None:
    from empirical.evaluation.records import read_records

    old = read_records(records)
    table = old.table.assign(reference_ids=[["r"] if arm == "pair" else [] for arm in old.table["arm"]])
    write_records(tmp_path / "fixed" / "records.parquet", Records(table, old.positive, old.healthy))
    code, out, _ = run(tmp_path / "fixed", tmp_path / "fixed", "--run-a", "pair-0.90", "--arm-b", "single", "--json", "--quiet")
    result = json.loads(out)
    assert (code, result["two_way"]) == (0, None)
    assert any("share one reference" in text for text in result["warnings"])


def test_several_training_seeds_compare_the_procedure(run: Run, records: Path, tmp_path: Path) -> None:
    from empirical.evaluation.records import read_records

    old = read_records(records)
    parts = [old.table[old.table["arm"] == "single"], old.table[old.table["run_id"] == "pair-0.90"]]
    again = [part.assign(train_seed=1, run_id=part["run_id"] + "-1", reference_ids=[[]] * len(part)) for part in parts]
    parts = [part.assign(reference_ids=[[]] * len(part)) for part in parts]
    write_records(tmp_path / "seeds" / "records.parquet", Records(pd.concat(parts + again), old.positive, old.healthy))
    options = ("--run-a", "pair-0.90", "--run-a", "pair-0.90-1", "--run-b", "single", "--run-b", "single-1")
    code, out, err = run(tmp_path / "seeds", tmp_path / "seeds", *options, "--json", "--quiet", "--resamples", 100)
    assert code == 0, err
    result = json.loads(out)
    assert (result["items"], result["procedure"]["seeds"]) == (160, ["0", "1"])
    assert result["procedure"]["df"] == result["procedure"]["auroc"]["df"] == 39  # two equal trainings: patients are all there is
    assert any("2 training seeds say little" in text for text in result["warnings"])
    accuracy = result["recommended"]["accuracy"]
    assert accuracy["factors"]["seeds"]["levels"] == 2
    assert (accuracy["p"], accuracy["admissible"]) == (None, False)
    assert "2 trainings" in accuracy["reason"]


def test_out_folder_has_everything_and_refuses_another_comparison(run: Run, files: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(*files, "--out", out, "--resamples", 100)[0] == 0
    figure = {f"diagnostic{suffix}" for suffix in (".png", ".pdf", ".csv")}
    assert {path.name for path in out.iterdir()} == figure | {"comparison.json", "comparison.csv", "comparison.txt", "manifest.json"}
    assert json.loads((out / "manifest.json").read_text())["finished"]
    assert run(*files, "--out", out, "--resamples", 100)[0] == 0
    code, _, err = run(*files, "--out", out, "--resamples", 100, "--threshold", 0.4)
    assert (code, "threshold" in err) == (2, True)


def change(table: pd.DataFrame, what: str) -> pd.DataFrame:
    if what == "twice":
        return pd.concat([table, table.head(2)])
    if what == "missing":
        return table.iloc[3:]
    if what == "labels":
        return table.assign(label=[1 - table["label"].iloc[0], *table["label"].iloc[1:]])
    if what == "nan":
        return table.assign(score=[float("nan"), *table["score"].iloc[1:]])
    if what == "text":
        return table.assign(score=["high", *table["score"].iloc[1:].astype(str)])
    if what == "columns":
        return table.drop(columns="score")
    if what == "ids":
        return table.assign(item_id=[None, *table["item_id"].iloc[1:]])
    if what == "clusters":
        return table.assign(patient=table["patient"] + 1)
    return table.head(0)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("twice", "occur twice"), ("missing", "are missing"), ("labels", "differ"), ("nan", "have no score"), ("text", "have no score"),
        ("columns", "needs the columns"), ("ids", "have no item_id"), ("empty", "no items"), ("clusters", "patient differs"),
    ],
)  # fmt: skip
def test_bad_tables_give_one_line_and_exit_code_2(run: Run, files: tuple[Path, Path], what: str, message: str) -> None:
    table = pd.read_csv(files[1])
    change(table, what).to_csv(files[1], index=False)
    code, out, err = run(*files, "--cluster", "patient")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
    if what in ("twice", "missing", "labels", "nan", "text", "clusters"):
        assert any(name in err for name in table["item_id"])  # the first few are named


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--cluster", "nothing"), "neither file has this column"), (("--margin", "2"), "margin"), (("--threshold", "nan"), "not a number"),
        (("--cluster", "patient", "--cluster", "label", "--cluster", "score"), "at most two"), (("--resamples", "1"), "resamples"),
        (("--colour", "red"), "colour"),
    ],
)  # fmt: skip
def test_bad_options(run: Run, files: tuple[Path, Path], options: tuple[str, ...], message: str) -> None:
    code, out, err = run(*files, *options)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err


def test_missing_and_broken_files(run: Run, files: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "broken.parquet").write_bytes(b"no parquet")
    (tmp_path / "empty.csv").write_text("")
    for bad in (tmp_path / "none.csv", tmp_path / "broken.parquet", tmp_path / "empty.csv", tmp_path):
        code, out, err = run(files[0], bad)
        assert (code, out, err.count("\n")) == (2, "", 1), bad
    code, _, err = run(files[0])
    assert code == 2


def test_nothing_heavy_is_imported_with_the_command() -> None:
    heavy = {"torch", "pandas", "statsmodels", "scipy.stats", "sympy", "transformers"}
    code = f"import sys, paper_figures.commands.compare; print(*sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""


def trained(path: Path, seeds: tuple[str, ...], shift: float) -> Path:
    """Scores of 60 items by several trainings."""
    rng = np.random.default_rng(len(seeds) + int(10 * shift))
    labels, items = np.arange(60) % 2, [f"i{number}" for number in range(60)]
    parts = [
        pd.DataFrame({"item_id": items, "label": labels, "score": rng.random(60) / 2 + shift * labels, "train_seed": seed})
        for seed in seeds
    ]
    pd.concat(parts).to_csv(path, index=False)
    return path


def test_seeds_of_other_names_are_no_pairs_and_one_model_is_named(run: Run, tmp_path: Path) -> None:
    a, b = trained(tmp_path / "a.csv", ("1", "2", "3"), 0.4), trained(tmp_path / "b.csv", ("4", "5", "6"), 0.3)
    code, _, err = run(a, b, "--paired-seeds", "--resamples", 100)
    assert code == 2
    assert "arms have different training seeds" in err
    code, out, err = run(a, b, "--resamples", 100, "--json", "--quiet")
    assert code == 0, err
    assert json.loads(out)["recommended"]["auroc"]["factors"]["seeds"]["levels"] == 3
    once = trained(tmp_path / "once.csv", ("7",), 0.3)
    code, out, err = run(a, once, "--resamples", 100, "--json", "--quiet")
    assert code == 0, err
    assert "is one model" in json.loads(out)["recommended"]["auroc"]["why"]
