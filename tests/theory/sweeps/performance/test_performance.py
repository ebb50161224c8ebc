"""Performance measures: values against definitions, MCSEs against the bootstrap and repeated studies, and what is missing said so."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from see_in_pairs.errors import InputError
from theory.sweeps import Study, run
from theory.sweeps.performance import Table, performance
from theory.sweeps.performance.accumulators import ExactSum, RunningMoments
from theory.sweeps.performance.measures import MEASURES, MethodSummary, leave_one_out_deviations, proportion_error

TRUTH, NULL, LEVEL = 1.5, 0.0, 0.05


def replicates(rng: np.random.Generator, count: int, cells: int = 1) -> pd.DataFrame:
    """Two correlated methods with skewed estimates and standard errors that depend on them: nothing is normal or independent."""
    size = cells * count
    shared, own = rng.gamma(2.0, 1.0, size), rng.gamma(1.5, 0.5, (2, size))
    cell, replicate = np.divmod(np.arange(size), count)
    parts = []
    for method, extra, scale in (("A", own[0], 1.0), ("B", own[0] * 0.5 + own[1], 1.3)):
        estimate = scale * (0.5 * shared + extra) - 0.3
        se = 0.4 * np.sqrt(0.2 + shared) * rng.uniform(0.6, 1.4, size)
        parts.append(
            pd.DataFrame(
                {"cell": cell, "block": replicate // 50, "replicate": replicate, "method": method, "estimate": estimate, "se": se,
                 "lower": estimate - 1.96 * se, "upper": estimate + 1.96 * se}
            )
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def by_definition(a: np.ndarray, b: np.ndarray) -> dict[str, np.ndarray]:
    """Every measure of method B, compared with A, from columns (estimate, se, lower, upper) and replicates on the last axis."""
    estimate, se, lower, upper = b
    mean, spread, model = estimate.mean(-1), estimate.std(-1, ddof=1), np.sqrt((se**2).mean(-1))
    error = estimate - TRUTH
    return {
        "bias": mean - TRUTH,
        "relative_bias": (mean - TRUTH) / TRUTH,
        "empirical_se": spread,
        "mse": (error**2).mean(-1),
        "rmse": np.sqrt((error**2).mean(-1)),
        "coverage": ((lower <= TRUTH) & (upper >= TRUTH)).mean(-1),
        "bias_eliminated_coverage": ((lower <= mean[..., None]) & (upper >= mean[..., None])).mean(-1),
        "power": ((lower > NULL) | (upper < NULL)).mean(-1),
        "model_se": model,
        "relative_se_error": model / spread - 1,
        "relative_precision": (a[0].std(-1, ddof=1) / spread) ** 2 - 1,
    }


def columns(table: pd.DataFrame, method: str) -> np.ndarray:
    rows = table[table["method"] == method]
    return rows[["estimate", "se", "lower", "upper"]].to_numpy().T


@pytest.fixture(scope="module")
def sample() -> pd.DataFrame:
    return replicates(np.random.default_rng(1), 1000)


@pytest.fixture(scope="module")
def measured(sample: pd.DataFrame) -> pd.DataFrame:
    return performance(Table(sample, TRUTH), null=NULL).set_index(["method", "measure"])


@pytest.mark.parametrize("name", [name for name in MEASURES if name != "type_1_error"])
def test_value_is_its_definition(sample: pd.DataFrame, measured: pd.DataFrame, name: str) -> None:
    expected = by_definition(columns(sample, "A"), columns(sample, "B"))[name]
    assert measured.loc[("B", name), "value"] == pytest.approx(float(expected), rel=1e-12)


@pytest.fixture(scope="module")
def bootstrapped(sample: pd.DataFrame) -> dict[str, float]:
    rng = np.random.default_rng(2)
    drawn = rng.integers(1000, size=(4000, 1000))
    values = by_definition(columns(sample, "A")[:, drawn], columns(sample, "B")[:, drawn])
    return {name: float(value.std(ddof=1)) for name, value in values.items()}


@pytest.mark.parametrize("name", [name for name in MEASURES if name != "type_1_error"])
def test_mcse_is_the_bootstraps(measured: pd.DataFrame, bootstrapped: dict[str, float], name: str) -> None:
    # 4,000 bootstrap samples know a standard error to 1/sqrt(8000) = 1.1 %; the rest is of the order 1/n
    assert measured.loc[("B", name), "mcse"] == pytest.approx(bootstrapped[name], rel=0.06)


def test_mcse_of_type_1_error_is_the_bootstraps(sample: pd.DataFrame) -> None:
    found = performance(Table(sample, TRUTH), ["type_1_error", "power"], null=TRUTH).set_index(["method", "measure"])
    rejected = 1 - by_definition(columns(sample, "A"), columns(sample, "B"))["coverage"]
    drawn = np.random.default_rng(3).binomial(1000, rejected, 4000) / 1000  # resampling 0s and 1s is a binomial draw
    assert found.loc[("B", "type_1_error"), "value"] == pytest.approx(float(rejected))
    assert found.loc[("B", "type_1_error"), "mcse"] == pytest.approx(drawn.std(ddof=1), rel=0.05)
    assert found.loc[("B", "power"), "note"] == "the null is true here: see type_1_error"


def test_mcse_is_the_spread_over_repeated_studies() -> None:
    studies = 600
    table = performance(Table(replicates(np.random.default_rng(4), 200, studies), TRUTH), null=NULL)
    for (method, name), rows in table.dropna(subset=["value"]).groupby(["method", "measure"]):
        said, true = math.sqrt((rows["mcse"] ** 2).mean()), rows["value"].std()
        slack = 4 / math.sqrt(2 * studies) + 0.08  # four standard errors of an empirical SD, and the skewness of 200 replicates
        assert said == pytest.approx(true, rel=slack), (method, name)


def test_published_formulas_hold_for_normal_estimates() -> None:
    rng = np.random.default_rng(5)
    n = 20_000
    first, second = rng.multivariate_normal([0, 0], [[1.0, 0.6], [0.6, 2.0]], n).T
    se = np.sqrt(rng.chisquare(30, n) / 30)
    frame = pd.concat([pd.DataFrame({"method": m, "estimate": e, "se": se}) for m, e in (("A", first), ("B", second))])
    found = performance(Table(frame, 0.0)).set_index(["method", "measure"])
    spread = second.std(ddof=1)
    correlation, gain = np.corrcoef(first, second)[0, 1], first.var(ddof=1) / second.var(ddof=1)
    ratio, variance = np.sqrt((se**2).mean()) / spread, (se**2).var(ddof=1)
    published = {  # Morris, White and Crowther 2019, Table 6
        "bias": spread / math.sqrt(n),
        "empirical_se": spread / math.sqrt(2 * (n - 1)),
        "model_se": math.sqrt(variance / (4 * n * (se**2).mean())),
        "relative_se_error": ratio * math.sqrt(variance / (4 * n * (se**2).mean() ** 2) + 1 / (2 * (n - 1))),
        "relative_precision": 2 * gain * math.sqrt((1 - correlation**2) / (n - 1)),
    }
    for name, expected in published.items():
        assert found.loc[("B", name), "mcse"] == pytest.approx(expected, rel=0.05), name  # a kurtosis from 20,000 is within 0.14 of 3


def test_jackknife_is_the_jackknife() -> None:
    values = np.random.default_rng(6).gamma(1.0, 2.0, 12)
    n = len(values)
    without = np.array([np.delete(values, i).std(ddof=1) for i in range(n)])
    facts = MethodSummary(0.0, 0.0, n, values.mean(), values.std(ddof=1), math.nan)
    np.testing.assert_allclose(leave_one_out_deviations(values, facts), without, rtol=1e-12)
    found = performance(Table(pd.DataFrame({"method": "A", "estimate": values})), ["empirical_se"])
    assert found["mcse"].item() == pytest.approx(math.sqrt((n - 1) / n * np.square(without - without.mean()).sum()), rel=1e-12)


@dataclass
class Blocks:
    """A study that is read block by block, in an order of its own."""

    table: pd.DataFrame
    order: list[int]
    truth: float = TRUTH

    @property
    def cells(self) -> pd.DataFrame:
        return pd.DataFrame({"cell": [0], "truth": [self.truth], "done": [1000], "failed": [3]})

    def batches(self):
        for block in self.order:
            yield self.table[self.table["block"] == block]


def test_any_order_of_blocks_gives_the_same_bits(sample: pd.DataFrame) -> None:
    whole = performance(Blocks(sample, list(range(20))), null=NULL)
    mixed = performance(Blocks(sample, [int(i) for i in np.random.default_rng(7).permutation(20)]), null=NULL)
    pd.testing.assert_frame_equal(whole, mixed, check_exact=True)


def test_other_cells_change_nothing(sample: pd.DataFrame) -> None:
    alone = performance(Table(sample, TRUTH), null=NULL)
    more = pd.concat([sample.assign(cell=1, estimate=sample["estimate"] ** 2), sample])
    both = performance(Table(more, TRUTH), null=NULL)
    pd.testing.assert_frame_equal(both[both["cell"] == 0].reset_index(drop=True), alone, check_exact=True)


def test_memory_does_not_grow_with_the_replicates() -> None:
    import tracemalloc

    class Endless:
        cells = pd.DataFrame({"cell": [0], "truth": [0.0]})

        def __init__(self, blocks: int) -> None:
            self.blocks = blocks

        def batches(self):
            for block in range(self.blocks):
                estimate = np.random.default_rng(block).standard_normal(2000)
                yield pd.DataFrame({"cell": 0, "block": block, "replicate": np.arange(2000), "method": "A", "estimate": estimate})

    def peak(blocks: int) -> int:
        tracemalloc.start()
        performance(Endless(blocks), ["bias", "empirical_se"])
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(60)  # imports and caches: what a first run leaves behind is not of its replicates
    assert peak(60) < 1.1 * peak(6)


def test_failures_are_counted_and_completed_are_what_counts(sample: pd.DataFrame) -> None:
    broken = sample.copy()
    broken.loc[broken.index[:7], "estimate"] = [np.nan, np.inf, -np.inf, np.nan, np.nan, np.nan, np.nan]
    broken.loc[broken.index[:10], "se"] = np.nan
    found = performance(Blocks(broken, list(range(20))), null=NULL).set_index(["method", "measure"])
    assert found.loc[("A", "bias"), ["completed", "failed"]].tolist() == [993, 10]
    assert found.loc[("A", "model_se"), ["completed", "failed"]].tolist() == [990, 13]
    assert found.loc[("B", "bias"), ["completed", "failed"]].tolist() == [1000, 3]
    assert found.loc[("B", "relative_precision"), "completed"] == 993
    pair = broken.iloc[7:1000], broken.iloc[1007:]
    expected = pair[0]["estimate"].var() / pair[1]["estimate"].var() - 1
    assert found.loc[("B", "relative_precision"), "value"] == pytest.approx(expected, rel=1e-12)
    assert found.loc[("A", "bias"), "value"] == pytest.approx(pair[0]["estimate"].mean() - TRUTH, rel=1e-12)


def test_what_cannot_be_known_is_missing_and_says_why() -> None:
    one = performance(Table(pd.DataFrame({"method": ["A"], "estimate": [1.0]}), 0.0)).set_index("measure")
    assert one["value"].isna().all()
    assert one["mcse"].isna().all()
    assert one.loc["bias", "note"] == "needs 2 completed replicates, 1 there"
    assert one.loc["empirical_se", "note"] == "needs 3 completed replicates, 1 there"
    assert one.loc["relative_bias", "note"] == "the true value is 0"
    assert one.loc["coverage", "note"] == "the method gives no lower or upper"
    assert one.loc["power", "note"] == "the method gives no p or lower and upper"
    constant = performance(Table(pd.DataFrame({"method": "A", "estimate": [1.0] * 5, "se": 1.0}))).set_index("measure")
    assert constant.loc["relative_se_error", "note"] == "the estimates do not vary"
    assert constant.loc["bias", "note"] == "no true value"
    assert constant.loc["empirical_se", ["value", "mcse"]].tolist() == [0.0, 0.0]
    huge = performance(Table(pd.DataFrame({"method": "A", "estimate": [1e200, -1e200, 0.0]}), 0.0), ["mse"])
    assert huge["note"].item().startswith("overflow")


def test_a_p_value_decides_before_the_interval() -> None:
    rows = pd.DataFrame({"method": "A", "estimate": 1.0, "lower": 0.5, "upper": 1.5, "p": [0.01, 0.05, 0.06, 0.9]})
    assert performance(Table(rows, 1.0), ["power"], null=0.0)["value"].item() == 0.5
    assert performance(Table(rows, 1.0), ["power"], null=0.0, alpha=0.01)["value"].item() == 0.25
    assert performance(Table(rows.drop(columns="p"), 1.0), ["power"], null=0.0)["value"].item() == 1.0
    assert performance(Table(rows, 1.0), ["power"])["note"].item() == "no null value given"


def test_a_proportion_of_none_or_all_is_not_certain() -> None:
    assert proportion_error(0.0, 100) == pytest.approx(proportion_error(1.0, 100))
    assert proportion_error(0.0, 100) > 0
    assert proportion_error(0.5, 100) == 0.05


def test_an_interval_open_to_one_side_covers() -> None:
    rows = pd.DataFrame({"method": "A", "estimate": 1.0, "lower": -np.inf, "upper": [0.0, 2.0, np.nan, 3.0]})
    found = performance(Table(rows, 1.0), ["coverage"])
    assert (found["value"].item(), found["completed"].item(), found["failed"].item()) == (pytest.approx(2 / 3), 3, 1)


@pytest.mark.filterwarnings("error")
def test_an_interval_without_bounds_covers_and_does_not_reject() -> None:
    ends = {"lower": [-np.inf, 0.5, -np.inf, -np.inf, -np.inf, np.nan], "upper": [np.inf, np.inf, -0.5, np.inf, 0.5, np.inf]}
    rows = pd.DataFrame({"method": "A", "estimate": 0.0, **ends})
    found = performance(Table(rows, 0.0), ["coverage", "type_1_error"], null=0.0).set_index("measure")
    assert found["value"].tolist() == pytest.approx([3 / 5, 2 / 5])
    assert found["completed"].tolist() == [5, 5] and found["failed"].tolist() == [1, 1]


def test_of_a_method_that_gives_only_a_p_value_the_errors_are_known() -> None:
    rows = pd.DataFrame({"method": "A", "p": [0.01, 0.2, 0.05, 0.8, np.nan]})
    found = performance(Table(rows, 0.0), null=0.0).set_index("measure")
    assert found.loc["type_1_error", ["value", "completed", "failed"]].tolist() == [0.5, 4, 1]
    others = found.drop(index="type_1_error")
    assert others["value"].isna().all() and others.loc["bias", "note"] == "the method gives no estimate"
    beside = pd.concat([rows, pd.DataFrame({"method": "B", "estimate": [0.1, -0.1]})])
    assert performance(Table(beside, 0.0), ["bias"])["note"].tolist() == ["the method gives no estimate", ""]


@pytest.mark.parametrize("result", [{"p": 0.01}, {"lower": -1.0, "upper": 1.0}, {"patients": 7.0}], ids=["p", "interval", "another"])
def test_a_sweep_needs_no_estimate(tmp_path: Path, result: dict[str, float]) -> None:
    def draws(*, rng, n):
        return n

    def gives(data):
        return result

    study = Study(name="no estimate", generate=draws, methods=[gives], estimand=0, null=0, fixed={"n": 1}, replicates=8)
    found = performance(run(study, tmp_path / "a"), ["bias", "coverage", "type_1_error", "mean:patients"]).set_index("measure")
    known = {"p": {"type_1_error": 1.0}, "lower": {"coverage": 1.0, "type_1_error": 0.0}, "patients": {"mean:patients": 7.0}}
    assert found["value"].dropna().to_dict() == known[next(iter(result))]


def test_a_sweep_in_which_everything_failed_says_so(tmp_path: Path) -> None:
    def draws(*, rng, n):
        raise ValueError("no")

    study = Study(name="fails", generate=draws, methods=[lambda data: data], fixed={"n": 1}, replicates=8)
    with pytest.raises(InputError, match="all 8 replicates failed"):
        performance(run(study, tmp_path / "a"))


def test_methods_are_compared_on_the_replicates_that_all_completed(tmp_path: Path) -> None:
    """A method that gives up where data are extreme looks precise, unless the others are held to the same replicates."""

    def draws(*, rng, n):
        return float(rng.normal())

    def careful(data):
        if data > 1:
            raise ArithmeticError("gives up")
        return {"estimate": math.nan if data < -1.5 else data}

    def steady(data):
        return {"estimate": data}

    study = Study(
        name="gives up", generate=draws, methods=[steady, careful], estimand=0, fixed={"n": 1}, replicates=200, block=20, max_failures=200
    )
    results = run(study, tmp_path / "a")
    own = performance(results, ["bias", "relative_precision"]).set_index(["method", "measure"])
    both = performance(results, ["bias", "relative_precision"], common=True).set_index(["method", "measure"])
    estimates = results.to_frame().query("method == 'steady'")["estimate"]
    kept = estimates[(estimates <= 1) & (estimates >= -1.5)]
    assert own.loc[("steady", "bias"), "value"] == pytest.approx(estimates.mean()) and own.loc[("steady", "bias"), "completed"] == 200
    for method in ("steady", "careful"):
        assert both.loc[(method, "bias"), "value"] == pytest.approx(kept.mean())
        assert both.loc[(method, "bias"), ["completed", "failed"]].tolist() == [len(kept), 200 - len(kept)]
    assert both.loc[("careful", "relative_precision"), "value"] == pytest.approx(0, abs=1e-12)


def test_where_a_method_completed_nothing_no_replicate_is_common(tmp_path: Path) -> None:
    rows = pd.DataFrame({"method": ["A", "A", "B", "B"], "cell": [0, 0, 1, 1], "estimate": [1.0, 2.0, 3.0, 4.0]})
    found = performance(Table(rows, 0.0), ["bias"], common=True)
    assert found["value"].isna().all() and set(found["completed"]) == {0}
    assert set(found["note"]) == {"needs 2 completed replicates, 0 there", "no replicate is complete"}


def test_bad_input_is_one_line(sample: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="measure 'biass': unknown; there are bias, "):
        performance(Table(sample), ["biass"])
    with pytest.raises(InputError, match="truth 'theta': no such column"):
        performance(Table(sample), truth="theta")
    with pytest.raises(InputError, match="no replicate is complete yet"):
        performance(Table(sample.iloc[:0]))
    with pytest.raises(InputError, match="no column 'estimate'"):
        performance(Table(sample.drop(columns="estimate")))
    with pytest.raises(InputError, match="'estimate' contains something that is not a number"):
        performance(Table(sample.assign(estimate="x")))


@given(st.lists(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=5), min_size=1, max_size=6), st.randoms())
def test_moments_are_exact_in_any_order(blocks: list[list[float]], order) -> None:
    forwards, shuffled = RunningMoments(), RunningMoments()
    for block in blocks:
        forwards.add(np.array(block))
    order.shuffle(blocks)
    for block in blocks:
        shuffled.add(np.array(block))
    assert (forwards.mean, forwards.sum_of_squares) == (shuffled.mean, shuffled.sum_of_squares)
    values = [Fraction(value) for block in blocks for value in block]
    mean = sum(values) / len(values)
    size = max(1.0, max(abs(float(value)) for value in values))
    assert forwards.mean == pytest.approx(float(mean), abs=1e-14 * size)
    assert forwards.sum_of_squares == pytest.approx(float(sum((value - mean) ** 2 for value in values)), rel=1e-9, abs=1e-12 * size**2)


def test_a_large_mean_does_not_cancel() -> None:
    values = 1e9 + np.random.default_rng(8).standard_normal(4000)
    moments = RunningMoments()
    for block in np.split(values, 40):
        moments.add(block)
    assert moments.variance == pytest.approx(values.var(ddof=1), rel=1e-9)
    overflown = ExactSum()
    overflown.add(math.inf)
    assert math.isnan(overflown.value)
