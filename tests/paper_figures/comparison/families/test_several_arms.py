"""Three or more arms: each pair is the comparison of two, Holm's method over all, and the joint tests against closed forms."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from paper_figures.comparison.families.several_arms import as_f, equal_means
from paper_figures.statistics.proportions.cochran_q import cochran_q
from paper_figures.statistics.roc.cluster_jackknife import clustered_auroc_difference
from paper_figures.statistics.roc.clustered_delong import clustered_delong
from paper_figures.statistics.roc.delong import delong
from paper_figures.statistics.validation import NotEstimable

Run = Callable[..., tuple[int, str, str]]


def scores(arm: int, items: int = 90) -> pd.DataFrame:
    rng = np.random.default_rng(arm)
    label = np.arange(items) // 2 % 2
    score = 1 / (1 + np.exp(-(rng.normal(size=items) + (1 - 0.4 * arm) * (2 * label - 1))))
    table = pd.DataFrame({"item_id": [f"i{i:02d}" for i in range(items)], "label": label, "score": score, "site": np.arange(items) // 3})
    return table if arm else table.assign(patient_id=np.arange(items) // 2)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    for arm, name in enumerate("abc"):
        scores(arm).sample(frac=1, random_state=arm).to_csv(tmp_path / f"{name}.csv", index=False)
    return [tmp_path / f"{name}.csv" for name in "abc"]


def of(run: Run, *words: object) -> dict[str, Any]:
    code, out, err = run(*words, "--json", "--quiet", "--resamples", 100)
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def test_each_pair_is_the_comparison_of_two(run: Run, files: list[Path]) -> None:
    found = of(run, *files)
    assert [pair["arms"] for pair in found["pairs"]] == [["a", "b"], ["a", "c"], ["b", "c"]]
    for pair, two in zip(found["pairs"][:2], ((0, 1), (0, 2)), strict=True):
        alone = of(run, *(files[arm] for arm in two))
        assert pair == {key: value for key, value in alone.items() if key not in ("threshold", "seed")}
    assert found["pairs"][2]["clusters"] == found["clusters"] == 45  # the patients of a.csv serve the pair that lacks them


def test_holm_over_all_recommended_tests(run: Run, files: list[Path]) -> None:
    from statsmodels.stats.multitest import multipletests

    found = of(run, *files)
    tests = found["family"]["tests"]
    assert [(one["name"], one["measure"]) for one in tests] == [
        (pair, measure) for pair in ("a - b", "a - c", "b - c") for measure in ("accuracy", "auroc")
    ]
    p = [pair["recommended"][measure]["p"] for pair in found["pairs"] for measure in ("accuracy", "auroc")]
    assert [one["p"] for one in tests] == p
    assert [one["adjusted"] for one in tests] == pytest.approx(multipletests(p, method="holm")[1].tolist())


@pytest.mark.parametrize("cluster", [None, "site"])
def test_the_joint_tests(run: Run, files: list[Path], cluster: str | None, tmp_path: Path) -> None:
    tables = [scores(arm) for arm in range(3)]
    if cluster is None:  # independent items
        for table, path in zip(tables, files, strict=True):
            table.drop(columns="patient_id", errors="ignore").to_csv(path, index=False)
    found = of(run, *files, *(("--cluster", cluster) if cluster else ()))
    curves, labels = np.stack([table["score"] for table in tables]), tables[0]["label"].to_numpy() == 1
    right = (curves >= 0.5) == labels
    expected = (clustered_delong(curves, labels, tables[0]["site"]) if cluster else delong(curves, labels)).equality()
    assert (found["global"]["statistic"], found["global"]["p"]) == pytest.approx((expected.statistic, expected.p))
    assert found["global"]["df"] == [2] and list(found["global"]["values"]) == ["a", "b", "c"]
    assert found["cochran_q"]["p"] == pytest.approx(cochran_q(*right).p)
    codes = tables[0]["site"].to_numpy() if cluster else np.arange(90)
    assert found["global_accuracy"]["p"] == pytest.approx(equal_means(right.astype(float), codes)[2])
    assert any("Cochran's Q treats items" in text for text in found["warnings"]) == bool(cluster)


def test_hotelling_by_hand_and_two_arms_as_the_clustered_t() -> None:
    from paper_figures.statistics.clustered.difference import clustered_difference

    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(12), 5)
    values = (rng.random((4, 60)) < 0.6).astype(float)
    sums = np.stack([values[:, codes == cluster].mean(axis=1) for cluster in range(12)])  # clusters of one size: Hotelling's test of means
    gaps = sums[:, :3] - sums[:, 1:]
    squared = 12 * gaps.mean(0) @ np.linalg.inv(np.cov(gaps.T)) @ gaps.mean(0)
    statistic, df, p = equal_means(values, codes)
    assert df == (3, 9)
    assert statistic == pytest.approx(squared * 9 / (11 * 3))
    assert p == pytest.approx(stats.f.sf(squared * 9 / 33, 3, 9))
    two = clustered_difference(values[0], values[1], codes)
    assert equal_means(values[:2], codes)[2] == pytest.approx(two.p)
    assert equal_means(values[[0, 1, 1]], codes)[2] == pytest.approx(two.p)  # an arm given twice adds nothing
    assert equal_means(values[[0, 0]], codes) == (0.0, (1.0, 11.0), 1.0)


def test_joint_tests_that_the_data_cannot_bear() -> None:
    values = np.random.default_rng(0).random((4, 12))
    for codes, why in ((np.zeros(12, dtype=int), "one cluster"), (np.arange(12) % 3, "too few for a joint test of 4 arms")):
        with pytest.raises(NotEstimable, match=why):
            equal_means(values, codes)
    with pytest.raises(NotEstimable, match="same differences"):
        equal_means(np.array([[1.0, 1.0], [0.0, 0.0]]), np.arange(2))


def test_a_metric_that_one_arm_has_in_steps(run: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, steps in (("a", 1), ("b", 1), ("c", 3)):
        pd.DataFrame({"item_id": range(40), "f1": np.round(steps * rng.random(40)) / steps}).to_csv(tmp_path / f"{name}.csv", index=False)
    code, out, err = run(*(tmp_path / f"{name}.csv" for name in "abc"), "--metric", "f1", "--json")
    found = json.loads(out)
    assert code == 0 and "Equal means of f1 (a " in err
    assert [pair["metric"] for pair in found["pairs"]] == ["f1"] * 3
    assert (found["cochran_q"], found["global"], found["global_accuracy"]) == (None, None, None)
    assert found["global_mean"]["df"] == [2, 38] and {"cochran_q", "global"} <= set(found["reasons"])


def test_arms_of_one_file_and_text_and_folder(run: Run, tmp_path: Path) -> None:
    pd.concat([scores(arm).assign(arm=name) for arm, name in enumerate("xyz")]).to_csv(tmp_path / "all.csv", index=False)
    words = ("--arm", "x", "--arm", "y", "--arm", "z", "--cluster", "site", "--resamples", 100)
    code, out, err = run(tmp_path / "all.csv", *words, "--out", tmp_path / "out")
    assert code == 0, err
    for text in ("3 arms (x, y, z), on the same 90 items in 30 clusters", "x - y, Accuracy", "y - z, AUROC", "Equal AUROCs", "Cochran's Q"):
        assert text in out
    table = pd.read_csv(tmp_path / "out" / "comparison.csv")
    assert set(table["pair"]) == {"x - y", "x - z", "y - z"}
    assert (table["holm"].notna() == table["recommended"]).all() and table["recommended"].sum() == 6
    assert max(map(len, out.splitlines())) <= 140


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("a.csv",), "two inputs or more"), (("a.csv", "b.csv", "c.csv", "--arm-a", "x"), "with two inputs"),
        (("a.csv", "b.csv", "c.csv", "--arm", "x"), "1 arms for 3 inputs"), (("a.csv", "b.csv", "c.csv", "--run-b", "x"), "two inputs"),
        (("a.csv", "b.csv", "--arm", "x", "--arm", "y", "--arm-a", "x"), "one kind"), (("a.csv", "--arm", "x"), "two inputs or more"),
        (("a.csv", "b.csv", "c.csv", "--task", "x"), "not a folder of logs"),
    ],
)  # fmt: skip
def test_bad_words(run: Run, files: list[Path], words: tuple[str, ...], message: str) -> None:
    code, out, err = run(*(files[0].parent / word if word.endswith("csv") else word for word in words))
    assert (code, out, err.count("\n"), message in err) == (2, "", 1, True), err


def test_several_trainings_leave_the_joint_tests_out(run: Run, files: list[Path]) -> None:
    for path in files:
        table = pd.read_csv(path)
        pd.concat([table.assign(train_seed=0), table.assign(train_seed=1, score=table["score"] ** 1.1)]).to_csv(path, index=False)
    found = of(run, *files)
    assert (found["cochran_q"], found["global"], found["global_accuracy"]) == (None, None, None)
    assert all("several times" in why for name, why in found["reasons"].items())


def test_logits_have_no_accuracy_without_a_threshold(run: Run, files: list[Path]) -> None:
    before = of(run, *files)
    for path in files:
        table = pd.read_csv(path)
        table.assign(score=np.log(table["score"] / (1 - table["score"]))).to_csv(path, index=False)
    found = of(run, *files)
    assert (found["cochran_q"], found["global_accuracy"]) == (None, None) and "threshold" in found["reasons"]["cochran_q"]
    assert found["global"]["p"] == pytest.approx(before["global"]["p"])
    assert [one["measure"] for one in found["family"]["tests"]] == ["auroc"] * 3
    assert [pair["accuracy"] for pair in found["pairs"]] == [None] * 3
    given = of(run, *files, "--threshold", 0)
    assert given["global_accuracy"]["p"] == pytest.approx(before["global_accuracy"]["p"])
    two = of(run, *files[:2])
    assert (two["accuracy"], two["threshold"]) == (None, None)


def test_the_joint_test_as_f_is_t_for_two_arms_and_adds_nothing_for_an_arm_given_twice() -> None:
    rng = np.random.default_rng(0)
    labels, codes = np.arange(40) % 4 == 0, np.arange(40)
    curves = rng.normal(size=(3, 40)) + labels
    expected = clustered_auroc_difference(curves[:2], labels, codes)
    found = as_f(curves[:2], labels, codes, delong(curves[:2], labels))
    assert (found.p, *found.df) == pytest.approx((expected.p, 1, expected.df))
    twice = as_f(curves[[0, 1, 1]], labels, codes, delong(curves[[0, 1, 1]], labels))
    assert (twice.p, *twice.df) == pytest.approx((found.p, *found.df))
    assert as_f(curves[[0, 0]], labels, codes, delong(curves[[0, 0]], labels)) is None


def test_the_joint_test_as_f_keeps_its_level_where_chi_squared_does_not() -> None:
    rng, replicates = np.random.default_rng(1), 400
    labels, codes, rejected = np.arange(100) < 8, np.arange(100), np.zeros(2)
    for _ in range(replicates):
        curves = rng.normal(size=(3, 100)) + labels
        found = delong(curves, labels)
        rejected += found.equality().p < 0.05, as_f(curves, labels, codes, found).p < 0.05
    allowed = 0.05 + 3 * np.sqrt(0.05 * 0.95 / replicates)
    assert rejected[0] / replicates > allowed > rejected[1] / replicates
