"""The paired bootstrap: scipy's on the same distribution, the multinomial short cut, clusters, reproducibility."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from paper_figures.statistics import clustered_difference, multinomial_bootstrap, paired_bootstrap
from paper_figures.statistics.bootstrap.cluster_weights import cluster_types, cluster_weights, jackknife_weights, resampling_strata
from paper_figures.statistics.bootstrap.intervals import acceleration, bootstrap_interval
from paper_figures.statistics.bootstrap.multinomial import multinomial_differences, trinomial_acceleration
from see_in_pairs.errors import InputError


def data(seed: int = 0, patients: int = 60, images: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(patients), images)
    labels = rng.random(len(clusters)) < 0.4 + 0.2 * (clusters % 2)
    scores = 1 / (1 + np.exp(-(rng.normal(size=(2, len(clusters))) + np.array([[1.2], [0.5]]) * labels)))
    return scores[0], scores[1], labels, clusters


@pytest.mark.parametrize("method", ["percentile", "basic", "bca"])
def test_scipy_gives_the_same_interval_from_the_same_distribution(method: str) -> None:
    rng = np.random.default_rng(1)
    values = rng.exponential(size=40)
    distribution = np.sort(rng.choice(values, size=(999, 40)).mean(axis=1))
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=0, method=method, bootstrap_result=SimpleNamespace(bootstrap_distribution=distribution)
    )
    jackknife = (values.sum() - values) / 39
    ours, _ = bootstrap_interval(distribution, values.mean(), method, acceleration=acceleration(jackknife, np.zeros(40, dtype=int)))
    assert ours == pytest.approx(tuple(theirs.confidence_interval), rel=1e-10)


@pytest.mark.parametrize(("n10", "n01", "n"), [(30, 12, 200), (3, 0, 40), (500, 480, 20_000)])
def test_multinomial_short_cut_is_the_bootstrap_of_items(n10: int, n01: int, n: int) -> None:
    """Standard deviation of the resampled mean is known: sd(x) / sqrt(n). 20,000 draws know it to 0.5 % (k = 5)."""
    x = np.array([1] * n10 + [-1] * n01 + [0] * (n - n10 - n01))
    draws = multinomial_differences(n10, n01, n, 20_000, seed=4)
    assert draws.std() == pytest.approx(x.std() / math.sqrt(n), rel=5 * 0.005 + 0.005)
    assert abs(draws.mean() - x.mean()) < 5 * x.std() / math.sqrt(n * 20_000)
    jackknife = (x.sum() - x) / (n - 1)
    assert trinomial_acceleration(n10, n01, n) == pytest.approx(acceleration(jackknife, np.zeros(n, dtype=int)), rel=1e-6)


def test_multinomial_interval_agrees_with_scipy() -> None:
    x = np.array([1] * 30 + [-1] * 12 + [0] * 158)
    theirs = stats.bootstrap((x,), np.mean, n_resamples=4999, method="bca", rng=np.random.default_rng(0)).confidence_interval
    ours = multinomial_bootstrap(30, 12, 200, 4999, seed=1)
    for end, other, error in zip(ours.interval, theirs, ours.interval_mcse, strict=True):
        assert abs(end - other) < 5 * math.sqrt(2) * max(error, 0.5 / 200)  # the mean moves in steps of 1 / 200
    assert ours.se == pytest.approx(x.std() / math.sqrt(200), rel=0.06)


def test_clustered_bootstrap_has_the_cluster_robust_standard_error() -> None:
    a, b, labels, clusters = data()
    result = paired_bootstrap(a, b, labels, clusters, ["accuracy"], resamples=4000, stratify=False, seed=3).metrics["accuracy"]
    robust = clustered_difference((a >= 0.5) == labels, (b >= 0.5) == labels, clusters)
    assert result.difference == pytest.approx(robust.estimate, abs=1e-12)
    assert result.se == pytest.approx(robust.se * math.sqrt(59 / 60), rel=5 / math.sqrt(2 * 4000) + 0.01)


def test_auroc_interval_against_scipy_on_items() -> None:
    """Unclustered, unstratified: scipy resamples the same items; the ends differ by Monte Carlo error only."""
    from sklearn.metrics import roc_auc_score

    a, b, labels, _ = data(patients=120, images=1)

    def statistic(index: np.ndarray) -> float:
        return roc_auc_score(labels[index], a[index]) - roc_auc_score(labels[index], b[index])

    theirs = stats.bootstrap(
        (np.arange(120),), statistic, vectorized=False, n_resamples=600, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    ours = paired_bootstrap(a, b, labels, None, ["auroc"], 3000, "percentile", stratify=False).metrics["auroc"]
    for end, other, error in zip(ours.interval, theirs, ours.interval_mcse, strict=True):
        assert abs(end - other) < 5 * error * math.sqrt(1 + 3000 / 600)


def test_swapping_arms_flips_every_interval() -> None:
    a, b, labels, clusters = data()
    names = ["accuracy", "auroc", "average_precision", "sensitivity", "brier", "calibration_error"]
    one = paired_bootstrap(a, b, labels, clusters, names, 300).metrics
    other = paired_bootstrap(b, a, labels, clusters, names, 300).metrics
    for name in names:
        assert other[name].difference == -one[name].difference
        assert other[name].interval == pytest.approx((-one[name].interval[1], -one[name].interval[0]), abs=1e-12)
        assert (other[name].a_interval, other[name].b_interval) == (one[name].b_interval, one[name].a_interval)


def test_permuting_rows_changes_nothing() -> None:
    a, b, labels, clusters = data()
    order = np.random.default_rng(9).permutation(len(a))
    one = paired_bootstrap(a, b, labels, clusters, resamples=200).metrics
    other = paired_bootstrap(a[order], b[order], labels[order], clusters[order], resamples=200).metrics
    for name in one:
        assert other[name].interval == pytest.approx(one[name].interval, abs=1e-12)


def test_seed_decides_everything_and_portions_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b, labels, clusters = data()
    first = paired_bootstrap(a, b, labels, clusters, resamples=200, seed=5).metrics["auroc"]
    monkeypatch.setattr("paper_figures.statistics.bootstrap.cluster_weights.CELLS_AT_ONCE", 997)
    assert paired_bootstrap(a, b, labels, clusters, resamples=200, seed=5).metrics["auroc"] == first
    assert paired_bootstrap(a, b, labels, clusters, resamples=200, seed=6).metrics["auroc"].interval != first.interval


def test_weights_keep_the_strata() -> None:
    labels, codes = np.array([1, 1, 0, 0, 1, 0, 1], dtype=bool), np.array([0, 0, 1, 2, 3, 3, 4])
    strata = cluster_types(labels, codes)
    assert strata.tolist() == [1, 0, 0, 2, 1]
    weights = np.concatenate(list(cluster_weights(strata, 7, 300, seed=0)))
    for stratum in range(3):
        assert np.all(weights[:, strata == stratum].sum(axis=1) == (strata == stratum).sum())
    assert weights[:, 0].mean() == pytest.approx(1, abs=5 * math.sqrt(0.5 / 300))


def test_jackknife_leaves_each_cluster_out_once() -> None:
    for clusters in (7, 1200):
        strata = np.arange(clusters) % 2
        portions, rows = jackknife_weights(strata, clusters)
        weights = np.concatenate(list(portions))
        assert len(weights) == len(rows) <= 502
        assert np.all((weights == 0).sum(axis=0) == 1)


def test_identical_arms_and_perfect_separation() -> None:
    a, _, labels, clusters = data()
    same = paired_bootstrap(a, a, labels, clusters, resamples=100).metrics
    assert all(one.interval == (0, 0) and one.difference == 0 for one in same.values())
    perfect = paired_bootstrap(labels.astype(float), 1.0 - labels, labels, clusters, resamples=100).metrics["auroc"]
    assert (perfect.difference, perfect.interval) == (1, (1, 1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metrics": ["f1"]}, "unknown measure"), ({"method": "magic"}, "method"), ({"labels": np.ones(180, dtype=bool)}, "one class"),
        ({"clusters": np.zeros(180)}, "one cluster"), ({"resamples": 1}, "resamples"), ({"scores_a": np.full(180, np.nan)}, "NaN"),
        ({"metrics": ["brier"], "scores_a": np.full(180, 1.5)}, "probabilities"), ({"clusters": np.zeros(3)}, "one per item"),
    ],
)  # fmt: skip
def test_malformed_input(change: dict[str, object], message: str) -> None:
    a, b, labels, clusters = data()
    with pytest.raises(InputError, match=message):
        paired_bootstrap(**({"scores_a": a, "scores_b": b, "labels": labels, "clusters": clusters} | change))  # type: ignore[arg-type]


def test_coverage_of_the_auroc_difference() -> None:
    """Forty patients x 2 images, equal arms: 250 replicates of 199 resamples; coverage .95 less 4 MCSE, less .03 for so few patients."""
    rng, replicates = np.random.default_rng(8), 250
    clusters, labels = np.repeat(np.arange(40), 2), np.repeat(np.arange(40) % 2 == 0, 2)
    covered = 0
    for seed in range(replicates):
        scores = labels + rng.normal(size=(2, 40))[:, clusters] + rng.normal(size=(2, 80))
        low, high = paired_bootstrap(*scores, labels, clusters, ["auroc"], 199, "percentile", seed=seed).metrics["auroc"].interval
        covered += low <= 0 <= high
    assert covered / replicates > 0.95 - 0.03 - 4 * math.sqrt(0.05 * 0.95 / replicates)


def test_rounding_breaks_no_ties() -> None:
    """0.3 - 0.2 is not 0.1 to the last bit, but a resample that gives the estimate again is a tie."""
    estimate = 0.1
    distribution = np.array([0.0, 0.3 - 0.2, 0.4 - 0.3, 0.1, 0.2] * 20)
    exact = bootstrap_interval(np.round(distribution, 6), estimate)
    assert bootstrap_interval(distribution, estimate)[0] == pytest.approx(exact[0], abs=1e-12)


def test_a_type_of_one_cluster_is_resampled_with_the_others() -> None:
    codes = np.repeat(np.arange(41), 2)
    labels = np.repeat(np.arange(41) < 20, 2)
    labels[-1] = True  # the last cluster alone holds both
    strata = resampling_strata(labels, codes)
    weights = np.concatenate(list(cluster_weights(strata, 82, 300, seed=0)))
    assert weights[:, -1].std() > 0.5
    assert np.all(weights.sum(axis=1) == 41)


def test_few_clusters_of_a_class_leave_estimates_without_an_interval() -> None:
    a, b, _, _ = data(patients=40, images=1)
    for positives, known in ((1, False), (19, False), (20, True)):
        found = paired_bootstrap(a, b, np.arange(40) < positives, None, ["accuracy", "auroc"], resamples=200).metrics
        assert (bool(found["auroc"].reason), math.isnan(found["auroc"].interval[0])) == (not known, not known)
        assert (found["auroc"].to_dict()["interval"] is None) == (not known)
        assert math.isfinite(found["accuracy"].interval[0])
