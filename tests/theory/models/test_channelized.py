"""Channelised observers: against the ideal observer, exact laws of finite samples, brute force, and what a user may get wrong."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.covariance import ledoit_wolf_shrinkage

from see_in_pairs.errors import InputError
from see_in_pairs.roc import auroc
from theory.models import channelized
from theory.models.channelized import ChannelizedObserver, channel_profiles, detectability, gain, learn
from theory.models.discriminant import pooled_auroc, pooled_error
from theory.models.ideal_observers import RULES, hotelling

SIDE = 16
Y, X = np.mgrid[:SIDE, :SIDE]
DISTANCE = (Y.ravel()[:, None] - Y.ravel()) ** 2 + (X.ravel()[:, None] - X.ravel()) ** 2
FIELD = np.exp(-DISTANCE / 12) + 0.3 * np.eye(SIDE**2)
LESION = 0.9 * np.exp(-((Y - 7.5) ** 2 + (X - 7.5) ** 2) / 6).ravel()
RHO = 0.8


def pairs(n: int, p: int, distance: float, rng: np.random.Generator, rho: float = RHO) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Channel outputs of query and reference, and labels, half of them diseased; the distance of the classes is in the first channel."""
    shared, own, other = rng.standard_normal((3, n, p))
    labels = np.arange(n) < n // 2
    query, reference = (np.sqrt(rho) * shared + np.sqrt(1 - rho) * part for part in (own, other))
    query[labels, 0] += distance
    return query, reference, labels


DISTANCES = {"single": 1.0, "difference": 1 / np.sqrt(2 * (1 - RHO)), "joint": 1 / np.sqrt(1 - RHO**2)}
"""What becomes of a distance of 1 when query and reference have correlation RHO (T1b)."""


@pytest.mark.parametrize("kind", channelized.KINDS)
def test_channels_are_as_long_as_one_and_centred(kind):
    made = channel_profiles((33, 33), kind, number=3)
    assert np.linalg.norm(made, axis=1) == pytest.approx(np.ones(len(made)))
    even = made if kind != "gabor" else made[::2]
    assert np.allclose(even, even[:, ::-1])  # turned by half a turn about the middle
    moved = channel_profiles((33, 33), kind, number=3, centre=(20.0, 9.0))
    peak = np.unravel_index(np.abs(moved[0]).argmax(), (33, 33))
    assert peak == (20, 9)


def test_laguerre_gauss_channels_are_orthogonal():
    made = channel_profiles((96, 96), number=5, width=20)
    assert made @ made.T == pytest.approx(np.eye(5), abs=1e-6)


def test_a_difference_of_gaussians_is_one_over_frequency():
    side, width = 128, 8.0
    made = channel_profiles((side, side), "difference_of_gaussians", width=width, number=2, centre=(0.0, 0.0)).reshape(2, side, side)
    wrapped = [np.minimum(np.arange(side), side - np.arange(side))] * 2
    squared = wrapped[0][:, None] ** 2 + wrapped[1][None, :] ** 2.0
    f2 = np.fft.fftfreq(side)[:, None] ** 2 + np.fft.fftfreq(side)[None, :] ** 2
    for band, profile in enumerate(made):
        sigma = 1 / (2 * width * 2**band)
        stated = np.exp(-f2 / (2 * (2 * sigma) ** 2)) - np.exp(-f2 / (2 * sigma**2))
        full = channelized._gaussian_of_frequency(squared, 2 * sigma) - channelized._gaussian_of_frequency(squared, sigma)
        assert np.fft.fft2(full).real == pytest.approx(stated, abs=2e-3)
        assert profile[:40, :40] == pytest.approx(full[:40, :40] * profile[0, 0] / full[0, 0])


def test_a_gabor_band_is_an_octave_wide():
    row = channel_profiles((1025, 3), "gabor", number=1, width=32, orientations=1)[0].reshape(1025, 3)
    column = channel_profiles((3, 1025), "gabor", number=1, width=32, orientations=1)[0].reshape(3, 1025)[1]
    gains = np.abs(np.fft.rfft(column, 8192))
    above = np.flatnonzero(gains > gains.max() / 2) / 8192
    assert above[-1] / above[0] == pytest.approx(2.0, rel=0.02)
    assert np.argmax(gains) / 8192 == pytest.approx(1 / 32, rel=0.01)
    assert np.ptp(row[:, 1]) > 0


def test_the_best_channel_loses_nothing():
    """With the lesion as the only channel in white noise, and its prewhitened form in any noise, the observer is the ideal one."""
    cross = RHO * FIELD
    ideal = hotelling(LESION, FIELD, cross)
    best = np.linalg.solve(FIELD, LESION)[None]
    reduced = hotelling(best @ LESION, best @ FIELD @ best.T, best @ cross @ best.T)
    assert [getattr(reduced, rule) for rule in RULES] == pytest.approx([getattr(ideal, rule) for rule in RULES])
    white = np.eye(SIDE**2)
    assert hotelling(LESION, white, 0 * white).single == pytest.approx(np.linalg.norm(LESION))


@pytest.mark.parametrize("observer", RULES)
def test_what_is_learned_from_images_meets_hotelling(observer):
    """Mean of the estimated squared index over samples, within 4 MCSE of the ideal observer's: the estimate has no bias."""
    rng, cross = np.random.default_rng(3), RHO * FIELD
    best = np.linalg.solve(FIELD, LESION)[None]
    root = np.linalg.cholesky(FIELD + 1e-12 * np.eye(SIDE**2))
    found = []
    for _ in range(150):
        shared, own, other = (rng.standard_normal((60, SIDE**2)) @ root.T for _ in range(3))
        labels = np.arange(60) < 30
        query = np.sqrt(RHO) * shared + np.sqrt(1 - RHO) * own + labels[:, None] * LESION
        reference = np.sqrt(RHO) * shared + np.sqrt(1 - RHO) * other
        features = channelized.seen(query @ best.T, reference @ best.T, observer)
        squared = channelized._mahalanobis(channelized._Moments.of(features, labels))
        found.append(float(channelized._unbiased(squared, features.shape[1], 30, 30)))
    expected = getattr(hotelling(LESION, FIELD, cross), observer) ** 2
    assert abs(np.mean(found) - expected) < 4 * np.std(found) / np.sqrt(len(found))


@pytest.mark.parametrize(("p", "n"), [(4, 20), (12, 30)])
@pytest.mark.parametrize("observer", RULES)
def test_learning_curves_meet_the_exact_ones(p, n, observer):
    """Error and AUROC of rules learned from n cases a class, on new cases, against T4's exact expectations, within 4 MCSE."""
    rng, errors, areas = np.random.default_rng(p), [], []
    for _ in range(400):
        query, reference, labels = pairs(2 * n, p, 1.5, rng)
        rule = learn(query, labels, reference, observer)
        query, reference, labels = pairs(60, p, 1.5, rng)
        scores = rule.scores(query, reference)
        errors.append(np.mean((scores > rule.threshold) != labels))
        areas.append(auroc(scores, labels))
    size, distance = (2 * p if observer == "joint" else p), 1.5 * DISTANCES[observer]
    for values, exact in ((errors, pooled_error(size, n, distance)), (areas, pooled_auroc(size, n, distance))):
        assert abs(np.mean(values) - exact) < 4 * np.std(values) / np.sqrt(len(values))


def test_intervals_cover():
    """Of 100 images in 8 channels, in 150 samples: every interval covers at least .95 minus 3 MCSE of the time."""
    rng, samples = np.random.default_rng(5), 150
    areas = {name: stats.norm.cdf(1.2 * value / np.sqrt(2)) for name, value in DISTANCES.items()}
    covered = dict.fromkeys([*RULES, "joint minus single", "difference minus single"], 0)
    for _ in range(samples):
        query, reference, labels = pairs(100, 8, 1.2, rng)
        for name in RULES:
            found = detectability(query, labels, reference, name)
            covered[name] += found.low <= areas[name] <= found.high
        for name in ("joint", "difference"):
            found = gain(query, labels, reference, name)
            covered[found.observer] += found.low <= areas[name] - areas["single"] <= found.high
    least = 0.95 - 3 * np.sqrt(0.95 * 0.05 / samples)
    assert min(covered.values()) / samples >= least, covered


def test_the_exact_interval_is_that_of_the_noncentral_f():
    query, _, labels = pairs(80, 6, 1.0, np.random.default_rng(2))
    found = detectability(query, labels, level=0.9)
    means = query[labels].mean(axis=0) - query[~labels].mean(axis=0)
    pooled = (np.cov(query[labels].T) * 39 + np.cov(query[~labels].T) * 39) / 78
    squared = means @ np.linalg.solve(pooled, means)
    statistic = (78 - 6 + 1) / (78 * 6) * 20 * squared
    for end, probability in ((found.low, 0.95), (found.high, 0.05)):
        noncentrality = 20 * (np.sqrt(2) * stats.norm.ppf(end)) ** 2
        assert stats.ncf.cdf(statistic, 6, 73, noncentrality) == pytest.approx(probability, abs=1e-6)
    assert found.detectability**2 == pytest.approx((78 - 7) / 78 * squared - 6 * (2 / 40))
    assert (found.method, found.n) == ("exact", (40, 40))


def test_nothing_to_see_has_an_interval_from_one_half():
    query, _, labels = pairs(60, 5, 0.0, np.random.default_rng(8))
    found = detectability(query, labels)
    assert found.low == 0.5 <= found.auroc <= found.high < 0.8


def test_the_jackknife_leaves_out_patients():
    rng = np.random.default_rng(4)
    query, reference, labels = pairs(90, 3, 1.0, rng)
    patients = rng.permutation(np.repeat(np.arange(30), 3))
    found = gain(query, labels, reference, "difference", clusters=patients)

    def probits(kept):
        found = []
        for features in (query - reference, query):
            one, two = features[kept & labels], features[kept & ~labels]
            freedom = len(one) + len(two) - 2
            pooled = (np.cov(one.T) * (len(one) - 1) + np.cov(two.T) * (len(two) - 1)) / freedom
            means = one.mean(axis=0) - two.mean(axis=0)
            squared = (freedom - 4) / freedom * means @ np.linalg.solve(pooled, means) - 3 * (1 / len(one) + 1 / len(two))
            found.append(np.sign(squared) * np.sqrt(abs(squared) / 2))
        return np.array(found)

    values = np.stack([probits(patients != one) for one in range(30)])
    covariance = 29 / 30 * (values - values.mean(axis=0)).T @ (values - values.mean(axis=0))
    centre = probits(np.ones(90, dtype=bool))
    assert found.auroc == pytest.approx(np.subtract(*stats.norm.cdf(centre)))
    wider = stats.t.ppf(0.975, 29) / stats.norm.ppf(0.975)
    drawn = stats.norm.cdf(rng.multivariate_normal(centre, wider**2 * covariance, size=400_000))
    assert [found.low, found.high] == pytest.approx(np.quantile(drawn[:, 0] - drawn[:, 1], [0.025, 0.975]), abs=2e-3)


def test_shrinkage_is_that_of_ledoit_and_wolf():
    query, _, labels = pairs(40, 60, 1.0, np.random.default_rng(6))
    centred = query - np.where(labels[:, None], query[labels].mean(axis=0), query[~labels].mean(axis=0))
    assert channelized.ledoit_wolf(centred) == pytest.approx(ledoit_wolf_shrinkage(centred, assume_centered=True))
    rule = learn(query, labels, shrinkage="ledoit_wolf")
    assert auroc(rule.scores(query), labels) > 0.8
    with pytest.raises(InputError, match="60 features need more than 62 cases, or shrinkage"):
        learn(query, labels)


def test_internal_noise_adds_to_the_noise_of_the_images():
    query, _, labels = pairs(40_000, 2, 1.5, np.random.default_rng(7))
    rule = learn(query, labels)
    quiet, noisy = auroc(rule.scores(query), labels), auroc(rule.scores(query, internal_noise=1.0, seed=1), labels)
    assert quiet == pytest.approx(stats.norm.cdf(1.5 / np.sqrt(2)), abs=0.008)
    assert noisy == pytest.approx(stats.norm.cdf(1.5 / np.sqrt(2) / np.sqrt(2)), abs=0.008)
    with pytest.raises(InputError, match="internal noise is random"):
        rule.scores(query, internal_noise=1.0)


def test_a_scanning_observer_takes_the_largest_score():
    rule = ChannelizedObserver("difference", np.array([1.0, 2.0]), 0.0, 1.0)
    query = np.array([[[1.0, 0.0], [0.0, 3.0]], [[-1.0, 0.0], [0.0, 0.0]]])
    assert rule.scores(query, np.zeros_like(query)).tolist() == [6.0, 0.0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (dict(labels=[0, 1]), "one for each of the 6 images"),
        (dict(labels=[2, 1, 0, 0, 1, 0]), "must be 0"),
        (dict(labels=[0, 0, 0, 0, 0, 1]), "each class needs at least two"),
        (dict(observer="both"), "observer"),
        (dict(observer="joint"), "needs the channel outputs of the references"),
        (dict(observer="joint", reference=np.zeros((5, 1))), "is not that of query"),
        (dict(query=[[np.nan]] * 6), "query"),
        (dict(shrinkage=2.0), "shrinkage"),
        (dict(query=np.ones((6, 2)) * np.arange(6)[:, None]), "linear combinations of others"),
    ],
)
def test_what_does_not_fit_is_one_line(change, words):
    given = dict(query=np.arange(6.0)[:, None] ** 2, labels=[0, 1, 0, 1, 0, 1]) | change
    with pytest.raises(InputError, match=words):
        learn(**given)


def test_the_jackknife_is_over_patients_on_the_probit_scale():
    query, reference, labels = pairs(120, 3, 1.5, np.random.default_rng(3))
    patients = np.arange(120) % 30
    found = detectability(query, labels, reference, "joint", clusters=patients, level=0.9)

    def probit(kept):
        features, flags = np.hstack([query, reference])[kept], labels[kept]
        squared = channelized._unbiased(channelized._mahalanobis(channelized._Moments.of(features, flags)), 6, flags.sum(), (~flags).sum())
        return float(np.sqrt(squared / 2))

    values = np.array([probit(patients != patient) for patient in range(30)])
    reach = stats.t.ppf(0.95, 29) * np.sqrt(29 / 30 * np.sum((values - values.mean()) ** 2))
    ends = stats.norm.cdf(probit(patients >= 0) + np.array([-reach, reach]))
    assert (found.low, found.high) == pytest.approx(tuple(ends))


def test_the_interval_of_a_difference_is_that_of_drawn_areas():
    probits, root = np.array([1.9, 1.2]), np.array([[0.3, 0.0], [0.2, 0.15]])
    drawn = stats.norm.cdf(probits + np.random.default_rng(0).standard_normal((400_000, 2)) @ root.T)
    low, high = channelized._interval_of_difference(probits, root @ root.T, 0.95)
    assert (low, high) == pytest.approx(np.quantile(drawn[:, 0] - drawn[:, 1], [0.025, 0.975]), abs=2e-3)
    query, reference, labels = pairs(60, 3, 1.0, np.random.default_rng(1))
    same = gain(query, labels, reference, "joint", over="joint")
    assert (same.low, same.auroc, same.high) == pytest.approx((0, 0, 0), abs=1e-9)
