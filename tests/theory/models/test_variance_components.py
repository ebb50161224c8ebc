"""Variance components, correlations and gains from logits: against brute force, their own truth, and each other."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from see_in_pairs.errors import InputError
from theory.models import variance_components as vc
from theory.statements import t10_from_logits as t10

TRUTH = {"P": 1.0, "PR": 0.5, "PS": 0.3, "E": 0.4}
LABELS = np.arange(12) >= 5


def draw(rng: np.random.Generator, size: tuple[int, ...], nested: bool = False) -> np.ndarray:
    """Studies of 12 patients, 3 references and 4 seeds, with main effects of references and seeds."""

    def part(variance: float, *shape: int) -> np.ndarray:
        return np.sqrt(variance) * rng.standard_normal((*size, *shape))

    logits = 2.0 * LABELS[:, None, None] + part(1.0, 12, 1, 1) + part(0.5, 12, 3, 1) + part(0.3, 12, 1, 4) + part(0.4, 12, 3, 4)
    return logits + (0 if nested else part(5.0, 1, 3, 1)) + part(4.0, 1, 1, 4)


@pytest.mark.parametrize("nested", [False, True])
def test_components_are_unbiased(nested):
    squares = (vc.nested_mean_squares if nested else vc.mean_squares)(draw(np.random.default_rng(2), (20_000,), nested), LABELS)
    for name, values in vc.solve_components(squares, 3, 4).items():
        assert abs(values.mean() - TRUTH[name]) < 4 * values.std() / np.sqrt(20_000), name


def test_main_effects_do_not_matter_when_crossed():
    logits = draw(np.random.default_rng(3), ())
    moved = logits + np.array([10.0, -3.0, 7.0])[None, :, None] + np.array([1.0, 2.0, 3.0, 4.0]) + 100 * LABELS[:, None, None]
    for name, value in vc.mean_squares(logits, LABELS).items():
        assert vc.mean_squares(moved, LABELS)[name] == pytest.approx(value)


def test_mean_squares_by_loops():
    logits = draw(np.random.default_rng(4), ())
    fitted = np.empty_like(logits)
    for i, label in enumerate(LABELS):
        for j in range(3):
            for s in range(4):
                alike = logits[label == LABELS]
                fitted[i, j, s] = logits[i, j].mean() + logits[i, :, s].mean() - logits[i].mean()
                fitted[i, j, s] += alike[:, j, s].mean() - alike[:, j].mean() - alike[:, :, s].mean() + alike.mean()
    assert vc.mean_squares(logits, LABELS)["E"] == pytest.approx(np.square(logits - fitted).sum() / (10 * 2 * 3))


def test_components_predict_the_auc_of_averages():
    found = vc.crossed_components(draw(np.random.default_rng(5), ()), LABELS)
    assert found.beta == pytest.approx(2.0, abs=1.5)
    exact = vc.VarianceComponents(**TRUTH, beta=2.0)
    assert exact.auc(3, 4) == pytest.approx(stats.norm.cdf(2 / np.sqrt(2 * (1 + 0.5 / 3 + 0.3 / 4 + 0.4 / 12))))
    assert exact.auc(30, 40) > exact.auc(1, 1)


def test_bootstrap_holds_the_estimate_and_repeats():
    logits = draw(np.random.default_rng(6), ())
    first, second = (vc.bootstrap_components(logits, LABELS, replicates=100, seed=1) for _ in range(2))
    assert first == second
    assert all(interval.low <= interval.high for interval in first.values())
    assert first["E"].low < 0.4 < first["E"].high * 1.5


def test_intervals_of_the_residual_are_not_shifted_by_drawing_patients_twice():
    rng, labels, truth, sets = np.random.default_rng(11), np.arange(30) % 2 == 0, 0.5, 60
    held = 0
    for number in range(sets):
        logits = rng.normal(size=(30, 1, 1)) + np.sqrt(truth) * rng.normal(size=(30, 20, 3))
        interval = vc.bootstrap_components(logits, labels, replicates=200, seed=number)["E"]
        held += interval.low <= truth <= interval.high
    assert held / sets > 0.95 - 4 * np.sqrt(0.95 * 0.05 / sets)  # without the stretch it was .55


def test_a_long_table_becomes_the_design():
    logits = draw(np.random.default_rng(7), ())
    rows = [
        {"patient_id": f"p{i:02d}", "reference_id": f"r{j}", "seed": s, "label": LABELS[i], "logit": logits[i, j, s]}
        for i in range(12)
        for j in range(3)
        for s in range(4)
    ]
    table = pd.DataFrame(rows).sample(frac=1, random_state=0)
    arranged, labels = vc.logits_of(table)
    np.testing.assert_array_equal(arranged, logits)
    np.testing.assert_array_equal(labels, LABELS)
    for broken, says in [
        (table.iloc[1:], "each must occur once"),
        (table.drop(columns="seed"), "no column seed"),
        (table.assign(label=lambda t: t["seed"] > 1), "two different labels"),
    ]:
        with pytest.raises(InputError, match=says):
            vc.logits_of(broken)


def test_correlation_within_class_ignores_the_shift():
    rng = np.random.default_rng(8)
    pairs = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], size=4000)
    labels = np.arange(4000) % 2 == 0
    found = vc.paired_correlation(pairs[:, 0] + 5 * labels, pairs[:, 1], labels)
    assert found.low < 0.6 < found.high
    assert found.high - found.low == pytest.approx(2 * 1.96 * (1 - 0.36) / np.sqrt(4000), rel=0.05)
    with pytest.raises(InputError, match="five pairs"):
        vc.paired_correlation([1, 2, 3], [1, 2, 4], [True, False, True])


def test_the_interval_of_the_correlation_allows_for_shared_references():
    rng, labels, covered = np.random.default_rng(10), np.arange(200) % 2 == 0, np.zeros(2)
    for _ in range(400):  # 200 queries of 20 sites, one reference each: query and reference share the site
        site, ids = rng.standard_normal(20), np.arange(200) % 20
        reference = (np.sqrt(0.4) * site + np.sqrt(0.6) * rng.standard_normal(20))[ids]
        query = np.sqrt(0.4) * site[ids] + np.sqrt(0.6) * rng.standard_normal(200)
        for way, given_ids in enumerate((None, ids)):
            found = vc.paired_correlation(query, reference, labels, references=given_ids)
            covered[way] += found.low <= 0.4 <= found.high
    assert covered[0] / 400 < 0.75
    assert covered[1] / 400 > 0.88
    assert vc.paired_correlation(query, reference, labels, references=np.arange(200)) == vc.paired_correlation(query, reference, labels)


def test_intraclass_correlation_against_anova():
    scores = np.random.default_rng(9).normal(size=(6, 4)) + np.arange(6)[:, None]
    f = stats.f_oneway(*scores).statistic
    estimate, low, high = vc.intraclass_correlation(scores)
    assert estimate == pytest.approx((f - 1) / (f + 3))
    assert low < estimate < high
    with pytest.raises(InputError, match="two groups"):
        vc.intraclass_correlation([[1.0, 2.0]])


def test_the_printed_gains():
    assert vc.auc_gain(1.0, 0.6) == pytest.approx(0.05137, abs=5e-6)
    assert vc.auc_gain(1.0, 0.3) == pytest.approx(0.01048, abs=5e-6)
    assert vc.gain_standard_error(1.0, 0.3, 100, 100) == pytest.approx(0.00480, abs=5e-6)


def test_the_standard_error_degenerates_at_no_correlation():
    assert vc.gain_standard_error(1.0, 0.0, 100, 100) == 0


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: vc.mean_squares(np.zeros((12, 1, 4)), LABELS), "two references"),
        (lambda: vc.mean_squares(np.zeros((12, 3, 4)), np.zeros(12, bool)), "each class"),
        (lambda: vc.mean_squares(np.zeros((11, 3, 4)), LABELS), "one per patient"),
        (lambda: vc.mean_squares(np.full((12, 3, 4), np.nan), LABELS), "finite"),
        (lambda: t10.icc_cover(30, 3, -0.1), "must not be negative"),
        (lambda: t10.EMS_PR(1, 3, 3, 3, TRUTH), "n = 3"),
        (lambda: t10.auc_R_refs(1, 1, 1, {"P": -1, "PR": 0, "PS": 0, "E": 0}), "var.P"),
        (lambda: t10.auc_R_refs(1, 1, 1, {"P": 0, "PR": 0, "PS": 0, "E": 0}), "positive variance"),
        (lambda: t10.auc_R_refs(1, 0, 1, TRUTH), "R = 0"),
    ],
)
def test_impossible_designs_are_refused(call, says):
    with pytest.raises(InputError, match=says):
        call()
