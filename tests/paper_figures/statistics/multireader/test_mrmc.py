"""MRMC analyses: published numbers, matrices written out, pseudovalues, means over simulated studies, and designs with gaps."""

import math
import os
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paper_figures.statistics import clustered_delong, delong, mrmc
from paper_figures.statistics.multireader import concordance
from paper_figures.statistics.multireader.merits import merits, readings
from paper_figures.statistics.multireader.mrmc import MrmcResult, _u_statistic
from see_in_pairs.errors import InputError

DATA = Path(os.environ.get("SEE_IN_PAIRS_DATA", "")) / "mrmc"
needs_data = pytest.mark.skipif(
    "SEE_IN_PAIRS_DATA" not in os.environ or not DATA.is_dir(), reason="SEE_IN_PAIRS_DATA names no folder with mrmc/VanDyke.csv"
)


def published(name: str, case: str = "case", **options: object) -> MrmcResult:
    d = pd.read_csv(DATA / f"{name}.csv", dtype=str)
    return mrmc(d["rating"].astype(float), d["truth"].astype(int), d[case], d["reader"], d["treatment"], **options)  # type: ignore[arg-type]


@needs_data
@pytest.mark.parametrize(
    ("covariance", "se", "df", "p", "cov"),
    [
        ("delong", 0.0206825, 15.06611, 0.05123303, (7.921325e-4, 3.420090e-4, 3.395265e-4, 2.358497e-4)),
        ("jackknife", 0.0207486, 15.25967, 0.05166569, (8.022883e-4, 3.466137e-4, 3.440748e-4, 2.390284e-4)),
        ("unbiased", 0.0206715, 15.03418, 0.0511618, (7.883925e-4, 3.416706e-4, 3.390650e-4, 2.356148e-4)),
    ],
)
def test_van_dyke_as_mrmcaov_prints_it(covariance: str, se: float, df: float, p: float, cov: tuple[float, ...]) -> None:
    """The data of the R package MRMCaov and what its paper prints (Smith and Hillis 2020); the p of the jackknife is RJafroc's."""
    found = published("VanDyke", covariance=covariance)
    one = found.obuchowski_rockette
    assert (one.estimate, one.se, one.df) == (
        pytest.approx(-0.04380032, abs=1e-8),
        pytest.approx(se, rel=3e-6),
        pytest.approx(df, abs=6e-6),
    )
    assert one.p == pytest.approx(p, abs=6e-9 if covariance != "unbiased" else 6e-8)
    assert [one.components[key] for key in ("Var", "Cov1", "Cov2", "Cov3")] == pytest.approx(cov, rel=3e-7)
    assert (one.components["MS(T)"], one.components["MS(TR)"]) == (
        pytest.approx(0.004796171, rel=2e-7),
        pytest.approx(0.0005510306, rel=2e-7),
    )
    assert found.u_statistic.se == pytest.approx(0.02067154, rel=3e-7)
    if covariance == "delong":
        assert one.interval == pytest.approx((-0.0878671960, 0.0002665519), abs=1e-9)
        assert one.test is not None
        assert one.test.f == pytest.approx(4.484854, abs=1e-6)
        first, second = one.means["1"], one.means["2"]
        assert (first.estimate, first.se, first.df) == pytest.approx((0.8970370, 0.03307642, 12.59597), rel=1e-6)
        assert (second.estimate, second.se, second.df) == pytest.approx((0.9408374, 0.02150464, 12.56530), rel=1e-6)


@needs_data
def test_van_dyke_with_a_fixed_factor() -> None:
    readers = published("VanDyke", covariance="jackknife", fixed="readers")
    one, dbm = readers.obuchowski_rockette, readers.dorfman_berbaum_metz
    assert (one.se, one.p, one.df) == (pytest.approx(0.01871748, rel=1e-6), pytest.approx(0.01927984, abs=1e-8), math.inf)
    assert one.means["1"].se == pytest.approx(0.02428971, rel=1e-6)
    assert one.means["2"].interval == pytest.approx((0.9079564, 0.9737183), abs=1e-7)
    assert (dbm.se, dbm.df) == (pytest.approx(0.01871748, rel=1e-6), 113)
    cases = published("VanDyke", fixed="cases")
    for test in (cases.obuchowski_rockette, cases.dorfman_berbaum_metz, cases.u_statistic):
        assert (test.se, test.df, test.p) == (pytest.approx(0.01484629, rel=1e-6), pytest.approx(4), pytest.approx(0.04195875, abs=1e-8))
        assert test.means["1"].interval == pytest.approx((0.8280981, 0.9659760), abs=1e-7)


@needs_data
def test_van_dyke_with_nested_cases() -> None:
    """Cases of readers or of treatments as if they were others: DBM does not apply, and is refused by name."""
    readers = published("VanDyke", "case2", covariance="jackknife").obuchowski_rockette
    assert (readers.se, readers.df) == (pytest.approx(0.01484629, rel=1e-6), pytest.approx(4))
    assert readers.components["Cov2"] == pytest.approx(0, abs=1e-18)
    assert (readers.components["Var"], readers.components["Cov1"]) == pytest.approx((8.079682e-04, 3.490676e-04), rel=3e-7)
    treatments = published("VanDyke", "case3", covariance="jackknife")
    one = treatments.obuchowski_rockette
    assert (one.se, one.df, one.p) == pytest.approx((0.03019283, 68.42325, 0.1514363), rel=1e-6)
    assert one.means["1"].se == pytest.approx(0.03320586, rel=1e-6)
    assert math.isnan(treatments.dorfman_berbaum_metz.se)
    assert "pseudovalues need every reader" in treatments.dorfman_berbaum_metz.reason
    assert "DBM" not in repr(treatments)
    assert "pseudovalues need every reader" in repr(treatments)


@needs_data
def test_van_dyke_sensitivity() -> None:
    one = published("VanDyke", measure="sensitivity", threshold=3, covariance="jackknife").obuchowski_rockette
    assert (one.estimate, one.se, one.df, one.p) == pytest.approx((-0.09777778, 0.03780451, 15.71732, 0.02008822), rel=1e-6)
    assert (one.means["2"].se, one.means["2"].df) == pytest.approx((0.03741657, 7.575855), rel=1e-6)


@needs_data
def test_franken_has_no_unbiased_standard_error() -> None:
    found = published("Franken")
    one = found.obuchowski_rockette
    assert (one.estimate, one.se, one.df, one.p) == (
        pytest.approx(0.01085, abs=5e-6), pytest.approx(0.00501, abs=5e-6), pytest.approx(3), pytest.approx(0.1188, abs=5e-5),
    )  # fmt: skip
    assert math.isnan(found.u_statistic.se)
    assert math.isnan(found.u_statistic.p)
    assert "negative (-3.16e-05)" in found.u_statistic.reason


Study = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def study(rng: np.random.Generator, arms: int = 2, readers: int = 3, items: int = 14, decimals: int = 0) -> Study:
    """Scores, with ties, of every item by every reader in every arm, in a random order: scores, labels, items, readers, arms."""
    arm, reader, item = (axis.ravel() for axis in np.indices((arms, readers, items)))
    label = item % 3 == 0
    scores = rng.normal(size=items)[item] + rng.normal(size=(arms, readers))[arm, reader] + rng.normal(size=len(item)) + label
    order = rng.permutation(len(item))
    return tuple(values[order] for values in (np.round(scores, decimals), label, item, reader, arm))  # type: ignore[return-value]


def only(data: Study, kept: np.ndarray) -> Study:
    scores, label, item, reader, arm = (values[kept] for values in data)
    return scores, label, item, reader, arm


def kernels(data: Study, clusters: np.ndarray | None = None) -> list[list[tuple[float, int, int, int, int]]]:
    """Every s of each group with its reader, arm and the clusters of its negative and its positive item, by brute force."""
    scores, label, item, reader, arm = data
    cluster = item if clusters is None else clusters
    found = []
    for a, r in sorted(set(zip(arm.tolist(), reader.tolist(), strict=True))):
        rows = np.flatnonzero((arm == a) & (reader == r))
        pairs = [(i, j) for i, j in product(rows, rows) if label[j] and not label[i]]
        found.append([(float((scores[i] < scores[j]) + (scores[i] == scores[j]) / 2), r, a, cluster[i], cluster[j]) for i, j in pairs])
    return found


def products_apart(g: list[tuple[float, int, int, int, int]], h: list[tuple[float, int, int, int, int]]) -> float:
    values = [one[0] * other[0] for one, other in product(g, h) if not {one[3], one[4]} & {other[3], other[4]}]
    return float(np.mean(values))


@pytest.mark.parametrize("per_case", [1, 2, 3])
def test_covariances_against_their_definitions(per_case: int) -> None:
    """DeLong's as `clustered_delong` has it, the jackknife by leaving cases out, the unbiased ones by every pair of pairs."""
    data = study(np.random.default_rng(per_case), readers=2, items=13)
    scores, label, item, reader, arm = data
    cluster = item // per_case
    found = merits(readings(scores, label, item, reader, arm, cluster), "auroc")
    table = np.full((4, 13), np.nan)
    table[arm * 2 + reader, item] = scores
    flags = np.arange(13) % 3 == 0
    whole = clustered_delong(table, flags, np.arange(13) // per_case) if per_case > 1 else delong(table, flags)
    assert found.theta == pytest.approx(whole.auc)
    if per_case < 3:  # clusters of three all hold both classes, and its matrix is then another where it is not positive
        assert found.delong() == pytest.approx(whole.covariance, abs=1e-15)
    k = cluster.max() + 1
    without = np.stack([delong(table[:, c], flags[c]).auc for c in (np.arange(13) // per_case != one for one in range(k))], axis=1)
    assert found.left_out == pytest.approx(without, abs=1e-13)
    assert found.jackknife() == pytest.approx((k - 1) * np.cov(without, bias=True), abs=1e-15)
    groups = kernels(data, cluster)
    expected = [[products_apart(g, h) for h in groups] for g in groups]
    assert found.disjoint[0] == pytest.approx(np.array(expected), abs=1e-12)


def test_covariances_of_readers_that_share_some_cases() -> None:
    rng = np.random.default_rng(7)
    scores, label, item, reader, arm = study(rng, readers=3, items=18)
    kept = (item + 5 * reader + 2 * arm) % 4 > 0
    data = only((scores, label, item, reader, arm), kept)
    cluster = data[2] // 2
    found = merits(readings(*data, cluster), "auroc")
    groups = kernels(data, cluster)
    assert found.disjoint[0] == pytest.approx(np.array([[products_apart(g, h) for h in groups] for g in groups]), abs=1e-12)
    for c in range(9):
        rest = readings(*only(data, cluster != c), cluster[cluster != c])
        assert merits(rest, "auroc").theta == pytest.approx(found.left_out[:, c], abs=1e-13)
    accuracy = merits(readings(*data), "accuracy", 0.5)
    one, other = accuracy.delong()[0, 0], accuracy.delong()[0, 4]
    right = pd.DataFrame({"g": arm * 3 + reader, "item": item, "right": (scores >= 0.5) == label})[kept].pivot(
        index="item", columns="g", values="right"
    )
    n, m, both = right[0].count(), right[4].count(), right[[0, 4]].dropna().astype(float)
    assert one == pytest.approx(right[0].dropna().astype(float).var(ddof=1) / n)
    centred = ((both[0] - right[0].mean()) * (both[4] - right[4].mean())).sum()
    assert other == pytest.approx(centred / (n * m) / (1 - 1 / n - 1 / m + len(both) / (n * m)))


def test_pseudovalue_anova_is_obuchowski_rockette_with_the_jackknife() -> None:
    """Mean squares of the three-way table of pseudovalues, written out; equal for areas, means, clusters, and each fixed factor."""
    data = study(np.random.default_rng(11), arms=3, readers=4, items=24)
    for measure, clusters, fixed in product(("auroc", "accuracy"), (None, data[2] // 3), ("", "readers", "cases")):
        found = mrmc(*data, clusters, measure=measure, threshold=0.5, covariance="jackknife", fixed=fixed)
        one, dbm = found.obuchowski_rockette, found.dorfman_berbaum_metz
        if fixed != "readers" or one.components["Cov2"] > one.components["Cov3"]:
            assert dbm.se == pytest.approx(one.se, rel=1e-9)
        assert one.test is not None
        assert dbm.test is not None
        if fixed != "readers":
            assert (dbm.df, dbm.p, dbm.test.p) == pytest.approx((one.df, one.p, one.test.p), rel=1e-7)
        k = found.cases
        found_merits = merits(readings(*data, clusters), measure, 0.5)
        y = k * found_merits.theta[:, None] - (k - 1) * found_merits.left_out
        y = (y + (found_merits.theta - y.mean(axis=1))[:, None]).reshape(3, 4, k)
        means = [y.mean(axis=axes, keepdims=True) for axes in ((1, 2), (0, 2), (0, 1), (2,), (1,), (0,), (0, 1, 2))]
        t, r, c, tr, tc, rc, all_ = means
        assert dbm.components["MS(TR)"] == pytest.approx(k * ((tr - t - r + all_) ** 2).sum() / 6)
        assert dbm.components["MS(TC)"] == pytest.approx(4 * ((tc - t - c + all_) ** 2).sum() / (2 * (k - 1)))
        assert dbm.components["MS(TRC)"] == pytest.approx(((y - tr - tc - rc + t + r + c - all_) ** 2).sum() / (6 * (k - 1)))


def test_three_arms_and_a_global_f() -> None:
    data = study(np.random.default_rng(12), arms=3, readers=4, items=30, decimals=2)
    found = mrmc(*data).obuchowski_rockette
    theta = np.array([list(row.values()) for row in mrmc(*data).merits.values()])
    rows, columns = theta.mean(axis=1, keepdims=True), theta.mean(axis=0)
    ms_t, ms_tr = 4 * rows.var(ddof=1), ((theta - rows - columns + theta.mean()) ** 2).sum() / 6
    denominator = ms_tr + max(4 * (found.components["Cov2"] - found.components["Cov3"]), 0)
    assert found.test is not None
    assert (found.test.f, found.test.df1, found.test.df2) == pytest.approx((ms_t / denominator, 2, denominator**2 / (ms_tr**2 / 6)))
    assert list(found.contrasts) == ["0 - 1", "0 - 2", "1 - 2"]
    assert found.contrasts["1 - 2"].se == pytest.approx(math.sqrt(2 / 4 * denominator))
    assert found.contrasts["0 - 1"].p == found.p
    assert "all arms" in repr(mrmc(*data))
    sure = repr(mrmc(data[0] + 9 * (data[1] & (data[4] == 0)), *data[1:]))
    assert "<0.0001" in sure
    assert "0.0000\n" not in sure


@pytest.mark.parametrize("fixed", ["", "readers", "cases"])
@pytest.mark.parametrize("gaps", [False, True])
def test_the_u_statistic_is_what_its_definition_says(fixed: str, gaps: bool) -> None:
    """Products of kernels that share no random factor, listed one by one; without gaps, Obuchowski and Rockette's unbounded variance."""
    data = study(np.random.default_rng(13), readers=3, items=11, decimals=1)
    if gaps:
        data = only(data, (data[2] + data[3]) % 5 > 0)
    groups = kernels(data)
    theta = np.array([np.mean([one[0] for one in g]) for g in groups]).reshape(2, 3)
    covariance = np.empty((2, 2))
    for a, b in product(range(2), repeat=2):
        total = weight = 0.0
        for g, h in product(range(3), repeat=2):
            one, other = groups[3 * a + g], groups[3 * b + h]
            if g == h and fixed != "readers":
                continue
            apart = [x[0] * y[0] for x, y in product(one, other) if fixed == "cases" or not {x[3], x[4]} & {y[3], y[4]}]
            total, weight = total + sum(apart) / (len(one) * len(other)), weight + len(apart) / (len(one) * len(other))
        covariance[a, b] = theta[a].mean() * theta[b].mean() - total / weight
    found = mrmc(*data, covariance="unbiased", fixed=fixed)
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    if variance > 0:
        assert found.u_statistic.se == pytest.approx(math.sqrt(variance), rel=1e-9)
    else:
        assert f"negative ({variance:.3g})" in found.u_statistic.reason
    parts = found.obuchowski_rockette.components
    if not gaps and not fixed:
        assert variance == pytest.approx(2 / 3 * (parts["MS(TR)"] + 3 * (parts["Cov2"] - parts["Cov3"])))


@pytest.mark.parametrize(("measure", "studies"), [("auroc", 300), ("accuracy", 800)])
def test_unbiased_estimates_are_unbiased_with_gaps_and_clusters(measure: str, studies: int) -> None:
    """The mean of the estimated variance over studies is the variance of the estimates, within 4 Monte Carlo standard errors."""
    rng, estimates, variances = np.random.default_rng(14), np.empty(studies), np.empty(studies)
    arm, reader, item = (axis.ravel() for axis in np.indices((2, 3, 24)))
    kept = (item // 2 + reader) % 4 > 0
    arm, reader, item = arm[kept], reader[kept], item[kept]
    label = item % 4 < 2
    for number in range(studies):
        z = rng.normal(size=12)[item // 2] + rng.normal(size=(2, 12))[arm, item // 2] + 0.4 * rng.normal(size=(2, 3))[arm, reader] * label
        z += rng.normal(size=len(item)) + 1.5 * label
        found = merits(readings(z, label, item, reader, arm, item // 2), measure, 0.75)
        covariance = _u_statistic(found, "")
        estimates[number] = found.theta[:3].mean() - found.theta[3:].mean()
        variances[number] = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    spread = np.square(estimates - estimates.mean()) * studies / (studies - 1)
    mcse = math.hypot(float(np.std(spread)), float(np.std(variances))) / math.sqrt(studies)
    assert abs(np.mean(spread) - np.mean(variances)) < 4 * mcse


def test_readers_nested_in_arms() -> None:
    """As `mrmc` of Hillis's (2014) split plot: the mean square of readers within arms, Cov2 - Cov3, and unequal numbers of readers."""
    scores, label, item, reader, arm = study(np.random.default_rng(15), readers=4, items=40, decimals=2)
    kept = (arm == 0) | (reader < 3)
    found = mrmc(*(values[kept] for values in (scores, label, item, arm * 10 + reader, arm)))
    one = found.obuchowski_rockette
    theta = [np.array(list(row.values())) for row in found.merits.values()]
    ms = sum(((x - x.mean()) ** 2).sum() for x in theta) / 5
    assert one.components["MS(R(T))"] == pytest.approx(ms)
    reader_part = ms * (1 / 4 + 1 / 3)
    variance = reader_part + 2 * max(one.components["Cov2"] - one.components["Cov3"], 0)
    assert (one.se, one.df, one.test) == (pytest.approx(math.sqrt(variance)), pytest.approx(5 * (variance / reader_part) ** 2), None)
    assert "nested in arms" in found.design
    assert "pseudovalues need" in found.dorfman_berbaum_metz.reason
    assert found.u_statistic.se > 0


@pytest.mark.parametrize("block", [1, 200, 10**6])
@pytest.mark.parametrize("per_case", [1, 3])
def test_many_pairs_are_drawn(per_case: int, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In blocks of any size every pair is counted; drawn, the sum is within 4 Monte Carlo standard errors."""
    rng = np.random.default_rng(16)
    scores, label, item, reader, arm = study(rng, readers=2, items=60, decimals=1)
    found = merits(readings(scores, label, item, reader, arm, item // per_case), "auroc")
    exact = found._shared()  # type: ignore[attr-defined]
    monkeypatch.setattr(concordance, "BLOCK", block)
    assert found._shared() == pytest.approx(exact, rel=1e-12)  # type: ignore[attr-defined]
    if block > 1:
        monkeypatch.setattr(concordance, "BLOCK", max(block, 10**5))
        monkeypatch.setattr(concordance, "EXACT", 1000)
        drawn = found._shared()  # type: ignore[attr-defined]
        pairs = 20 * per_case * 40 * per_case + (per_case > 1) * (40 * 40)  # of pairs that share both cases, in either order
        assert (drawn != exact).any()
        assert drawn == pytest.approx(exact, abs=4 * 0.5 * pairs / math.sqrt(concordance.DRAWN))


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from(["auroc", "accuracy", "specificity", "mean"]))
def test_order_names_and_signs(seed: int, measure: str) -> None:
    """Rows in another order change nothing; arms that are swapped change the sign; a rising transform of scores leaves areas."""
    rng = np.random.default_rng(seed)
    scores, label, item, reader, arm = study(rng, items=12)
    options = {"measure": measure, "threshold": 0.5}
    one = mrmc(scores, label, item, reader, arm, **options)  # type: ignore[arg-type]
    order = rng.permutation(len(item))
    moved = mrmc(scores[order], label[order], item[order], reader[order], arm[order], **options)  # type: ignore[arg-type]
    assert repr(moved) == repr(one)
    other = mrmc(scores, label, item, reader, 1 - arm, **options)  # type: ignore[arg-type]
    a, b = one.obuchowski_rockette, other.obuchowski_rockette
    assert (b.estimate, b.se, b.p) == pytest.approx((-a.estimate, a.se, a.p), nan_ok=True)
    if measure == "auroc":
        raised = np.where(scores > 1, np.inf, np.exp(scores))
        raised[scores <= -2] = -np.inf
        raised[scores > 1] = np.inf
        clipped = mrmc(np.clip(scores, -2, 2), label, item, reader, arm)
        assert mrmc(raised, label, item, reader, arm).u_statistic.se == pytest.approx(clipped.u_statistic.se, nan_ok=True)


def test_identical_arms_and_separation() -> None:
    scores, label, item, reader, _ = study(np.random.default_rng(17), arms=1)
    arm = np.repeat([0, 1], len(scores))
    twice = mrmc(np.tile(scores, 2), np.tile(label, 2), np.tile(item, 2), np.tile(reader, 2), arm)
    for one in (twice.obuchowski_rockette, twice.dorfman_berbaum_metz, twice.u_statistic):
        assert (one.estimate, one.se, one.p, one.interval) == (0, 0, 1, (0, 0))
    apart = mrmc(np.concatenate([label, ~label]).astype(float), np.tile(label, 2), np.tile(item, 2), np.tile(reader, 2), arm)
    assert apart.obuchowski_rockette.estimate == 1
    assert math.isnan(apart.obuchowski_rockette.p)
    assert "nothing varies" in apart.obuchowski_rockette.reason
    assert "nothing varies" in apart.u_statistic.reason


def test_one_reader_and_one_arm() -> None:
    data = study(np.random.default_rng(18), readers=1, items=40, decimals=2)
    found = mrmc(*data)
    assert "one reader only" in found.obuchowski_rockette.reason
    assert "one reader only" in found.dorfman_berbaum_metz.reason
    assert "one reader only" in found.u_statistic.reason
    fixed = mrmc(*data, fixed="readers")
    table = np.empty((2, 40))
    table[data[4], data[2]] = data[0]
    known = delong(table, np.arange(40) % 3 == 0).difference()
    assert (fixed.obuchowski_rockette.se, fixed.obuchowski_rockette.p) == pytest.approx((known.se, known.p))
    several = study(np.random.default_rng(19), arms=1, items=40)
    alone = mrmc(*several).obuchowski_rockette
    assert alone.contrasts == {}
    assert (alone.estimate, alone.interval) == (alone.means["0"].estimate, alone.means["0"].interval)
    assert math.isnan(alone.p)


def test_inputs_that_do_not_fit() -> None:
    scores, label, item, reader, arm = study(np.random.default_rng(20), items=12)
    for bad, message in (
        ((scores, label, item, reader[:-1], arm), "readers: give one per item"),
        ((scores, ~label[::-1], item, reader, arm), "labels: not the same in every reading"),
        ((scores, label, item, np.zeros_like(reader), arm), "read twice by one reader in one arm"),
        ((scores, label, item, np.where(arm * (reader == 0), 9, reader), arm), "reads in some arms only"),
        ((scores, None, item, reader, arm), "labels: auroc needs them"),
    ):
        with pytest.raises(InputError, match=message):
            mrmc(*bad)
    for options, message in (
        ({"measure": "youden"}, "measure: give one of auroc"), ({"measure": "accuracy"}, "threshold: accuracy needs"),
        ({"covariance": "bootstrap"}, "covariance: give one of delong"), ({"fixed": "arms"}, "fixed: give readers"),
        ({"confidence_level": 95}, "confidence_level"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            mrmc(scores, label, item, reader, arm, **options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="some are infinite, so there is no mean"):
        mrmc(np.where(scores > 0, np.inf, scores), label, item, reader, arm, measure="mean")
    with pytest.raises(InputError, match="clusters: not the same"):
        mrmc(scores, label, item, reader, arm, np.arange(len(item)))
    with pytest.raises(InputError, match="one class only"):
        mrmc(scores, np.ones(len(item)), item, reader, arm)
    few = np.flatnonzero(np.isin(item, (0, 1, 2)))
    found = mrmc(scores[few], label[few], item[few], reader[few], arm[few])
    assert "fewer than two cases hold items of a class" in found.obuchowski_rockette.reason
    assert found.to_dict()["obuchowski_rockette"]["contrasts"] == {}
