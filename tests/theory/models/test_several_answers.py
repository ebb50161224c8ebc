"""Ideal observers of K answers against brute-force Bayes on whole images, closed forms, and the binary observers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

from see_in_pairs.errors import InputError
from theory.models.ideal_observers import RULES, hotelling, scanning
from theory.models.several_answers import ClosedQuestion, Scores, answer_question, grouped, log_likelihoods
from theory.statements import t1_univariate_rules as t1
from theory.statements import t16_several_classes as t16

SIDE = 12
PATIENTS = 80_000  # accuracy .5: an MCSE of .0018


def images(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Signals (4, P) of two shapes at two places, covariance and cross-covariance of images of 144 pixels, not proportional."""
    rng, place = np.random.default_rng(seed), np.arange(SIDE)
    kernel = np.exp(-((place[:, None] - place) ** 2) / 18)
    smooth, modes = np.kron(kernel, kernel), rng.standard_normal((3, SIDE**2))
    sigma = 4 * smooth + modes.T @ modes * 0.1 + np.eye(SIDE**2)
    cross = 0.8 * 4 * smooth + 0.5 * modes.T @ modes * 0.1 + 0.3 * np.eye(SIDE**2)
    row, column = np.mgrid[:SIDE, :SIDE]
    radius = [np.hypot(row - r, column - c) for r, c in ((3, 3), (8, 8))]
    drawn = [np.exp(-((one / 1.5) ** 2) / 2) for one in radius] + [np.exp(-(((one - 2) / 0.8) ** 2) / 2) for one in radius]
    return np.stack([1.8 * one.ravel() for one in drawn]), sigma, cross


WEIGHTS = np.array([[0, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [1.5, 0, 0, 1.5]], dtype=float)
PRIOR = np.array([0.3, 0.2, 0.1, 0.15, 0.15, 0.1])
KIND = np.array([0, 1, 1, 2, 2, 3])


def test_answers_are_those_of_brute_force_bayes_on_whole_images() -> None:
    signals, sigma, cross = images()
    rng, n = np.random.default_rng(1), 20_000
    truth = rng.choice(len(PRIOR), size=n, p=PRIOR)
    both = np.linalg.cholesky(np.block([[sigma, cross], [cross.T, sigma]]))
    drawn = rng.standard_normal((n, len(both))) @ both.T
    query, reference = drawn[:, : SIDE**2] + WEIGHTS[truth] @ signals, drawn[:, SIDE**2 :]
    seen = {
        "single": (query, sigma, np.zeros((SIDE**2, 0))),
        "difference": (query - reference, 2 * sigma - cross - cross.T, None),
        "joint": (np.hstack([query, reference]), np.block([[sigma, cross], [cross.T, sigma]]), None),
    }
    scores = Scores.of(signals, sigma, cross)
    found = {(one.observer, one.measure): one for one in answer_question(ClosedQuestion(WEIGHTS, PRIOR, KIND), scores, replicates=PATIENTS)}
    prediction = np.linalg.solve(sigma, cross).T
    for number, (rule, (data, covariance, _)) in enumerate(seen.items()):
        whitened = np.linalg.cholesky(np.linalg.inv(covariance))
        means = np.zeros((len(WEIGHTS), data.shape[1]))
        means[:, : SIDE**2] = WEIGHTS @ signals
        logs = np.stack([-0.5 * np.square((data - mean) @ whitened).sum(axis=1) for mean in means], axis=1)
        # the scores give the same likelihoods, up to what is the same for every hypothesis
        residual = {"single": query, "difference": query - reference, "joint": query - reference @ prediction.T}[rule]
        spread = {"single": sigma, "difference": 2 * sigma - cross - cross.T, "joint": sigma - prediction @ cross.T}[rule]
        short = log_likelihoods(residual @ np.linalg.solve(spread, signals.T), WEIGHTS, scores.grams[number])
        np.testing.assert_allclose(short - short[:, :1], logs - logs[:, :1], atol=1e-6)
        of_kind = np.arange(4)[:, None] == KIND
        posterior = np.stack([logsumexp((logs + np.log(PRIOR))[:, of_kind[k]], axis=1) for k in range(4)], axis=1)
        accuracy = (posterior.argmax(axis=1) == KIND[truth]).mean()
        simulated = found[rule, "accuracy"].value
        assert abs(accuracy - simulated.value) < 4 * np.hypot(np.sqrt(accuracy * (1 - accuracy) / n), simulated.mcse)
        shares = np.exp(posterior - logsumexp(posterior, axis=1, keepdims=True))
        areas = [_area(shares[:, k], KIND[truth] == k) for k in range(4)]
        simulated = found[rule, "macro_auroc"].value
        assert simulated.mcse < 0.002
        assert abs(np.mean(areas) - simulated.value) < 4 * simulated.mcse * np.sqrt(1 + PATIENTS / n)


def _area(score: np.ndarray, positive: np.ndarray) -> float:
    return float(stats.mannwhitneyu(score[positive], score[~positive]).statistic / positive.sum() / (~positive).sum())


def test_one_finding_against_none_is_the_known_binary_observer() -> None:
    signals, sigma, cross = images()
    question = ClosedQuestion(WEIGHTS[:2], np.array([0.5, 0.5]), np.array([0, 1]))
    exact = {(one.observer, one.measure): one for one in answer_question(question, Scores.of(signals, sigma, cross))}
    known = hotelling(signals[0], sigma, cross)
    for rule in RULES:
        assert exact[rule, "macro_auroc"].value.value == pytest.approx(known.auc(rule), abs=1e-9)
        assert exact[rule, "accuracy"].value.value == pytest.approx(1 - known.error(rule), abs=1e-9)
        assert exact[rule, "accuracy"].value.mcse == 0
    # unequal odds move the threshold as in T1
    rare = answer_question(ClosedQuestion(WEIGHTS[:2], np.array([0.9, 0.1]), np.array([0, 1])), Scores.of(signals, sigma, cross))
    assert rare[0].value.value == pytest.approx(1 - float(t1.error(known.single, 0.0, "single", 0.1)), abs=1e-9)


def test_one_of_several_places_is_the_scanning_observer() -> None:
    signals, sigma, cross = images()
    question = ClosedQuestion(WEIGHTS[:3], np.array([0.5, 0.25, 0.25]), np.array([0, 1, 1]))
    found = answer_question(question, Scores.of(signals, sigma, cross), replicates=PATIENTS)
    scan = scanning(signals[:2], sigma, cross, replicates=40_000, seed=3)
    for one in found[3:]:
        expected = getattr(scan, one.observer)
        assert one.measure == "macro_auroc"
        assert abs(one.value.value - expected.value) < 4 * np.hypot(one.value.mcse, expected.mcse)


@pytest.mark.parametrize(("d", "rho", "K"), [(1.5, 0.8, 4), (1.0, 0.3, 3), (2.0, -0.5, 6)])
def test_unlike_signals_are_t16(d: float, rho: float, K: int) -> None:
    gram = d**2 * np.eye(K)
    for healthy in (True, False):
        weights = np.eye(K, K - 1, k=-1) if healthy else np.eye(K)
        scores = Scores.proportional(gram[: weights.shape[1], : weights.shape[1]], rho)
        found = answer_question(ClosedQuestion(weights, np.full(K, 1 / K), np.arange(K)), scores, replicates=PATIENTS, seed=K)
        for one, rule in zip(found[:3], ("single", "difference", "optimal"), strict=True):
            assert one.measure == "accuracy" and one.value.mcse < 0.002
            apart, geometry = (d, "star") if healthy else (np.sqrt(2) * d, "simplex")
            expected = t16.accuracy(K, apart, rho, rule, geometry)
            assert abs(one.value.value - expected) < 4 * one.value.mcse
            gain = t16.gain(K, apart, rho, rule, geometry)
            assert abs(one.gain.value - gain) < 4 * one.gain.mcse + 1e-12
            assert one.gain.mcse < 0.002


def test_proportional_scores_are_those_of_the_matrices() -> None:
    signals, sigma, _ = images()
    dense, short = Scores.of(signals, sigma, 0.7 * sigma), Scores.proportional(signals @ np.linalg.solve(sigma, signals.T), 0.7)
    np.testing.assert_allclose(dense.grams, short.grams, rtol=1e-8)
    np.testing.assert_allclose(dense.joint, short.joint, rtol=1e-8)


def test_the_expected_grade_beats_every_constant_and_the_reference_helps_it() -> None:
    grades = np.array([[0.0], [0.7], [1.4]])
    question = ClosedQuestion(grades, np.full(3, 1 / 3), np.arange(3), ordered=True)
    found = [
        one
        for one in answer_question(question, Scores.proportional(np.array([[2.0]]), 0.8), replicates=PATIENTS)
        if one.measure == "grade_error"
    ]
    single, _, joint = (one.value.value for one in found)
    z = stats.norm.ppf((np.arange(4000) + 0.5) / 4000)  # quadrature of the posterior variance, by hand
    variance = 0.0
    for k in range(3):
        t = 2 * grades[k, 0] + np.sqrt(2) * z
        logs = t[:, None] * grades[:, 0] - grades[:, 0] ** 2
        posterior = np.exp(logs - logsumexp(logs, axis=1, keepdims=True))
        variance += np.mean((posterior @ np.arange(3) - k) ** 2) / 3
    assert abs(single - np.sqrt(variance)) < 4 * found[0].value.mcse
    assert joint < single - 0.05 < np.sqrt(2 / 3) - 0.05


def test_what_is_known_leaves_fewer_hypotheses() -> None:
    signals, sigma, cross = images()
    kinds = np.array([0, 1, 1, 2, 2])
    spread = grouped(WEIGHTS[:5], PRIOR[:5], list(kinds), [None, 0, 1, 0, 1])
    assert spread[1].sum() == pytest.approx(PRIOR[:5].sum()) and list(spread[3]) == [0, 1, 0, 1, 0, 1]
    assert spread[1][:2] == pytest.approx(0.3 * np.array([0.35, 0.25]) / 0.6)
    scores = Scores.of(signals, sigma, cross)
    found = answer_question(ClosedQuestion(spread[0], spread[1], spread[2], spread[3]), scores, replicates=PATIENTS)
    searched = answer_question(ClosedQuestion(WEIGHTS[:5], PRIOR[:5], kinds), scores, replicates=PATIENTS)
    assert all(one.value.value > other.value.value + 0.01 for one, other in zip(found, searched, strict=True))


IMPOSSIBLE = {
    "answers": ClosedQuestion(WEIGHTS, PRIOR, np.zeros(6, dtype=int)),
    "prior": ClosedQuestion(WEIGHTS, PRIOR * [1, 1, 1, 1, 1, 0], KIND),
}


@pytest.mark.parametrize("words", IMPOSSIBLE)
def test_impossible_questions_are_refused(words: str) -> None:
    with pytest.raises(InputError, match=words):
        answer_question(IMPOSSIBLE[words], Scores.proportional(np.eye(4), 0.5), replicates=100)
