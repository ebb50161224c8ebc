"""Speed of simulation, as ratios in one run: samplers of sufficient statistics, whole simulated trials, and the usual loop over scipy.

The case is a trial of two groups (T3): the power of a t test with 30 patients per group. Each way is timed for itself and reported per
replicate, since one does in a second what takes another an hour. The floor is the time of the generator's draws alone.
"""

import time
from collections.abc import Callable

import joblib
import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from scipy import stats

from theory.statements import all_statements, statement

POWER = statement("T3").quantity("power")
PARAMS = POWER.bind({"n_per_group": 30, "rho": 0.7, "d": 0.5, "analysis": "ttest"})
FAST, RAW, LOOP = 1_000_000, 20_000, 1_000
"""Replicates of each way in a timed call: about a tenth of a second."""


def seconds_each(work: Callable[[], object], replicates: int, rounds: int) -> float:
    """Give the fastest of several runs, in seconds of a core per replicate: what the machine can do when nobody else is using it."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times) / replicates


def fast() -> np.ndarray:
    """Test statistics from one normal and one chi-squared draw each."""
    assert POWER.fast is not None
    return POWER.fast(PARAMS, FAST, np.random.default_rng(0))


def raw() -> np.ndarray:
    """Whole trials, patient by patient, all at once."""
    return POWER.simulate(PARAMS, RAW, np.random.default_rng(0))


def one_trial(seed: int) -> bool:
    """A trial as most simulation studies write it: draw two groups, call scipy."""
    rng = np.random.default_rng(seed)
    return bool(stats.ttest_ind(rng.normal(0.5, 1, 30), rng.normal(0, 1, 30)).pvalue < 0.05)


def loop() -> list[bool]:
    """The usual loop, through joblib on one core: each way has the same core to itself."""
    return joblib.Parallel(n_jobs=1)(joblib.delayed(one_trial)(seed) for seed in range(LOOP))


def draws() -> None:
    """Draw what the fast sampler draws, and nothing else."""
    rng = np.random.default_rng(0)
    rng.standard_normal(FAST)
    rng.chisquare(58, FAST)


def test_all_three_ways_find_the_same_power() -> None:
    """Ratios mean nothing unless the ways answer the same question: each within 4 standard errors of the exact power."""
    exact = float(POWER.closed_form(**PARAMS))
    for rejected in (fast(), raw(), loop()):
        assert abs(np.mean(rejected) - exact) < 4 * np.sqrt(exact * (1 - exact) / np.size(rejected))


@pytest.mark.slow
def test_two_groups_against_scipy(benchmark: BenchmarkFixture) -> None:
    """At least 500 times the loop over scipy and 10 times the raw simulation, and at most 3 times its own draws."""
    rounds = 3 if benchmark.enabled else 1
    ways = {"fast": (fast, FAST), "raw": (raw, RAW), "scipy loop": (loop, LOOP)}
    each = {name: seconds_each(way, number, rounds) for name, (way, number) in ways.items()}
    floor = seconds_each(draws, FAST, rounds)
    ratios = {
        "scipy loop / fast": each["scipy loop"] / each["fast"],
        "scipy loop / raw": each["scipy loop"] / each["raw"],
        "raw / fast": each["raw"] / each["fast"],
        "fast / floor": each["fast"] / floor,
        "scipy loop / floor": each["scipy loop"] / floor,
    }
    benchmark.extra_info |= {name: round(ratio, 2) for name, ratio in ratios.items()}
    benchmark.extra_info |= {f"{name}, ns per replicate": round(1e9 * value, 1) for name, value in (each | {"floor": floor}).items()}
    print("; ".join(f"{name} {ratio:.4g}" for name, ratio in ratios.items()))
    benchmark(fast)
    assert not benchmark.enabled or ratios["scipy loop / fast"] > 500
    assert not benchmark.enabled or ratios["raw / fast"] > 10
    assert not benchmark.enabled or ratios["fast / floor"] < 3


LEARNING = {"p": 10, "n_per_class": 20, "Delta2": 2.0, "rho": 0.6, "rep": "concat", "cov": "pooled"}
OTHERS = [
    ("T1", "error", {"d": 1.0, "rho": 0.7, "rule": "optimal"}, 1.2),
    ("T2", "error", {"d": 1.0, "rho": 0.4, "rho_rr": 0.4, "m": 16, "rule": "optimal"}, 3.0),
    ("T4", "error", LEARNING, 10.0),
]


@pytest.mark.parametrize(("identifier", "name", "values", "least"), OTHERS, ids=[f"{row[0]}-{row[1]}" for row in OTHERS])
def test_samplers_against_the_raw_simulation(
    benchmark: BenchmarkFixture, identifier: str, name: str, values: dict[str, object], least: float
) -> None:
    """The more a replicate draws (references, training sets), the more its sufficient statistics save."""
    quantity = statement(identifier).quantity(name)
    params, sampler = quantity.bind(values), quantity.fast
    assert sampler is not None
    batch, rounds = max(1000, 1_000_000 // quantity.draws(params)), 3 if benchmark.enabled else 1
    raw_each = seconds_each(lambda: quantity.simulate(params, batch, np.random.default_rng(0)), batch, rounds)
    fast_each = seconds_each(lambda: sampler(params, 20 * 1000, np.random.default_rng(0)), 20 * 1000, rounds)
    benchmark.extra_info["raw / fast"] = round(raw_each / fast_each, 2)
    print(f"{identifier} {name}: raw / fast {raw_each / fast_each:.4g}")
    benchmark(sampler, params, 20 * 1000, np.random.default_rng(0))
    assert not benchmark.enabled or raw_each / fast_each > least


def test_every_sampler_in_one_run(benchmark: BenchmarkFixture) -> None:
    """No sampler is slower than what it stands for; together they save most of the work (geometric mean)."""
    ratios, rounds = {}, 3 if benchmark.enabled else 1
    for owner in all_statements().values():
        for quantity in [quantity for quantity in owner.quantities if quantity.fast is not None]:
            params, sampler = quantity.bind(quantity.points[1]), quantity.fast
            batch = max(200, 200_000 // quantity.draws(params))
            raw_each = seconds_each(lambda q=quantity, p=params, n=batch: q.simulate(p, n, np.random.default_rng(0)), batch, rounds)  # type: ignore[misc]
            fast_each = seconds_each(lambda f=sampler, p=params: f(p, 20_000, np.random.default_rng(0)), 20_000, rounds)  # type: ignore[misc]
            ratios[f"{owner.id} {quantity.name}"] = raw_each / fast_each
    benchmark.extra_info |= {f"{name}, raw / fast": round(ratio, 2) for name, ratio in ratios.items()}
    print("raw / fast: " + "; ".join(f"{name} {ratio:.3g}" for name, ratio in ratios.items()))
    benchmark(fast)
    assert not benchmark.enabled or min(ratios.values()) > 0.8  # timing of the nearest ones: a fifth
    assert not benchmark.enabled or np.exp(np.mean(np.log(list(ratios.values())))) > 4
