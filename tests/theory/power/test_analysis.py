"""Plans: check values, what the intervals cover and the studies detect by brute force, and refused mistakes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.special import ndtri

from paper_figures.cli import app
from see_in_pairs.console import run_app
from see_in_pairs.errors import InputError
from theory.models.variance_components import auc_gain, gain_standard_error, sampling_moments
from theory.numerics.montecarlo import DeviationTally
from theory.power.analysis import Separations, StudyDesign, contrast, measures, plan_study, power_curve
from theory.power.evidence import Correlation, Known, correlation_from_variances, known_components
from theory.power.pilot import clustering, pilot
from theory.statements import statement
from theory.statements.t1_univariate_rules import draw_pairs
from theory.statements.t12_formulas import dAUC_sd, pair_right_single_wrong

AUC = measures(StudyDesign())["auc"]
T12_8 = Separations(1.0, 1.25, 0.8)  # d = 1, rho = .6, w = rho


# Check values


@pytest.mark.parametrize(
    ("rho", "n", "gain", "error"), [(0.6, 100, 0.05137, 0.01017), (0.6, 500, 0.05137, 0.00453), (0.3, 100, 0.01048, 0.0048)]
)
def test_gain_and_standard_error_of_t10(rho, n, gain, error):
    evidence = Correlation(d=1.0, rho=rho, measured=(n, n))
    assert AUC.gain(evidence.separations) == pytest.approx(gain, abs=6e-6)
    assert evidence.standard_error(AUC) == pytest.approx(error, abs=6e-6)


def test_cases_of_t12_8():
    assert contrast("auc", T12_8, StudyDesign()).cases(0.8, 0.05) / 2 == pytest.approx(142, abs=0.5)
    assert contrast("accuracy", T12_8, StudyDesign()).cases(0.8, 0.05) == pytest.approx(765, abs=0.5)


@given(st.floats(0.2, 3), st.floats(-0.9, 0.9) | st.floats(-1e-3, 1e-3))
@example(0.5056355305211371, -8.261502509911283e-09)  # the correlation of the scores rounds to 1: failed at a tolerance of 1e-12
@example(2.0749316283013597, -5.5638083115777746e-08)  # the variance of the difference is rounding
def test_agrees_with_the_statements(d, rho):
    eps = np.finfo(float).eps
    evidence = Correlation(d=d, rho=rho, measured=(60, 90))
    assert AUC.gain(evidence.separations) == pytest.approx(auc_gain(d, rho), abs=1e-13)
    assert evidence.standard_error(AUC) == pytest.approx(float(gain_standard_error(d, rho, 60, 90)), rel=1e-9, abs=4 * eps)
    variance = np.square(contrast("auc", evidence.separations, StudyDesign()).sd) / 4
    bracket = np.square(float(dAUC_sd(d, rho, rho, 100))) * 50
    assert variance == pytest.approx(bracket, abs=16 * eps)  # four terms of order 1, each good to a few eps
    found = contrast("accuracy", evidence.separations, StudyDesign())
    won = (found.null_sd**2 + found.effect) / 2
    # Phi_2 grows as 1 / (2 pi sqrt(1 - r^2)) in r, and sqrt(1 - r^2) = |rho|: what rounding of r = sqrt(1 - rho^2) does to it
    of_r = 4 * eps / (2 * np.pi * max(abs(rho), np.sqrt(2 * eps)))
    assert won == pytest.approx(float(pair_right_single_wrong(d, rho, rho)), abs=16 * eps + of_r)


@given(
    st.floats(0.2, 3), st.floats(0.05, 0.9), st.integers(1, 6), st.sampled_from(["optimal", "difference"]), st.sampled_from([None, 0.95])
)
def test_gradient_is_the_slope_of_the_gain(d, rho, m, rule, rho_rr):
    for measure in measures(StudyDesign(prevalence=0.3)).values():

        def gain(d, rho, measure=measure):
            return float(measure.gain(Correlation(d=d, rho=rho, m=m, rho_rr=rho_rr, rule=rule).separations))

        found = Correlation(d=d, rho=rho, m=m, rho_rr=rho_rr, rule=rule)._gradient(measure)
        h = 1e-6  # central differences: error of order h^2, and rounding of order 1e-16 / h
        assert found[0] == pytest.approx((gain(d + h, rho) - gain(d - h, rho)) / (2 * h), rel=1e-5, abs=1e-7)
        assert found[1] == pytest.approx((gain(d, rho + h) - gain(d, rho - h)) / (2 * h), rel=1e-5, abs=1e-7)


@given(st.floats(0.2, 3), st.floats(-0.9, 0.9), st.floats(0.02, 0.98), st.floats(0.5, 0.99))
def test_discordances_add_up_to_the_gain(d, rho, prevalence, specificity):
    study, separations = StudyDesign(prevalence=prevalence, specificity=specificity), Correlation(d=d, rho=rho).separations
    for name, measure in measures(study).items():
        assert contrast(name, separations, study).effect == pytest.approx(measure.gain(separations), abs=1e-12)


def n_for(quantity):
    return float(statement("T12").quantity(quantity).value(d=1.0, rho=0.6, w=0.6))


@given(st.floats(0.3, 3), st.floats(0.1, 0.9), st.floats(0.05, 0.95), st.floats(0.5, 0.99))
def test_the_diseased_that_show_a_sensitivity_are_those_of_the_statement(d, rho, prevalence, specificity):
    study = StudyDesign(prevalence=prevalence, specificity=specificity)
    diseased = prevalence * contrast("sensitivity", Correlation(d=d, rho=rho).separations, study).cases(0.8, 0.05)
    stated = statement("T12").quantity("n_for_sensitivity").value(d=d, rho=rho, w=rho, specificity=specificity)
    assert diseased == pytest.approx(stated, rel=1e-6)


@given(st.floats(0.3, 3), st.floats(-0.5, 0.9), st.integers(1, 9), st.sampled_from(["optimal", "difference"]))
def test_gains_are_those_of_the_statement(d, rho, m, rule):
    between = max(0.5, rho)
    found = plan_study(Correlation(d=d, rho=rho, m=m, rho_rr=between, rule=rule), StudyDesign())
    for measure in ("auc", "sensitivity"):
        stated = statement("T10").quantity(f"{measure}_gain").value(d=d, rho=rho, m=m, rho_rr=between, rule=rule)
        assert found[measure].gain == pytest.approx(stated, abs=1e-13)


def test_cases_are_those_of_the_statement():
    by_auc, by_accuracy = (float(contrast(name, T12_8, StudyDesign()).cases(0.8, 0.05)) for name in ("auc", "accuracy"))
    assert by_accuracy == pytest.approx(n_for("n_for_accuracy"), rel=1e-6)
    assert by_auc / 2 == pytest.approx(n_for("n_for_auc"), rel=1e-6)


# Brute force


def draw_study(rng, replicates, n1, n0, rho=0.6, w=0.6, d=1.0):
    """Scores of whole studies: (replicates, cases) of the single image and of the pair, and the labels."""
    labels = np.arange(n1 + n0) < n1
    query, reference = np.moveaxis(draw_pairs(replicates * labels.size, rho, rng).reshape(replicates, -1, 2), -1, 0)
    query = query + d * labels
    return query, query - w * reference, labels


def delong_p_below(single, pair, labels, alpha):
    """DeLong's test of one study, written out: placements of every case among the cases of the other class."""
    placements = []
    for scores in (single, pair):
        higher = scores[labels][:, None] > scores[~labels][None, :]
        placements.append((higher.mean(axis=1), higher.mean(axis=0)))
    diseased, healthy = (placements[1][side] - placements[0][side] for side in (0, 1))
    variance = diseased.var(ddof=1) / diseased.size + healthy.var(ddof=1) / healthy.size
    return abs(diseased.mean()) > -ndtri(alpha / 2) * np.sqrt(variance)


FIRST_ORDER = 0.02  # stated error of the power: variances are estimated, and the normal law is a limit


def share_and_tolerance(rejected):
    return np.mean(rejected), FIRST_ORDER + 4 * np.sqrt(0.8 * 0.2 / np.size(rejected))


def test_power_of_delong_with_the_planned_cases():
    rng = np.random.default_rng(0)
    rejected = [
        delong_p_below(single[0], pair[0], labels, 0.05) for single, pair, labels in (draw_study(rng, 1, 142, 142) for _ in range(2500))
    ]
    share, tolerance = share_and_tolerance(rejected)
    assert share == pytest.approx(0.8, abs=tolerance)


@pytest.mark.parametrize(("prevalence", "measure"), [(0.5, "accuracy"), (0.3, "accuracy"), (0.3, "sensitivity")])
def test_power_of_mcnemar_with_the_planned_cases(prevalence, measure):
    study = StudyDesign(prevalence=prevalence)
    cases = int(np.ceil(contrast(measure, T12_8, study).cases(0.8, 0.05)))
    n1 = round(prevalence * cases)
    single, pair, labels = draw_study(np.random.default_rng(1), 3000, n1, cases - n1)
    log_odds = np.log((1 - prevalence) / prevalence)
    right = []
    for scores, distance, spread in ((single, 1.0, 1.0), (pair, 1.25, 0.8)):
        threshold = spread * (distance / 2 + log_odds / distance) if measure == "accuracy" else spread * ndtri(0.9)
        right.append((scores > threshold) == labels)
    counted = labels if measure == "sensitivity" else np.ones_like(labels)
    won, lost = ((a & ~b)[:, counted].sum(axis=1) for a, b in ((right[1], right[0]), (right[0], right[1])))
    share, tolerance = share_and_tolerance(np.abs(won - lost) > -ndtri(0.025) * np.sqrt(won + lost))
    assert share == pytest.approx(0.8, abs=tolerance)


def test_design_effect_is_that_of_clusters():
    rng, k, icc, replicates = np.random.default_rng(2), 4, 0.3, 20_000
    study = StudyDesign(images_per_patient=k, icc=icc)
    shared, own = rng.standard_normal((replicates, 25, 1)), rng.standard_normal((replicates, 25, k))
    means = (np.sqrt(icc) * shared + np.sqrt(1 - icc) * own).mean(axis=(1, 2))
    tally = DeviationTally()
    tally.add(means)
    found = tally.estimate()
    assert abs(found.z_against(np.sqrt(study.design_effect / (25 * k)))) < 4
    assert study.patients(100.0) == np.ceil(100 * 1.9 / 4)


@pytest.mark.parametrize(("rho", "least"), [(0.0, 0.95), (0.1, 0.93), (0.3, 0.93), (0.6, 0.93)])
def test_interval_of_a_measured_gain_covers(rho, least):
    """Delta method away from 0, ends of rho mapped near it: from 100 per class on, within .02 of the nominal .95, or conservative."""
    rng, n, replicates = np.random.default_rng(3), 100, 2500
    query, reference = np.moveaxis(draw_pairs(replicates * 2 * n, rho, rng).reshape(replicates, 2, n, 2), -1, 0)
    query = query + np.array([0.0, 1.0])[:, None]
    shift = query[:, 1].mean(axis=1) - query[:, 0].mean(axis=1)
    a, b = (values - values.mean(axis=2, keepdims=True) for values in (query, reference))
    aa, bb, ab = ((x * y).sum(axis=(1, 2)) for x, y in ((a, a), (b, b), (a, b)))
    covered = []
    for d, r in zip(shift / np.sqrt(aa / (2 * n - 2)), ab / np.sqrt(aa * bb), strict=True):
        low, high, _ = Correlation(d=d, rho=r, measured=(n, n)).interval(AUC)
        covered.append(low - 1e-12 <= auc_gain(1.0, rho) <= high + 1e-12)
    assert np.mean(covered) > least - 4 * np.sqrt(0.05 * 0.95 / replicates)


# Evidence


def test_near_zero_the_ends_of_rho_are_mapped():
    low, high, how = Correlation(d=1.0, rho=0.05, measured=(100, 100)).interval(AUC)
    assert (low, "mapped" in how) == (0.0, True)
    ends = np.tanh(np.arctanh(0.05) + ndtri(0.975) / np.sqrt(196) * np.array([-1, 1]))
    assert high == pytest.approx(auc_gain(1.0, np.abs(ends).max()))


def test_an_assumed_correlation_has_no_interval():
    found = plan_study(Correlation(d=1.0, rho=0.6), StudyDesign())["auc"]
    assert np.isnan([*found.gain_interval, *found.patients_interval]).all()
    assert "assumed" in found.interval_method


def test_a_given_interval_is_mapped():
    found = plan_study(Correlation(d=1.0, rho=0.6, rho_interval=(0.4, 0.7)), StudyDesign())["auc"]
    assert found.gain_interval == pytest.approx((auc_gain(1, 0.4), auc_gain(1, 0.7)))
    assert found.patients_interval[0] < found.patients < found.patients_interval[1]


def test_nothing_to_show_needs_infinitely_many():
    for measure in plan_study(Correlation(d=1.0, rho=0.0), StudyDesign()).values():
        assert (measure.gain, measure.patients) == (0.0, np.inf)
    uncertain = plan_study(Correlation(d=1.0, rho=0.05, measured=(50, 50)), StudyDesign())["auc"]
    assert uncertain.patients_interval[1] == np.inf


def test_several_references_follow_t2():
    separations = Correlation(d=1.0, rho=0.4, m=4, rho_rr=0.8).separations
    query_and_mean = np.array([[1, 0.4], [0.4, 0.85]])
    assert separations.pair == pytest.approx(np.sqrt(np.linalg.inv(query_and_mean)[0, 0]))
    assert separations.correlation == pytest.approx(np.sqrt(1 - 0.16 / 0.85))


def test_a_leak_leaves_what_the_correlation_has_beyond_it():
    found = Correlation(d=1.346, rho=0.55, leak=0.5).separations
    assert AUC.value(found.pair) == pytest.approx(0.830, abs=5e-4)
    assert AUC.value(Correlation(d=1.346, rho=0.55, leak=0.5, rule="difference").separations.pair) == pytest.approx(0.692, abs=5e-4)
    assert plan_study(Correlation(d=1.0, rho=0.5, leak=0.5), StudyDesign())["auc"].patients == np.inf
    query, w = np.array([[1, 0.55], [0.55, 1]]), (0.55 - 0.5) / (1 - 0.55 * 0.5)
    contrast = np.array([1, -w])
    assert found.correlation == pytest.approx((query @ contrast)[0] / np.sqrt(contrast @ query @ contrast))


@pytest.mark.parametrize("rule", ["optimal", "difference"])
@pytest.mark.parametrize(("m", "rho_rr"), [(1, None), (4, None), (4, 0.7)])
def test_the_delta_method_follows_the_gain_with_a_leak(rule, m, rho_rr):
    model = {"d": 1.2, "m": m, "rho_rr": rho_rr, "rule": rule, "leak": 0.2}

    def gain(d: float, rho: float) -> float:
        return float(AUC.gain(Correlation(**{**model, "d": d, "rho": rho}).separations))

    step, (n1, n0) = 1e-5, (80, 120)
    slopes = [(gain(1.2 + step, 0.6) - gain(1.2 - step, 0.6)) / (2 * step), (gain(1.2, 0.6 + step) - gain(1.2, 0.6 - step)) / (2 * step)]
    var_d, var_rho, cov = sampling_moments(1.2, 0.6, n1, n0)
    expected = np.sqrt(slopes[0] ** 2 * var_d + slopes[1] ** 2 * var_rho + 2 * slopes[0] * slopes[1] * cov)
    assert Correlation(**model, rho=0.6, measured=(n1, n0)).standard_error(AUC) == pytest.approx(float(expected), rel=1e-5)


def test_near_the_leak_the_ends_of_rho_are_mapped():
    low, _, how = Correlation(d=1.0, rho=0.35, leak=0.3, measured=(100, 100)).interval(AUC)
    assert (low, "mapped" in how, "leak 0.300 held fixed" in how) == (0.0, True, True)


def test_the_plan_takes_the_leak_or_the_auroc_of_the_reference_alone(capsys):
    command = ["plan", "--d", "1.346", "--rho", "0.55", "--json"]
    gains = []
    for leak in ([], ["--leak", "0.501"], ["--auc-reference", "0.683"], ["--auc-reference", "0.5"]):
        assert run_app(app, [*command, *leak]) == 0
        gains.append(json.loads(capsys.readouterr().out)["measures"]["auc"]["gain"])
    assert gains[0] == gains[3] > 0.04
    assert gains[1] == pytest.approx(gains[2], abs=1e-4)
    assert gains[1] < 0.001
    for wrong, says in (
        (["--leak", "0.2", "--auc-reference", "0.6"], "give one"),
        (["--auc-reference", "1"], "strictly between 0 and 1"),
        (["--leak", "1"], "strictly between -1 and 1"),
    ):
        assert run_app(app, [*command, *wrong]) == 2
        assert says in capsys.readouterr().err


def test_impossible_ends_of_the_interval_are_left_out():
    evidence = Correlation(d=1.0, rho=0.45, m=4, rho_rr=0.0, measured=(20, 20))  # possible only to rho = .5
    assert np.isfinite(evidence.spread(AUC.gain)).all()


def test_components_are_t10():
    found = known_components(1.0, 1.5, {"P": 1, "PR": 0.6, "PS": 0.2, "E": 0.4}, m=4, seeds=2)
    assert AUC.value(found.separations.pair) == pytest.approx(0.82388, abs=5e-6)
    expected = plan_study(found, StudyDesign())
    assert np.isnan([measure.patients for measure in expected.values()]).all()
    known = known_components(1.0, 1.5, {"P": 1, "PR": 0.6, "PS": 0.2, "E": 0.4}, m=4, seeds=2, score_correlation=0.8)
    assert np.isfinite(plan_study(known, StudyDesign())["auc"].patients)


def test_noise_attenuates():
    assert correlation_from_variances(3.0, 1.0) == 0.75
    assert correlation_from_variances(3.0, 1.0, noise=2.0, seeds=2) == 0.6


def test_power_curve_meets_the_plan():
    found = plan_study(Known(T12_8), StudyDesign(images_per_patient=3, icc=0.2, power=0.9))
    for name, expected in found.items():
        power = power_curve(name, T12_8, StudyDesign(images_per_patient=3, icc=0.2, power=0.9), [expected.patients - 1, expected.patients])
        assert power[0] < 0.9 + 1e-6
        assert power[1] >= 0.9


# Pilots


def test_pilot_finds_what_was_put_in():
    rng = np.random.default_rng(4)
    single, pair, labels = draw_study(rng, 1, 20_000, 20_000)
    found = pilot(single[0], pair[0] * 3 - 70, labels, resamples=200)
    s = found.separations
    assert [s.single, s.pair, s.correlation] == pytest.approx(
        [1.0, 1.25, 0.8], abs=4 * 0.0113
    )  # s.e. of a separation: sqrt(2 / n + d^2 / 4 n)
    low, high, _ = found.interval(AUC)
    se = contrast("auc", T12_8, StudyDesign()).sd / np.sqrt(40_000)
    assert (high - low) / (2 * 1.96 * se) == pytest.approx(
        1, abs=0.25
    )  # 200 resamples: a quantile to 12 %; DeLong's variance is a little larger than the binormal one
    assert found.icc == 0


def test_bootstrap_of_patients_sees_clusters():
    rng, patients, k = np.random.default_rng(5), 400, 5
    labels, who = np.repeat(np.arange(patients) % 2 == 1, k), np.repeat(np.arange(patients), k)
    effect = rng.standard_normal((2, patients, 1)) + 0.2 * rng.standard_normal((2, patients, k))
    single, pair = effect.reshape(2, -1) + labels
    by_patient, by_image = (pilot(single, pair, labels, groups, resamples=500) for groups in (who, None))
    widths = [np.subtract(*found.interval(AUC)[1::-1]) for found in (by_patient, by_image)]
    assert widths[0] / widths[1] == pytest.approx(np.sqrt(1 + 4 * by_patient.icc), rel=0.2)
    assert by_patient.icc == pytest.approx(1 / 1.04, abs=0.02)
    assert by_patient.images_per_patient == k


def test_clustering_of_unequal_groups():
    rng, sizes = np.random.default_rng(6), np.tile([1, 2, 5, 9], 500)
    who = np.repeat(np.arange(sizes.size), sizes)
    values = np.sqrt(0.3) * rng.standard_normal(sizes.size)[who] + np.sqrt(0.7) * rng.standard_normal(who.size)
    assert clustering(values, who) == pytest.approx(0.3, abs=4 * 0.013)  # s.e. of the estimate by Smith's formula, about .013


# Mistakes


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: Correlation(d=1, rho=1.0), "between -1 and 1"),
        (lambda: Correlation(d=0, rho=0.5), "d = 0"),
        (lambda: Correlation(d=1, rho=0.5, m=8, rho_rr=0.0), "impossible together"),
        (lambda: Correlation(d=1, rho=0.5, m=4, rho_rr=0.0), "determine a healthy query"),
        (lambda: Correlation(d=1, rho=0.5, rule="best"), "optimal, difference"),
        (lambda: Correlation(d=1, rho=0.5, measured=(100, 1)), "measured"),
        (lambda: Correlation(d=1, rho=0.5, rho_interval=(0.6, 0.8)), "does not contain"),
        (lambda: Correlation(d=1, rho=0.5, measured=(9, 9), rho_interval=(0.4, 0.8)), "not both"),
        (lambda: correlation_from_variances(1.0, 0.0), "identical"),
        (lambda: known_components(1.0, 1.0, {"P": 1}), "exactly P, PR, PS, E"),
        (lambda: known_components(1.0, 1.0, {"P": -2, "PR": 0, "PS": 0, "E": 1}), "positive variance"),
        (lambda: StudyDesign(icc=-0.5, images_per_patient=3), "icc = -0.5"),
        (lambda: StudyDesign(images_per_patient=0.5), "one image per patient"),
        (lambda: StudyDesign(prevalence=0.0), "prevalence"),
        (lambda: StudyDesign(power=0.01), "must exceed alpha"),
        (lambda: pilot([0.0] * 8, [1.0] * 8, [True] * 8), "five patients"),
        (lambda: pilot(np.arange(20.0), -np.arange(20.0), np.arange(20) > 9), "pair arm does not separate"),
        (lambda: pilot(np.arange(20.0), np.arange(19.0), np.arange(20) > 9), "same length"),
    ],
)
def test_mistakes_are_one_line(call, says):
    with pytest.raises(InputError, match=says) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_an_interval_of_the_leak_widens_that_of_the_gain_as_intervals_are_combined():
    gain = float(AUC.gain(Correlation(d=1.2, rho=0.7, leak=0.2).separations))
    by_rho = Correlation(d=1.2, rho=0.7, leak=0.2, rho_interval=(0.6, 0.78)).interval(AUC)[:2]
    by_leak = Correlation(d=1.2, rho=0.7, leak=0.2, leak_interval=(0.05, 0.4)).interval(AUC)
    ends = [float(AUC.gain(Correlation(d=1.2, rho=0.7, leak=leak).separations)) for leak in (0.4, 0.05)]
    assert by_leak[:2] == (pytest.approx(ends[0]), pytest.approx(ends[1]))
    assert by_leak[2] == "rho assumed, and the leak from 0.050 to 0.400"
    both = Correlation(d=1.2, rho=0.7, leak=0.2, rho_interval=(0.6, 0.78), leak_interval=(0.05, 0.4)).interval(AUC)
    for end, one, other in zip(both[:2], by_rho, ends, strict=True):
        assert abs(end - gain) == pytest.approx(np.hypot(one - gain, other - gain))


def test_a_leak_that_may_be_as_large_as_the_correlation_leaves_no_sure_gain_and_no_last_patient():
    evidence = Correlation(d=1.2, rho=0.5, leak=0.2, measured=(200, 200), leak_interval=(-0.1, 0.6))
    low, _, how = evidence.interval(AUC)
    assert (low, "mapped" in how) == (0.0, True)  # the delta method would go below the least gain there is
    assert plan_study(evidence, StudyDesign())["auc"].patients_interval[1] == np.inf
    sure = Correlation(d=1.2, rho=0.5, leak=0.2, measured=(200, 200), leak_interval=(0.1, 0.3))
    assert "delta" in sure.interval(AUC)[2]
    assert plan_study(sure, StudyDesign())["auc"].patients_interval[1] < np.inf


@pytest.mark.parametrize("leak", [0.1, 0.45])
def test_the_combined_interval_covers_the_gain_of_simulated_pilots(leak):
    """One pilot measures d and rho, another of the same size the leak; its interval is normal, of a known standard error."""
    d, rho, n, spread, replicates = 1.3, 0.7, 150, 0.1, 400
    rng, truth = np.random.default_rng(7), float(AUC.gain(Correlation(d=1.3, rho=0.7, leak=leak).separations))
    moments = sampling_moments(d, rho, n, n)
    drawn = rng.multivariate_normal([d, rho], [[moments[0], moments[2]], [moments[2], moments[1]]], replicates)
    covered = 0
    for (own, shared), share in zip(drawn, leak + spread * rng.standard_normal(replicates), strict=True):
        ends = (share - 1.96 * spread, share + 1.96 * spread)
        found = Correlation(d=own, rho=shared, measured=(n, n), leak=share, leak_interval=ends).interval(AUC)
        covered += found[0] <= truth <= found[1]
    assert abs(covered / replicates - 0.95) < 3 * np.sqrt(0.95 * 0.05 / replicates)
