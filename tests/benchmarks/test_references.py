"""Speed and memory of choosing references, as ratios to the usual way in the same run ('make bench' takes the sizes of the docstrings).

As plain tests they take a fiftieth of the people, to keep the test suite short.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from scipy.optimize import linear_sum_assignment

from empirical.cohorts import Cohort, CohortInfo
from empirical.references import ReferenceConfig, choose_references
from empirical.references.strategies.embedding import nearest, rows_of_cosines, unit_length

INFO = CohortInfo("toy", "table", "healthy", ["sick"], "image", "a finding")
GIB = 2**30
pytestmark = pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="needs Linux: memory is read from /proc")


def people(queries: int, references: int, seed: int = 0) -> Cohort:
    """A cohort of the size asked for, with ages in whole years, two sexes and two views."""
    rng, n = np.random.default_rng(seed), queries + references
    table = pd.DataFrame({"item_id": [f"i{k}" for k in range(n)], "patient_id": [f"p{k}" for k in range(n)]})
    table["label"] = np.repeat(["sick", "healthy"], [queries, references])
    table["split"] = np.repeat(["test", "train"], [queries, references])
    table["age"] = np.clip(np.rint(rng.normal(50, 16, n)), 18, 95)
    table["sex"], table["view"] = rng.choice(["F", "M"], n), rng.choice(["AP", "PA"], n)
    return Cohort(Path("toy"), INFO, table.assign(image="x.png", mask="", family="", site="", serves="", sha256=""))


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def peak_bytes(script: str) -> int:
    """Run a script in a process of its own, and tell the most memory it held (getrusage would count what its parent held before)."""
    tail = "; print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
    done = subprocess.run([sys.executable, "-c", script + tail], capture_output=True, text=True, check=True, cwd=Path(__file__).parent)
    return int(done.stdout) * 1024


@pytest.mark.slow
@pytest.mark.parametrize("reuse", [None, 3, 1])
def test_demographic_matching_of_many(benchmark: BenchmarkFixture, reuse: int | None) -> None:
    """100,000 queries against 50,000 controls, drawn or assigned optimally: under 30 s and 2 GiB, all that is imported included."""
    share = 50 if benchmark.disabled else 1
    cohort = people(100_000 // share, 50_000 // share)
    config = ReferenceConfig(strategy="demographic", reuse=reuse, unmatched="leave_out")
    taken = seconds(lambda: choose_references(cohort, "test", config, seed=0))
    peak = peak_bytes(
        "from test_references import *; "
        f"config = ReferenceConfig(strategy='demographic', reuse={reuse}, unmatched='leave_out'); "
        f"choose_references(people({100_000 // share}, {50_000 // share}), 'test', config, seed=0)"
    )
    benchmark.extra_info |= {"seconds": taken, "peak_gib": peak / GIB}
    benchmark.pedantic(lambda: None, rounds=1)  # timed above: once is enough
    assert not benchmark.enabled or taken < 30
    assert peak < 2 * GIB


def test_optimal_matching_against_all_pairs(benchmark: BenchmarkFixture) -> None:
    """1,500 queries against 1,500 controls: the same total as scipy's assignment over all pairs, and faster."""
    size = 1_500
    cohort = people(size, size)
    config = ReferenceConfig(strategy="demographic", columns=("sex", "view"), caliper={"age": 5}, reuse=1, unmatched="leave_out")

    def all_pairs() -> tuple[int, float]:
        query, other = cohort.table[:size], cohort.table[size:]
        gaps = np.abs(query["age"].to_numpy()[:, None] - other["age"].to_numpy())
        fits = gaps <= 5
        for column in ("sex", "view"):
            fits &= query[column].to_numpy()[:, None] == other[column].to_numpy()
        rows, columns = linear_sum_assignment(np.where(fits, gaps / 5 - 2 * size, 0.0))
        matched = fits[rows, columns]
        return int(matched.sum()), float(gaps[rows, columns][matched].sum())

    theirs, ours = seconds(all_pairs), seconds(lambda: choose_references(cohort, "test", config, seed=0))
    table = choose_references(cohort, "test", config, seed=0).table
    age = cohort.table.set_index("item_id")["age"]
    total = np.abs(age[table["item_id"]].to_numpy() - age[table["reference_id"]].to_numpy()).sum()
    benchmark.extra_info["ratio"] = theirs / ours
    benchmark.pedantic(choose_references, (cohort, "test", config, 0), rounds=1)
    assert (len(table), total) == all_pairs()
    assert not benchmark.enabled or theirs / ours > 1


@pytest.mark.slow
def test_retrieval_against_scikit_learn(benchmark: BenchmarkFixture) -> None:
    """2,000 queries in 100,000 references of 768 dimensions: the same neighbours as scikit-learn's, not slower, under 2 GiB."""
    from sklearn.neighbors import NearestNeighbors

    references, queries = (5_000, 200) if benchmark.disabled else (100_000, 2_000)
    rng = np.random.default_rng(0)
    theirs = unit_length(rng.normal(size=(references, 768)).astype(np.float32))
    ours = unit_length(theirs[:queries] + 0.5 * rng.normal(size=(queries, 768)).astype(np.float32))
    found = np.array([nearest(cosines, 1)[0] for cosines in rows_of_cosines(ours, theirs)])
    taken = seconds(lambda: [nearest(cosines, 1) for cosines in rows_of_cosines(ours, theirs)])
    for metric in ("cosine", "euclidean"):
        search = NearestNeighbors(n_neighbors=1, algorithm="brute", metric=metric).fit(theirs)
        start = time.perf_counter()
        answer = search.kneighbors(ours, return_distance=False)[:, 0]
        benchmark.extra_info[f"ratio_{metric}"] = (time.perf_counter() - start) / taken
        assert np.array_equal(answer, found)
    benchmark.pedantic(lambda: [nearest(cosines, 1) for cosines in rows_of_cosines(ours, theirs)], rounds=1)
    if not benchmark.disabled:
        assert min(benchmark.extra_info[f"ratio_{metric}"] for metric in ("cosine", "euclidean")) > 0.8


@pytest.mark.slow
def test_memory_of_retrieval(benchmark: BenchmarkFixture) -> None:
    """5,000 queries in 100,000 references of 768 dimensions: under 2 GiB, where all cosines at once would take 2 GB alone."""
    references, queries = (10_000, 200) if benchmark.disabled else (100_000, 5_000)
    script = (
        "import numpy as np; from empirical.references.strategies.embedding import nearest, rows_of_cosines, unit_length; "
        "rng = np.random.default_rng(0); "
        f"pool = unit_length(rng.standard_normal(({references}, 768), dtype=np.float32)); "
        f"ours = unit_length(rng.standard_normal(({queries}, 768), dtype=np.float32)); "
        "[nearest(cosines, 1) for cosines in rows_of_cosines(ours, pool)]"
    )
    peak = benchmark.pedantic(peak_bytes, (script,), rounds=1)
    benchmark.extra_info["peak_gib"] = peak / GIB
    assert peak < 2 * GIB
