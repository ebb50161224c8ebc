"""Arms by a metric that is not only 0 or 1: the difference of means against statsmodels and brute force, and through the command."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from paper_figures.comparison.item_table import ArmPair, ComparisonSettings
from paper_figures.comparison.mean_difference import clustered_mean_difference, compare_means
from paper_figures.statistics.clustered.difference import clustered_difference
from paper_figures.statistics.validation import NotEstimable
from see_in_pairs.errors import InputError

Run = Callable[..., tuple[int, str, str]]


def data(seed: int = 0, items: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    clusters = np.unique(np.sort(rng.integers(0, 20, size=items)), return_inverse=True)[1]
    easy = rng.random(20)[clusters]
    a, b = (np.round(3 * np.clip(easy + rng.normal(0, 0.3, size=items) + shift, 0, 1)) / 3 for shift in (0.1, 0))
    return a, b, clusters


def test_the_cluster_variance_of_statsmodels() -> None:
    import statsmodels.api as sm

    a, b, clusters = data()
    found = clustered_mean_difference(a - b, clusters, None, 0.95)
    fit = sm.OLS(a - b, np.ones(len(a))).fit(cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True)
    # statsmodels has the factor K / (K - 1) (n - 1) / (n - 1) of a mean, and t with K - 1 degrees of freedom
    assert (found.estimate, found.se, found.p) == pytest.approx((fit.params[0], fit.bse[0], fit.pvalues[0]), rel=1e-9)
    assert found.interval == pytest.approx(tuple(fit.conf_int()[0]), rel=1e-9)


def test_right_and_wrong_give_the_clustered_difference_of_accuracies() -> None:
    a, b, clusters = (values > 0.5 if number < 2 else values for number, values in enumerate(data()))
    found, accuracy = clustered_mean_difference(a.astype(float) - b, clusters, None, 0.9), clustered_difference(a, b, clusters, 0.9)
    assert (found.estimate, found.se, found.p) == pytest.approx((accuracy.estimate, accuracy.se, accuracy.p))


def test_with_references_all_pairs_that_share_something_count() -> None:
    a, b, clusters = data()
    references = np.random.default_rng(1).integers(0, 9, size=len(a))
    found = clustered_mean_difference(a - b, clusters, [(int(name),) for name in references], 0.95)
    parts = (a - b - (a - b).mean()) / len(a)
    same, cell = clusters[:, None] == clusters, 1000 * clusters + references
    total = 0.0
    for names, sign in ((clusters, 1), (references, 1), (cell, -1)):
        number = len(np.unique(names))
        total += sign * number / (number - 1) * float((np.outer(parts, parts) * (names[:, None] == names)).sum())
    assert same.any() and total > 0
    assert (found.se, found.df) == pytest.approx((total**0.5, 8))


def test_the_order_of_rows_and_of_arms() -> None:
    a, b, clusters = data()
    shuffled = np.random.default_rng(2).permutation(len(a))
    one = compare_means(ArmPair(a, b, None, clusters), "f1", ComparisonSettings(margin=0.1))
    two = compare_means(ArmPair(a[shuffled], b[shuffled], None, clusters[shuffled]), "f1", ComparisonSettings(margin=0.1))
    swapped = compare_means(ArmPair(b, a, None, clusters), "f1", ComparisonSettings(margin=0.1))
    assert json.dumps(one.to_dict()) == json.dumps(two.to_dict())
    assert (swapped.difference.estimate, swapped.difference.p) == pytest.approx((-one.difference.estimate, one.difference.p))
    assert swapped.permutation.p == one.permutation.p and swapped.equivalence.p == pytest.approx(one.equivalence.p)


def test_what_says_nothing_of_its_uncertainty() -> None:
    for pair, why in (
        (ArmPair([0.5, 1, 0], [0, 1, 0], None, ["p", "p", "p"]), "one cluster"), (ArmPair([0.5, 1], [0, 0.5], None), "every cluster shows"),
    ):  # fmt: skip
        found = compare_means(pair, "f1", ComparisonSettings())
        assert (found.difference, found.recommended) == (None, {})
        assert why in found.reasons["recommended.mean"] or "of one cluster" in found.reasons["recommended.mean"]
    with pytest.raises(NotEstimable):
        clustered_mean_difference(np.array([0.5, 0.5]), np.array([0, 1]), None, 0.95)
    with pytest.raises(InputError, match="infinite"):
        compare_means(ArmPair([np.inf, 1], [0, 0.5], None), "f1", ComparisonSettings())


def test_the_command(run: Run, tmp_path: Path) -> None:
    a, b, clusters = data()
    for name, values in (("a", a), ("b", b)):
        pd.DataFrame({"item_id": range(len(a)), "patient_id": clusters, "anls": values}).to_csv(tmp_path / f"{name}.csv", index=False)
    code, out, err = run(tmp_path / "a.csv", tmp_path / "b.csv", "--metric", "anls", "--json", "--margin", 0.2, "--out", tmp_path / "out")
    assert code == 0, err
    assert "Mean anls: A" in err and "cluster-robust t (" in err and "Equivalence within 0.2" in err
    found, direct = json.loads(out), clustered_mean_difference(a - b, clusters, None, 0.95)
    assert found["metric"] == "anls" and found["cluster_columns"] == ["patient_id"] and found["clusters"] == len(np.unique(clusters))
    assert found["difference"]["p"] == found["recommended"]["mean"]["p"] == pytest.approx(direct.p)
    assert json.loads((tmp_path / "out" / "comparison.json").read_text()) == found
    table = pd.read_csv(tmp_path / "out" / "comparison.csv")
    assert table["recommended"].tolist() == [True, False] and table["p"][0] == pytest.approx(direct.p)
    code, out, err = run(tmp_path / "a.csv", tmp_path / "b.csv", "--metric", "f1")
    assert (code, out, err.count("\n"), "--metric" in err) == (2, "", 1, True)
