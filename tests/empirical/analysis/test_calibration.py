from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, log_expit

from empirical.analysis.agreement import scorer_agreement
from empirical.analysis.calibration import calibrated, fit_temperature, log_loss, reliability
from empirical.analysis.patients import patient_interval
from empirical.records import COLUMNS, Records
from see_in_pairs.errors import InputError


def records(odds: np.ndarray, positive: np.ndarray, patients: np.ndarray | None = None, parsed: list[str | None] | None = None) -> Records:
    n = len(odds)
    table = pd.DataFrame({column: [""] * n for column in COLUMNS})
    table["run_id"], table["item_id"] = "r", [str(item) for item in range(n)]
    table["patient_id"] = [str(patient) for patient in (np.arange(n) if patients is None else patients)]
    table["label"] = np.where(positive, "nodule", "healthy")
    table["logp"] = [{"yes": float(log_expit(z)), "no": float(log_expit(-z))} for z in odds]
    table["p_positive"] = expit(odds)
    table["parsed"] = parsed or [None] * n
    return Records(table, ("nodule",), "healthy")


def overconfident(n: int, factor: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Log-odds that are `factor` times the true ones."""
    rng = np.random.default_rng(seed)
    true = rng.normal(0, 2, n)
    return factor * true, rng.uniform(size=n) < expit(true)


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_the_temperature_is_the_factor_by_which_the_model_was_too_sure(factor: float) -> None:
    odds, positive = overconfident(4000, factor)
    found = fit_temperature(records(odds, positive))
    assert found.low < factor < found.high and found.high - found.low < 0.25 * factor
    assert found.low < found.value < found.high and found.n == 4000
    # at the best temperature the derivative of the loss is zero: the mean of (p - y) z
    p = calibrated(records(odds, positive), found.value)
    assert abs(np.mean((p - positive) * odds)) < 1e-4 * np.std(odds)


def test_the_temperature_mends_the_log_loss_and_leaves_the_order() -> None:
    odds, positive = overconfident(2000, 3.0)
    fitted = fit_temperature(records(odds, positive)).value
    fresh = records(*overconfident(2000, 3.0, seed=1))
    assert log_loss(fresh, fitted)[2] < log_loss(fresh)[1]  # the intervals do not even touch
    assert (np.argsort(calibrated(fresh, fitted)) == np.argsort(calibrated(fresh, 1.0))).all()
    truth = -np.where(positive, log_expit(odds), log_expit(-odds)).mean()
    assert log_loss(records(odds, positive))[0] == pytest.approx(truth, rel=1e-12)


def test_scores_that_rounded_to_one_are_still_ordered() -> None:
    far = records(np.array([50.0, 60.0, -50.0, 40.0]), np.array([True, True, False, False]))
    far.table["logp"] = [{"yes": -np.exp(-z), "no": -z} for z in (50.0, 60.0)] + [
        {"yes": -50.0, "no": -np.exp(-50.0)},
        {"yes": -1e-9, "no": -40.0},
    ]
    assert fit_temperature(far, resamples=2).value > 10


@pytest.mark.parametrize(
    ("odds", "positive", "message"),
    [([1.0, 2.0], [True, True], "one class"), ([1.0, -1.0], [True, False], "none is best"), ([-1.0, 1.0], [True, False], "none is best")],
)
def test_no_temperature_is_said_to_be_none(odds: list[float], positive: list[bool], message: str) -> None:
    with pytest.raises(InputError, match=message):
        fit_temperature(records(np.array(odds), np.array(positive)))


def test_reliability_bins_hold_every_item_and_their_intervals_cover_the_truth() -> None:
    odds, positive = overconfident(5000, 1.0)
    table = reliability(expit(odds), positive)
    assert table["n"].sum() == 5000 and len(table) == 10
    assert (table["n"] * table["observed"]).sum() == pytest.approx(positive.sum())
    assert ((table["low"] <= table["stated"]) & (table["stated"] <= table["high"])).mean() >= 0.8  # ten intervals of 95 %
    few = reliability(expit(odds[:50]), positive[:50])
    assert few["n"].tolist() == [25, 25] and len(table) == 10  # no bins of a handful
    assert reliability(np.array([0.5, 0.5, 0.5, 0.9]), np.array([True, False, True, True]), bins=4)["n"].sum() == 4  # ties


def test_the_interval_draws_patients_not_items() -> None:
    rng = np.random.default_rng(0)
    patients = np.repeat(np.arange(100), 10)
    correct = np.repeat(rng.uniform(size=100) < 0.7, 10).astype(float)

    def share(weights: np.ndarray) -> float:
        return float(np.average(correct, weights=weights))

    by_patient = patient_interval(share, patients, rng=np.random.default_rng(1), resamples=4000)
    by_item = patient_interval(share, np.arange(1000), rng=np.random.default_rng(1), resamples=4000)
    wide, narrow = (high - low for low, high in (by_patient, by_item))
    assert wide / narrow == pytest.approx(np.sqrt(10), rel=0.1)
    p = correct.mean()
    assert wide == pytest.approx(2 * 1.96 * np.sqrt(p * (1 - p) / 100), rel=0.1)


def test_agreement_counts_unparsed_replies_against_it() -> None:
    odds = np.array([1.0, 1.0, -1.0, -1.0])
    parsed: list[str | None] = ["yes", "no", "no", "unparsed"]
    found = scorer_agreement(records(odds, np.array([True, False, True, False]), parsed=parsed))["r"]
    assert (found.share, found.unparsed, found.n) == (0.5, 0.25, 4)
    assert found.counts == {"no": {"no": 1, "unparsed": 1, "yes": 0}, "yes": {"no": 1, "unparsed": 0, "yes": 1}}
    assert found.low <= found.share <= found.high
    with pytest.raises(InputError, match="no generated replies"):
        scorer_agreement(records(odds, odds > 0))


def test_a_share_of_all_items_is_not_known_exactly() -> None:
    from statsmodels.stats.proportion import proportion_confint

    from empirical.analysis.patients import share_interval

    alone, hits = np.arange(30), np.repeat([1.0, 0.0], [21, 9])
    for x in (np.ones(30), np.zeros(30), hits):
        assert share_interval(x, alone) == pytest.approx(proportion_confint(x.sum(), 30, method="wilson"), abs=1e-12)
    twice = np.repeat(alone, 2)  # each patient's items alike: they count once
    for x in (np.ones(60), np.repeat(hits, 2)):
        assert share_interval(x, twice) == pytest.approx(share_interval(x[::2], alone), abs=1e-12)


def test_agreement_on_every_item_has_an_interval_and_so_have_unparsed_replies() -> None:
    odds = np.where(np.arange(30) % 2, 1.0, -1.0)
    found = scorer_agreement(records(odds, odds > 0, parsed=np.where(odds > 0, "yes", "no").tolist()))["r"]
    assert (found.share, found.high, found.unparsed, found.unparsed_low) == (1.0, 1.0, 0.0, 0.0)
    assert 0.85 < found.low < 0.92 and 0.08 < found.unparsed_high < 0.15
