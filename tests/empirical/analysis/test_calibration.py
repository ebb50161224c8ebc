from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, log_expit

from empirical.analysis.agreement import scorer_agreement
from empirical.analysis.calibration import Temperature, calibrated, fit_temperature, log_loss
from empirical.analysis.patients import patient_interval
from empirical.analysis.reliability import reliability
from empirical.analysis.reliability_plot import reliability_plot
from empirical.analysis.reports import _fitted
from empirical.evaluation.records import COLUMNS, Records
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
    [
        ([1.0, 2.0], [True, True], "one class"),
        ([1.0, -1.0], [True, False], "always fit better"),
        ([-1.0, 1.0], [True, False], "wrong side"),
        ([3.1, 3.0, 3.0, 3.0], [True, False, False, False], "does not shift them"),
        ([2.0, np.nan], [True, False], "1 of 2 .* no score"),
    ],
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


@pytest.mark.parametrize(("n", "bins"), [(1, 1), (12, 2), (30, 2), (100, 5), (400, 10)])
def test_few_items_make_few_bins_and_none_is_lost(n: int, bins: int) -> None:
    probability = np.random.default_rng(0).permutation(np.linspace(0, 1, n))
    table = reliability(probability, probability > 0.3)
    assert len(table) == bins and table["n"].sum() == n and np.ptp(table["n"]) <= 1
    assert table["stated"].is_monotonic_increasing


def test_what_is_stated_alike_is_one_point_and_never_a_column_of_points() -> None:
    rng = np.random.default_rng(0)
    positive = rng.uniform(size=400) < 0.5
    crowded = reliability(np.concatenate([rng.uniform(0.51, 0.53, 390), rng.uniform(0.9, 1, 10)]), positive)
    assert (np.diff(crowded["stated"]) >= 0.03).all() and crowded["n"].sum() == 400 and len(crowded) == 2
    for alike in (np.full(400, 0.5), np.ones(400)):
        row = reliability(alike, positive).iloc[0]
        assert (row["n"], row["stated"], row["observed"]) == (400, alike[0], positive.mean())
    steps = reliability(np.linspace(0.4, 0.6, 400), positive)  # neighbours are near, but a chain of them is no single statement
    assert len(steps) > 4 and (np.diff(steps["stated"]) >= 0.03).all()


def test_items_of_a_patient_count_as_no_more_than_they_tell() -> None:
    probability, positive = np.full(60, 0.5), np.repeat([True, False], [42, 18])
    alone, by_six = (reliability(probability, positive, patients).iloc[0] for patients in (None, np.arange(60) // 6))
    assert by_six["high"] - by_six["low"] > 2 * (alone["high"] - alone["low"])


def test_a_temperature_that_says_next_to_nothing_says_so() -> None:
    rng = np.random.default_rng(1)
    odds = rng.normal(7, 2, 20)
    found = fit_temperature(records(odds, np.arange(20) < 11))  # all near 1, whatever the class
    assert found.high == np.inf and found.low < found.value and "open end" in found.warning and "to no limit" in found.shown()
    few, many = (fit_temperature(records(*overconfident(n, 3.0, seed=1))) for n in (25, 2000))
    assert many.warning == "" and "interval spans a factor of" in few.warning and few.high > 4 * few.low
    assert not Temperature(3.0, 2.0, 7.9, 50).warning and "factor of 4" in Temperature(3.0, 1.9, 7.9, 50).warning
    assert "no temperature fits" in Temperature(np.exp(8) - 1e-3, 1.0, np.inf, 50).warning
    assert "open end" in Temperature(0.1, 0.0, 0.2, 50).warning


def test_resamples_in_backward_order_count_as_infinite_temperatures() -> None:
    """By brute force: the share of resamples without a finite temperature is above 2.5 %, so the interval has no upper end."""
    positive = np.arange(30) % 2 == 0
    odds = np.where(positive, 1, -1) * 0.25 + np.random.default_rng(0).normal(size=30)
    drawn = np.random.default_rng(2).integers(0, 30, size=(2000, 30))
    margin = np.where(positive, odds, -odds)
    backwards = (margin[drawn].sum(axis=1) <= 0).mean()
    assert 0.03 < backwards < 0.5
    assert fit_temperature(records(odds, positive)).high == np.inf


@pytest.mark.parametrize(("n", "spread"), [(12, 2.0), (30, 0.02), (400, 0.02), (400, 2.0)])
def test_the_plot_shows_every_point_and_the_legend_lies_beside_it(n: int, spread: float) -> None:
    rng = np.random.default_rng(0)
    tables, stated = [], []
    for run, temperature in (("first", 1.0), ("a run with a name that somebody chose to be rather long", 1.0), ("first", 79.7)):
        probability = expit(rng.normal(3, spread, n) / temperature)
        tables.append(reliability(probability, rng.uniform(size=n) < 0.5).assign(run_id=run, temperature=temperature))
        stated.append(pd.DataFrame({"run_id": run, "temperature": temperature, "probability": probability}))
    note = "temperature 0.00264 (0.00139 to no limit), n = 2000; almost uninformative"
    notes = dict.fromkeys([str(table["run_id"][0]) for table in tables], note)
    figure = reliability_plot(pd.concat(tables), pd.concat(stated), notes)
    figure.draw_without_rendering()
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert not any(box.overlaps(axes.get_tightbbox()) for axes in figure.axes)
    assert [text.get_text() for text in legend.get_texts()] == ["stated = observed", "as scored", "with the temperature"]
    panels, strips = figure.axes[::2], figure.axes[1::2]
    for panel, points in zip(panels, (pd.concat([tables[0], tables[2]]), tables[1]), strict=True):
        left, right = panel.get_xlim()
        assert points["stated"].between(left, right).all() and right - left < 1.05
        assert "almost uninformative" in panel.get_xlabel() and panel.get_tightbbox().x1 <= figure.bbox.x1
    assert [sum(np.diff(p.get_path().vertices[:, 0]).any() for p in strip.patches) for strip in strips] == [2, 1]
    if spread < 1:
        assert panels[1].get_xlim()[1] - panels[1].get_xlim()[0] < 0.35  # as far as the data, to a tenth


def test_the_usual_note_below_a_panel_is_one_line() -> None:
    odds, positive = overconfident(400, 0.5)
    here = records(odds, positive)
    _, note = _fitted(here, here, 0)
    stated = pd.DataFrame({"run_id": "r", "temperature": 1.0, "probability": calibrated(here, 1.0)})
    table = reliability(expit(odds), positive).assign(run_id="r", temperature=1.0)
    figure = reliability_plot(table, stated, {"r": note})
    assert "temperature 0." in note and "n = 400" in note and "\n" not in figure.axes[0].get_xlabel()


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


def test_one_patient_leaves_no_interval_rather_than_one_of_no_width() -> None:
    odds, positive = overconfident(60, 2.0)
    alone = records(odds, positive, np.zeros(60))
    with pytest.raises(InputError, match="of one patient"):
        fit_temperature(alone)
    value, low, high = log_loss(alone)
    assert value == pytest.approx(log_loss(records(odds, positive))[0]) and np.isnan([low, high]).all()


def test_an_item_without_a_score_agrees_with_nothing() -> None:
    odds = np.array([1.0, np.nan, -1.0])
    found = scorer_agreement(records(odds, odds > 0, parsed=["yes", "yes", "no"]))["r"]
    assert found.share == pytest.approx(2 / 3) and found.counts["not scored"]["yes"] == 1


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
    ends = [share_interval(np.full(n, hit), np.arange(n)) for n in range(1, 200) for hit in (0.0, 1.0)]
    assert {low for low, _ in ends[::2]} == {0.0} and {high for _, high in ends[1::2]} == {1.0}  # rounding leaves no share outside
    twice = np.repeat(alone, 2)  # each patient's items alike: they count once
    for x in (np.ones(60), np.repeat(hits, 2)):
        assert share_interval(x, twice) == pytest.approx(share_interval(x[::2], alone), abs=1e-12)


def test_agreement_on_every_item_has_an_interval_and_so_have_unparsed_replies() -> None:
    odds = np.where(np.arange(30) % 2, 1.0, -1.0)
    found = scorer_agreement(records(odds, odds > 0, parsed=np.where(odds > 0, "yes", "no").tolist()))["r"]
    assert (found.share, found.high, found.unparsed, found.unparsed_low) == (1.0, 1.0, 0.0, 0.0)
    assert 0.85 < found.low < 0.92 and 0.08 < found.unparsed_high < 0.15
