"""Speed of the statistics, as ratios to the usual way of doing the same thing in the same run ('make bench' prints the times)."""

import time
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from scipy import stats

from paper_figures.comparison import compare_arms
from paper_figures.statistics import (
    delong,
    mrmc,
    multinomial_bootstrap,
    paired_bootstrap,
    random_factors_contrast,
    sign_flip,
    two_way,
    two_way_delong,
)


def seconds(work: Callable[[], object], rounds: int = 1) -> float:
    """Give the fastest of several runs: what the machine can do when nobody else is using it."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


@pytest.mark.slow
def test_multinomial_bootstrap_against_scipy(benchmark: BenchmarkFixture) -> None:
    """Accuracy difference at n = 20,000 with 9,999 resamples: at least 300 times scipy.stats.bootstrap."""
    rng = np.random.default_rng(0)
    differences = rng.choice([1.0, -1.0, 0.0], size=20_000, p=[0.1, 0.08, 0.82])
    n10, n01 = int((differences == 1).sum()), int((differences == -1).sum())
    resamples = 9999 if benchmark.enabled else 99
    theirs = seconds(
        lambda: stats.bootstrap(
            (differences,), np.mean, n_resamples=resamples, method="percentile", batch=100, rng=np.random.default_rng(1)
        )
    )
    ours = seconds(lambda: multinomial_bootstrap(n10, n01, 20_000, 9999), rounds=5)
    benchmark.extra_info["ratio"] = theirs / ours
    benchmark(multinomial_bootstrap, n10, n01, 20_000, 9999)
    assert not benchmark.enabled or theirs / ours > 300


def test_clustered_bootstrap_of_auroc(benchmark: BenchmarkFixture) -> None:
    """200 patients x 25 images, 2,000 resamples, both arms, BCa: under 1 s on one core."""
    rng = np.random.default_rng(0)
    clusters, labels = np.repeat(np.arange(200), 25), rng.random(5000) < 0.4
    scores = rng.normal(size=(2, 5000)) + labels
    work = lambda: paired_bootstrap(scores[0], scores[1], labels, clusters, ["auroc"], 2000)
    fastest = seconds(work, rounds=3)
    benchmark(work)
    assert not benchmark.enabled or fastest < 1


def usual_delong_variance(scores: np.ndarray, labels: np.ndarray) -> float:
    """The common Python way: sort, and walk along the ties in a loop to give midranks (Sun and Xu 2014), three times."""

    def midranks(values: np.ndarray) -> np.ndarray:
        order = np.argsort(values)
        ordered, size = values[order], len(values)
        ranks = np.zeros(size)
        i = 0
        while i < size:
            j = i
            while j < size and ordered[j] == ordered[i]:
                j += 1
            ranks[i:j] = 0.5 * (i + j - 1) + 1
            i = j
        result = np.empty(size)
        result[order] = ranks
        return result

    positive, negative = scores[labels], scores[~labels]
    m, n = len(positive), len(negative)
    together = midranks(np.concatenate([positive, negative]))
    v10 = (together[:m] - midranks(positive)) / n
    v01 = 1 - (together[m:] - midranks(negative)) / m
    return float(v10.var(ddof=1) / m + v01.var(ddof=1) / n)


@pytest.mark.slow
def test_delong_of_a_million_items(benchmark: BenchmarkFixture) -> None:
    """n = 10^6: under 2 s, and at least 5 times the usual implementation with a midrank loop; the same number."""
    rng = np.random.default_rng(0)
    size = 10**6 if benchmark.enabled else 10**5
    labels = rng.random(size) < 0.3
    scores = rng.normal(size=size) + labels
    ours = seconds(lambda: delong(scores, labels), rounds=3)
    start = time.perf_counter()
    variance = usual_delong_variance(scores, labels)
    theirs = time.perf_counter() - start
    benchmark.extra_info["ratio"] = theirs / ours
    result = benchmark.pedantic(delong, (scores, labels), rounds=3)
    assert result.covariance[0, 0] == pytest.approx(variance, rel=1e-9)
    assert not benchmark.enabled or ours < 2
    assert not benchmark.enabled or theirs / ours > 5


def test_a_usual_comparison(benchmark: BenchmarkFixture) -> None:
    """Every test of 600 items of 300 patients, as 'reproduce' runs it many times: under 2 s."""
    rng = np.random.default_rng(0)
    clusters, labels = np.repeat(np.arange(300), 2), rng.random(600) < 0.4
    scores = 1 / (1 + np.exp(-(rng.normal(size=(2, 600)) + labels)))
    work = lambda: compare_arms(scores[0], scores[1], labels, clusters)
    fastest = seconds(work, rounds=2)
    benchmark(work)
    assert not benchmark.enabled or fastest < 2


def peak_megabytes(work: Callable[[], object]) -> float:
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


@pytest.mark.parametrize("what", ["delong", "two-way", "sign-flip", "bootstrap"])
def test_memory_is_linear_in_the_number_of_items(what: str) -> None:
    """Four times the items need at most 4.4 times the memory, and less than 1.5 kB per item even for lists of references."""

    def work(n: int) -> object:
        rng = np.random.default_rng(0)
        labels, patients = np.arange(n) % 2 == 0, np.arange(n) // 5
        scores = rng.normal(size=(2, n)) + labels
        if what == "delong":
            return delong(scores, labels)
        if what == "two-way":
            return two_way(scores[0] > 0.5, scores[1] > 0.5, patients, rng.integers(0, n // 10, size=n))
        if what == "sign-flip":
            return sign_flip(rng.choice([-1, 0, 1], size=n), patients, 999)
        return paired_bootstrap(scores[0], scores[1], labels, patients, ["auroc"], 50)

    work(1000)  # imports
    small, large = (peak_megabytes(lambda n=n: work(n)) for n in (10_000, 40_000))  # type: ignore[misc]
    assert large < 4.4 * small
    assert large * 2**20 / 40_000 < 1500


@pytest.mark.slow
def test_two_way_of_many_items(benchmark: BenchmarkFixture) -> None:
    """100,000 items of 20,000 patients and 5,000 references, four of them each, accuracy and AUROC: under 8 s (pairs: 10^10)."""
    rng = np.random.default_rng(0)
    size = 100_000 if benchmark.enabled else 10_000
    labels, patients = rng.random(size) < 0.4, np.arange(size) // 5
    references = rng.integers(0, size // 20, size=(size, 4)).tolist()
    scores = rng.normal(size=(2, size)) + labels
    start = time.perf_counter()
    two_way(scores[0] > 0.5, scores[1] > 0.5, patients, references)
    benchmark.pedantic(two_way_delong, (scores, labels, patients, references), rounds=1)
    assert not benchmark.enabled or time.perf_counter() - start < 16


def readings(items: int) -> tuple[np.ndarray, ...]:
    """Scores, labels, items, readers, arms of 5 readers in 2 arms."""
    rng = np.random.default_rng(0)
    arm, reader, item = (axis.ravel() for axis in np.indices((2, 5, items)))
    return rng.normal(size=items)[item] + rng.normal(size=len(item)) + item % 2 * (1.5 - 0.2 * arm), item % 2, item, reader, arm


@pytest.mark.slow
def test_mrmc_against_leaving_out_each_case(benchmark: BenchmarkFixture) -> None:
    """All three analyses of 600 items: at least 10 times the jackknife that computes every area anew; 100,000 items within 15 s."""
    few, many = readings(600), readings(100_000)
    table, labels = few[0].reshape(10, 600), few[1][:600]
    plain = seconds(lambda: [delong(np.delete(table, case, axis=1), np.delete(labels, case)) for case in range(600)])
    ours = seconds(lambda: mrmc(*few), rounds=3)
    benchmark.extra_info["ratio"] = plain / ours
    benchmark.extra_info["seconds, 100,000 items"] = large = seconds(lambda: mrmc(*many))
    benchmark(mrmc, *few)
    assert not benchmark.enabled or (plain / ours > 10 and large < 15)


@pytest.mark.slow
def test_all_random_factors_against_leaving_out_each_reference(benchmark: BenchmarkFixture) -> None:
    """AUROC, 5 trainings of 2 arms, 1,000 references: 10 times the jackknife that ranks anew; 100,000 items within 5 s, 1 GB."""
    items = 100_000 if benchmark.enabled else 10_000

    def data(n: int) -> tuple[list[np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
        rng = np.random.default_rng(0)
        labels = np.arange(n) % 2 == 0
        return [rng.normal(size=(5, n)) + labels for _ in range(2)], labels, np.arange(n) // 3, rng.integers(0, 1000, n)

    few = data(2000)
    (a, b), labels, _, references = few
    plain = seconds(
        lambda: [delong(np.stack([a[0][references != name], b[0][references != name]]), labels[references != name]) for name in range(1000)]
    )
    ours = seconds(lambda: random_factors_contrast(*few), rounds=3)
    tracemalloc.start()
    many = data(items)
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    random_factors_contrast(*many)
    memory = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    benchmark.extra_info |= {"ratio": plain / ours, "megabytes": memory / 1e6}
    benchmark.extra_info["seconds, 100,000 items"] = large = seconds(lambda: random_factors_contrast(*many))
    benchmark(random_factors_contrast, *few)
    assert memory < 1e9
    assert not benchmark.enabled or (plain / ours > 10 and large < 5)
