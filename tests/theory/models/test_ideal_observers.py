"""Ideal observers: against brute force on small grids, the scalar statement, the printed table, and each other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from see_in_pairs.errors import InputError
from theory import hotelling, scanning
from theory.models.ideal_observers import RULES
from theory.numerics.montecarlo import rank_auc
from theory.statements import t1_univariate_rules as t1

SIDE = 6
Y, X = np.mgrid[:SIDE, :SIDE]
DISTANCE = (Y.ravel()[:, None] - Y.ravel()) ** 2 + (X.ravel()[:, None] - X.ravel()) ** 2
FIELD = np.exp(-DISTANCE / 8) + 0.1 * np.eye(SIDE**2)
MODES = np.exp(-DISTANCE / 40) * 0.5
OTHER = FIELD + 0.2 * np.eye(SIDE**2)


def lesion(row: float, column: float, height: float = 0.7) -> np.ndarray:
    return height * np.exp(-((Y - row) ** 2 + (X - column) ** 2) / 3).ravel()


def test_the_printed_table():
    sigma, cross = [[1, 0.3], [0.3, 1.5]], [[0.5, 0.1], [0.2, 0.6]]
    found = hotelling([1, 0.6], sigma, cross)
    assert [round(found.error(rule), 5) for rule in RULES] == [0.30303, 0.30398, 0.27594]


def test_against_dense_inverses():
    signal, cross = lesion(2, 3), 0.6 * MODES
    found = hotelling(signal, FIELD, cross, OTHER)
    whole = np.block([[FIELD, cross], [cross.T, OTHER]])
    stacked = np.concatenate([signal, 0 * signal])
    assert found.single**2 == pytest.approx(signal @ np.linalg.inv(FIELD) @ signal)
    assert found.difference**2 == pytest.approx(signal @ np.linalg.inv(FIELD + OTHER - 2 * cross) @ signal)
    assert found.joint**2 == pytest.approx(stacked @ np.linalg.inv(whole) @ stacked)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_proportional_covariance_is_the_scalar_statement(rho):
    found = hotelling(lesion(2, 3), FIELD, rho * FIELD)
    for ours, theirs in (("single", "single"), ("difference", "difference"), ("joint", "optimal")):
        assert found.auc(ours) == pytest.approx(float(t1.auc(found.single, rho, theirs)), abs=1e-10)


def test_pixel_correlation_alone_predicts_nothing():
    """Two worlds with the same correlation of each pixel, and very different gains (the warning under T1b)."""
    shared, own = np.exp(-DISTANCE / 200), np.exp(-DISTANCE / 8)
    smooth_shared = hotelling(lesion(2, 3), 0.8 * shared + 0.2 * own + 1e-6 * np.eye(SIDE**2), 0.8 * shared)
    white_own = hotelling(lesion(2, 3), 0.8 * own + 0.2 * np.eye(SIDE**2), 0.8 * own)
    assert (white_own.joint / white_own.single) ** 2 > 1.5 * (smooth_shared.joint / smooth_shared.single) ** 2


def test_one_place_is_the_hotelling_observer():
    signal, cross = lesion(2, 3), 0.8 * FIELD
    exact, found = hotelling(signal, FIELD, cross), scanning(signal[None], FIELD, cross, replicates=20_000)
    for rule in RULES:
        estimate = getattr(found, rule)
        assert abs(estimate.z_against(exact.auc(rule))) < 4
    assert abs(found.gain.z_against(exact.auc("joint") - exact.auc("single"))) < 4


def test_scanning_against_whole_images():
    """The scores that are drawn are as good as images: draw images and average densities by brute force."""
    places = np.stack([lesion(r, c, 0.9) for r in (1, 4) for c in (1, 4)])
    cross, rng, size = 0.6 * MODES, np.random.default_rng(5), 4000
    pixels = SIDE**2
    whole = np.block([[FIELD, cross], [cross.T, OTHER]])
    images = rng.multivariate_normal(np.zeros(2 * pixels), whole, size=2 * size, method="cholesky")
    images[:size, :pixels] += places[rng.integers(4, size=size)]
    sees = {
        "single": np.hstack([np.eye(pixels), np.zeros((pixels, pixels))]),
        "difference": np.hstack([np.eye(pixels), -np.eye(pixels)]),
        "joint": np.eye(2 * pixels),
    }
    found = scanning(places, FIELD, cross, OTHER, replicates=20_000)
    placed = {}
    for rule, seen in sees.items():
        law = stats.multivariate_normal(np.zeros(len(seen)), seen @ whole @ seen.T)
        shifted = [images @ seen.T - seen @ np.concatenate([place, np.zeros(pixels)]) for place in places]
        ratio = np.mean([np.exp(law.logpdf(part) - law.logpdf(images @ seen.T)) for part in shifted], axis=0)
        placed[rule] = rank_auc(ratio[:size], ratio[size:])
        brute, ours = placed[rule].estimate(), getattr(found, rule)
        assert abs(brute.value - ours.value) < 4 * np.hypot(brute.mcse, ours.mcse)
    gain = placed["joint"].minus(placed["single"])
    assert abs(gain.value - found.gain.value) < 4 * np.hypot(gain.mcse, found.gain.mcse)
    assert found.gain.mcse == pytest.approx(gain.mcse * np.sqrt(size / 20_000), rel=0.1)  # the pairing of the observers is right too


def test_not_knowing_the_place_costs():
    places = np.stack([lesion(r, c) for r in (1, 4) for c in (1, 4)])
    known, unknown = scanning(places[:1], FIELD, 0.5 * FIELD, replicates=5000), scanning(places, FIELD, 0.5 * FIELD, replicates=5000)
    assert unknown.joint.value + 4 * unknown.joint.mcse < known.joint.value
    assert unknown.joint.value > unknown.single.value


def test_scanning_is_repeatable():
    places = np.stack([lesion(1, 1), lesion(4, 4)])
    assert scanning(places, FIELD, 0.5 * FIELD, replicates=50, seed=3) == scanning(places, FIELD, 0.5 * FIELD, replicates=50, seed=3)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((np.ones(3), np.eye(2), np.eye(2)), "covariance: has 2 rows for a signal of 3"),
        ((np.ones(2), np.eye(2), np.eye(3)), "cross_covariance: has 3 rows"),
        ((np.ones(2), np.eye(2), np.zeros((2, 2)), -np.eye(2)), "reference_covariance: not positive definite"),
        ((np.ones(2), np.eye(2), 1.1 * np.eye(2)), "not positive definite"),
        ((np.ones(2), np.array([[1.0, 0.5], [0.2, 1.0]]), np.zeros((2, 2))), "symmetric"),
        ((np.ones((2, 2)), np.eye(2), np.zeros((2, 2))), "one list of pixel values"),
        ((np.array([1.0, np.nan]), np.eye(2), np.zeros((2, 2))), "finite"),
    ],
)
def test_impossible_images_are_refused(arguments, says):
    with pytest.raises(InputError, match=says):
        hotelling(*arguments)


def test_unknown_rule_is_refused():
    with pytest.raises(InputError, match="single, difference, joint"):
        hotelling(np.ones(1), np.eye(1), 0.5 * np.eye(1)).auc("optimal")
