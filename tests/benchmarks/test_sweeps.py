"""What the engine of simulation studies costs: per block against the bare functions, against the usual loops, and in memory.

Overheads are of processor time, since the machine may be shared; comparisons of whole studies are of the clock, as ratios within one run.
"""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import joblib
import numpy as np
import pytest
from joblib.externals.loky import get_reusable_executor
from pytest_benchmark.fixture import BenchmarkFixture

from theory.sweeps import Study, generator, method, run

BLOCK_SECONDS = 0.020
EFFECTS = [0.0, 0.25, 0.5, 0.75]


@generator("bench_single")
def single(*, rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.standard_normal(n)


@generator("bench_together", vectorised=True)
def together(*, rng: np.random.Generator, n: int, replicates: int) -> np.ndarray:
    return rng.standard_normal((replicates, n))


@method("bench_mean")
def mean(data: np.ndarray) -> dict[str, float]:
    estimate, spread = data.mean(), data.std()
    return {"estimate": estimate, "se": spread, "lower": estimate - 2 * spread, "upper": estimate + 2 * spread}


@method("bench_means", vectorised=True)
def means(data: np.ndarray) -> dict[str, np.ndarray]:
    estimate, spread = data.mean(axis=1), data.std(axis=1)
    return {"estimate": estimate, "se": spread, "lower": estimate - 2 * spread, "upper": estimate + 2 * spread}


def processor_seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def per_block(work: Callable[[int], object], blocks: int, rounds: int) -> float:
    """Processor time of one block more, so that what a run costs once does not count."""
    few, many = [], []
    for _ in range(rounds):
        few.append(processor_seconds(lambda: work(5)))
        many.append(processor_seconds(lambda: work(5 + blocks)))
    return (min(many) - min(few)) / blocks


@pytest.mark.parametrize(("replicates", "vectorised"), [(20, False), (100, False), (100, True)])
def test_overhead_per_block(benchmark: BenchmarkFixture, tmp_path: Path, replicates: int, vectorised: bool) -> None:
    """Below 3 % of a block of 20 ms: what the engine adds to a block is measured on pieces that take next to no time."""
    names = ("bench_together", "bench_means") if vectorised else ("bench_single", "bench_mean")

    def engine(blocks: int) -> None:
        study = Study(name="o", generate=names[0], methods=[names[1]], fixed={"n": 10}, replicates=blocks * replicates, block=replicates)
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        run(study, tmp_path / "out")

    def bare(blocks: int) -> None:
        for block in range(blocks):
            rng = np.random.default_rng([1, block])
            if vectorised:
                means(together(rng=rng, n=10, replicates=replicates))
            else:
                for _ in range(replicates):
                    mean(single(rng=rng, n=10))

    engine(5)
    blocks, rounds = (200, 5) if benchmark.enabled else (20, 1)
    added = per_block(engine, blocks, rounds) - per_block(bare, blocks, rounds)
    benchmark.extra_info |= {"added, ms per block": round(1e3 * added, 3), "share of 20 ms": round(added / BLOCK_SECONDS, 4)}
    print(f"{replicates} replicates, vectorised {vectorised}: {1e3 * added:.3f} ms per block, {added / BLOCK_SECONDS:.2%} of 20 ms")
    benchmark.pedantic(engine, args=(5,), rounds=1)
    if benchmark.enabled:  # else other tests run beside this one, and times mean nothing
        assert added < 0.03 * BLOCK_SECONDS


def in_a_module(folder: Path) -> ModuleType:
    """Put a trial where joblib's workers can import it: unlike the engine, joblib sends functions of modules by name."""
    folder.mkdir()
    (folder / "bench_trial.py").write_text(TRIAL)
    sys.path.insert(0, str(folder))
    return importlib.import_module("bench_trial")


TRIAL = """
import numpy as np
from scipy.special import stdtr

def groups(*, rng, delta):
    return rng.normal(delta, 1, 30), rng.normal(0, 1, 30)

def welch(data):
    first, second = data
    shares = first.var(ddof=1) / len(first), second.var(ddof=1) / len(second)
    estimate, se = first.mean() - second.mean(), np.sqrt(sum(shares))
    freedom = sum(shares) ** 2 / (shares[0] ** 2 / (len(first) - 1) + shares[1] ** 2 / (len(second) - 1))
    return {"estimate": estimate, "se": se, "p": 2 * stdtr(freedom, -abs(estimate / se))}

def one_trial(seed, delta):
    return welch(groups(rng=np.random.default_rng(seed), delta=delta))
"""


def usual_loop(replicates: int, pool: joblib.Parallel, trial: ModuleType) -> list[float]:
    """The study as most write it in Python: one task per replicate, nothing kept on disk."""
    sequence = np.random.SeedSequence(1)
    rejected = []
    for delta in EFFECTS:
        rows = pool(joblib.delayed(trial.one_trial)(seed, delta) for seed in sequence.spawn(replicates))
        rejected.append(float(np.mean([row["p"] <= 0.05 for row in rows])))
    return rejected


def with_engine(replicates: int, out: Path, trial: ModuleType) -> list[float]:
    shutil.rmtree(out, ignore_errors=True)
    study = Study(name="t", generate=trial.groups, methods=[trial.welch], grid={"delta": EFFECTS}, replicates=replicates, block=100)
    return [float((frame["p"] <= 0.05).mean()) for frame in run(study, out, workers=2).batches()]


def plain_r(replicates: int) -> tuple[float, list[float]]:
    script = Path(__file__).with_name("plain_loop.R")
    done = subprocess.run(["Rscript", str(script), str(replicates), "2"], capture_output=True, text=True, check=True)
    seconds, *rejected = map(float, done.stdout.split())
    return seconds, rejected


def fastest(work: Callable[[], list[float]], rounds: int) -> tuple[float, list[float]]:
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        rejected = work()
        times.append(time.perf_counter() - began)
    return min(times), rejected


@pytest.mark.slow
def test_against_a_loop_with_joblib_and_a_loop_in_r(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Two processes each; the engine, which keeps every replicate with its stream, takes no more than half as long again as a bare loop."""
    replicates, rounds = (4000, 3) if benchmark.enabled else (300, 1)
    seconds: dict[str, float] = {}
    powers: dict[str, list[float]] = {}
    trial = in_a_module(tmp_path / "module")
    get_reusable_executor().shutdown()  # workers that are there already would not find the module
    with joblib.Parallel(n_jobs=2) as pool:
        usual_loop(20, pool, trial)  # workers have started and imported
        seconds["joblib loop"], powers["joblib loop"] = fastest(lambda: usual_loop(replicates, pool, trial), rounds)
    with_engine(200, tmp_path / "out", trial)
    seconds["engine"], powers["engine"] = fastest(lambda: with_engine(replicates, tmp_path / "out", trial), rounds)
    if shutil.which("Rscript"):
        runs = [plain_r(replicates) for _ in range(rounds)]
        seconds["R"], powers["R"] = min(runs)[0], runs[0][1]
    ratios = {f"{name} / engine": value / seconds["engine"] for name, value in seconds.items() if name != "engine"}
    benchmark.extra_info |= {name: round(ratio, 3) for name, ratio in ratios.items()}
    benchmark.extra_info |= {f"{name}, ms per replicate": 1e3 * value / replicates / len(EFFECTS) for name, value in seconds.items()}
    print("; ".join(f"{name} {ratio:.3g}" for name, ratio in ratios.items()) + ("" if "R" in seconds else "; R is not installed"))
    benchmark.pedantic(with_engine, args=(200, tmp_path / "out", trial), rounds=1)
    for found in powers.values():  # ratios mean nothing unless all answer the same question
        error = np.sqrt(0.25 * 2 / replicates)
        assert np.abs(np.subtract(found, powers["engine"])).max() < 5 * error
    if benchmark.enabled:
        assert ratios["joblib loop / engine"] > 1 / 1.5


MEMORY = """
import sys
from pathlib import Path
from theory.sweeps import Study, run
from theory.sweeps.performance.table import performance
study = Study(name="memory", pieces=[sys.argv[1]], generate="bench_together", methods=["bench_means"], estimand=0, fixed={"n": 4},
              replicates=int(sys.argv[3]), block=10_000)
results = run(study, Path(sys.argv[2]))
assert performance(results, ["bias"])["completed"].item() == int(sys.argv[3])
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))  # ru_maxrss would tell of the parent too
print(int(peak.split()[1]) // 1024)
"""


def peak_megabytes(out: Path, replicates: int) -> int:
    words = [sys.executable, "-c", MEMORY, __file__, str(out), str(replicates)]
    return int(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peak memory is read as Linux reports it")
def test_memory_is_flat_in_the_number_of_replicates(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """10^7 replicates run and analysed in under 500 MB (10^6 in the test suite, of which ten times as many take little more)."""
    largest = 10_000_000 if benchmark.enabled else 1_000_000
    peaks = {replicates: peak_megabytes(tmp_path / str(replicates), replicates) for replicates in (largest // 10, largest)}
    benchmark.extra_info |= {f"{replicates:,} replicates, MB": peak for replicates, peak in peaks.items()}
    print(", ".join(f"{replicates:,}: {peak} MB" for replicates, peak in peaks.items()))
    benchmark.pedantic(lambda: None, rounds=1)
    assert peaks[largest] < 500
    assert peaks[largest] - peaks[largest // 10] < 150
