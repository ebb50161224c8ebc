"""The one kernel of placements and areas, against the double loop over pairs of items."""

import numpy as np
import pytest

from see_in_pairs.roc import auroc, placements, weighted_auroc


def _beats(scores, labels):
    """How much each positive item (row) beats each negative one (column): 1, one half for a tie, 0."""
    positive, negative = scores[labels][:, None], scores[~labels][None]
    return (positive > negative) + (positive == negative) / 2


@pytest.mark.parametrize("decimals", [0, 1, 6])
def test_placements_count_the_pairs_of_each_item(decimals):
    rng = np.random.default_rng(decimals)
    scores, labels = rng.normal(size=80).round(decimals), rng.random(80) < 0.4
    scores[[3, 5, 7, 8]] = np.inf, -np.inf, np.inf, -np.inf
    beats, found = _beats(scores, labels), placements(scores, labels)
    assert found[labels].tolist() == (beats.sum(axis=1) / beats.shape[1]).tolist()
    assert found[~labels] == pytest.approx(beats.mean(axis=0), abs=1e-15)
    assert auroc(scores, labels) == pytest.approx(beats.mean(), abs=1e-15)


def test_a_block_is_its_rows_bit_by_bit():
    rng = np.random.default_rng(1)
    block, labels = rng.normal(size=(3, 4, 50)), rng.random(50) < 0.5
    block[1] = block[1].round(1)  # ties in some rows only
    found = placements(block, labels)
    assert all((found[i, j] == placements(block[i, j], labels)).all() for i in range(3) for j in range(4))


def test_weights_are_repeated_items():
    rng = np.random.default_rng(2)
    scores, labels = rng.normal(size=60).round(1), rng.random(60) < 0.5
    columns = rng.integers(0, 12, 60)
    weights = rng.multinomial(12, np.full(12, 1 / 12), size=20).astype(float)
    repeated = [np.repeat(np.arange(60), row[columns].astype(int)) for row in weights]
    expected = [_beats(scores[rows], labels[rows]).mean() for rows in repeated]
    assert weighted_auroc(scores, labels, columns)(weights) == pytest.approx(expected, abs=1e-12)


def test_a_class_without_weight_has_no_area():
    area = weighted_auroc(np.array([0.9, 0.1]), np.array([True, False]), np.arange(2))
    assert np.isnan(area(np.array([[1.0, 0.0], [0.0, 1.0]]))).all()
