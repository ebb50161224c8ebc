"""Arms by a metric that is not only 0 or 1: the difference of means against closed forms, and through the command."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from paper_figures.comparison.item_table import ComparisonSettings
from paper_figures.comparison.mean_difference import MeanComparison, compare_means
from paper_figures.comparison.pairing import align
from paper_figures.comparison.score_tables import ArmScores
from paper_figures.statistics.multireader.random_factors import random_factors_contrast
from see_in_pairs.errors import InputError

Run = Callable[..., tuple[int, str, str]]


def data(seed: int = 0, items: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    clusters = np.unique(np.sort(rng.integers(0, 20, size=items)), return_inverse=True)[1]
    easy = rng.random(20)[clusters]
    a, b = (np.round(3 * np.clip(easy + rng.normal(0, 0.3, size=items) + shift, 0, 1)) / 3 for shift in (0.1, 0))
    return a, b, clusters


def compared(a: np.ndarray, b: np.ndarray, clusters: object = None, margin: float | None = None, **columns: object) -> MeanComparison:
    """The comparison of two arms given as tables; `columns` may tell rows of an item apart."""
    arms = []
    for name, values in (("a", a), ("b", b)):
        table = pd.DataFrame({"item_id": [f"i{i}" for i in range(len(values))], "value": values, "seed": 0, "train_seed": 0, "wording": ""})
        table = table if clusters is None else table.assign(patient_id=clusters)
        arms.append(ArmScores(name, name, table.assign(**columns), (), "train_seed", "f1"))
    return compare_means(align(arms[0], arms[1], metric="f1"), ComparisonSettings(margin=margin))


def test_independent_items_give_the_paired_t_test() -> None:
    a, b, _ = data()
    found, expected = compared(a, b), stats.ttest_rel(a, b)
    assert (found.difference.p, found.difference.df) == pytest.approx((expected.pvalue, expected.df))
    assert found.difference.interval == pytest.approx(tuple(expected.confidence_interval()))


def test_clusters_of_one_size_give_the_paired_t_test_of_their_means() -> None:
    a, b, _ = data()
    clusters = np.repeat(np.arange(15), 4)
    found = compared(a, b, clusters)
    expected = stats.ttest_rel(*(values.reshape(15, 4).mean(axis=1) for values in (a, b)))
    assert (found.difference.p, found.difference.df) == pytest.approx((expected.pvalue, 14))
    assert (found.items, found.clusters, found.recommended["mean"].p) == (60, 15, found.difference.p)


def test_several_trainings_are_random_and_need_not_be_as_many() -> None:
    rng = np.random.default_rng(3)
    easy, item = rng.random(40), np.arange(40)
    arms = []
    for name, seeds, shift in (("a", 3, 0.2), ("b", 4, 0.0)):
        trained = np.repeat(np.arange(seeds), 40)
        values = easy[item[np.tile(item, seeds)]] + shift + rng.normal(0, 0.1, size=seeds)[trained] + rng.normal(0, 0.1, size=40 * seeds)
        table = pd.DataFrame(
            {"item_id": np.tile(item, seeds).astype(str), "value": values, "seed": 0, "train_seed": trained, "wording": ""}
        )
        arms.append(ArmScores(name, name, table, (), "train_seed", "anls"))
    found = compare_means(align(arms[0], arms[1]), ComparisonSettings())
    cubes = [arm.table.pivot(index="train_seed", columns="item_id", values="value").to_numpy() for arm in arms]
    direct = random_factors_contrast(cubes, None, measure="mean")
    assert (found.difference.se, found.difference.p) == pytest.approx((direct.se, direct.p))
    assert found.difference.factors["seeds"].levels == 3
    assert found.a == pytest.approx(cubes[0].mean())
    assert "trainings and patients are random at once" in found.recommended["mean"].why


def test_the_order_of_rows_and_of_arms() -> None:
    a, b, clusters = data()
    shuffled = np.random.default_rng(2).permutation(len(a))
    one, two = compared(a, b, clusters, 0.1), compared(a[shuffled], b[shuffled], clusters[shuffled], 0.1)
    swapped = compared(b, a, clusters, 0.1)
    assert json.dumps(one.to_dict()) == json.dumps(two.to_dict())
    assert (swapped.difference.estimate, swapped.difference.p) == pytest.approx((-one.difference.estimate, one.difference.p))
    assert swapped.permutation.p == one.permutation.p and swapped.equivalence.p == pytest.approx(one.equivalence.p)


def test_what_says_nothing_of_its_uncertainty() -> None:
    for a, b, clusters, why in (
        ([0.5, 1, 0], [0, 1, 0], ["p", "p", "p"], "one cluster only"), ([0.5, 1], [0, 0.5], None, "same difference"),
    ):  # fmt: skip
        found = compared(np.array(a), np.array(b), clusters)
        assert (found.difference, found.recommended) == (None, {})
        assert why in found.reasons["recommended.mean"]
        assert "f1" in repr(found) and why in " ".join(repr(found).split())
    with pytest.raises(InputError, match="infinite"):
        compared(np.array([np.inf, 1]), np.array([0, 0.5]))


def test_readers_of_some_items_only_are_taken_as_fixed() -> None:
    a, b, clusters = data()
    found = compared(a, b, clusters, train_seed=np.arange(60) % 3)
    assert any("treated as fixed" in text for text in found.warnings)
    assert found.difference.p == pytest.approx(compared(a, b, clusters).difference.p)


def test_the_command(run: Run, tmp_path: Path) -> None:
    a, b, clusters = data()
    for name, values in (("a", a), ("b", b)):
        pd.DataFrame({"item_id": range(len(a)), "patient_id": clusters, "anls": values}).to_csv(tmp_path / f"{name}.csv", index=False)
    code, out, err = run(tmp_path / "a.csv", tmp_path / "b.csv", "--metric", "anls", "--json", "--margin", 0.2, "--out", tmp_path / "out")
    assert code == 0, err
    assert "Mean anls: A" in err and "all random factors, t (" in err and "Equivalence within 0.2" in err
    found, direct = json.loads(out), random_factors_contrast([a, b], None, clusters, measure="mean")
    assert found["metric"] == "anls" and found["cluster_columns"] == ["patient_id"] and found["clusters"] == len(np.unique(clusters))
    assert found["difference"]["p"] == found["recommended"]["mean"]["p"] == pytest.approx(direct.p)
    assert json.loads((tmp_path / "out" / "comparison.json").read_text()) == found
    table = pd.read_csv(tmp_path / "out" / "comparison.csv")
    assert table["recommended"].tolist() == [True, False] and table["p"][0] == pytest.approx(direct.p)
    code, out, err = run(tmp_path / "a.csv", tmp_path / "b.csv", "--metric", "f1")
    assert (code, out, err.count("\n"), "--metric" in err) == (2, "", 1, True)
    code, out, err = run(tmp_path / "a.csv", tmp_path / "b.csv", "--metric", "anls", "--margin", "mean=2", "--json", "--quiet")
    assert (code, json.loads(out)["equivalence"]["margin"]) == (0, 2), err
    code, out, err = run(tmp_path / "a.csv", tmp_path / "b.csv", "--metric", "anls", "--margin", "2")
    assert (code, out, err.count("\n"), "mean=NUMBER" in err) == (2, "", 1, True)
