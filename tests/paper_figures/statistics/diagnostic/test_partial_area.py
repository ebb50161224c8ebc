"""Partial areas: every item left out, the whole range against DeLong, coverage, edges; values of pROC are in the ledger."""

import math

import numpy as np
import pytest
from scipy import special
from scipy.integrate import quad

from paper_figures.statistics import clustered_auroc_difference, partial_auroc
from see_in_pairs.errors import InputError

RANGES = [(0.0, 0.2), (0.1, 0.4), (0.33, 0.9), (0.0, 1.0)]


def area(scores: np.ndarray, labels: np.ndarray, start: float, stop: float) -> float:
    """The area under straight lines between all corners, segment by segment."""
    cuts = np.unique(scores)[::-1]
    x, y = ([0.0, *((scores[members][:, None] >= cuts).mean(axis=0))] for members in (~labels, labels))
    total = 0.0
    for left, right, low, high in zip(x[:-1], x[1:], y[:-1], y[1:], strict=True):
        a, b = max(left, start), min(right, stop)
        if b > a:
            total += (low + (high - low) * ((a + b) / 2 - left) / (right - left)) * (b - a)
    return total


def sample(seed: int, digits: int, n: int = 120) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.random(n) < 0.4
    return np.round(rng.normal(size=(2, n)) + np.array([[1.5], [0.8]]) * labels, digits), labels


@pytest.mark.parametrize("over", ["specificity", "sensitivity"])
@pytest.mark.parametrize("digits", [0, 1, 6])
@pytest.mark.parametrize(("start", "stop"), RANGES)
def test_against_the_sum_over_segments(over: str, digits: int, start: float, stop: float) -> None:
    scores, labels = sample(1, digits)
    found = partial_auroc(scores, labels, low=1 - stop, high=1 - start, over=over).area
    curves, flags = (scores, labels) if over == "specificity" else (-scores, ~labels)
    assert [found.a, found.b] == pytest.approx([area(row, flags, start, stop) for row in curves], abs=1e-12)


@pytest.mark.parametrize(("start", "stop"), RANGES)
def test_contributions_against_leaving_an_item_out(start: float, stop: float) -> None:
    scores, labels = sample(0, 1)
    found = partial_auroc(scores, labels, low=1 - stop, high=1 - start).area
    left = np.array(
        [np.subtract(*(area(np.delete(row, i), np.delete(labels, i), start, stop) for row in scores)) for i in range(len(labels))]
    )
    variance = sum((len(x) - 1) / len(x) * ((x - x.mean()) ** 2).sum() for x in (left[labels], left[~labels]))
    assert found.se == pytest.approx(math.sqrt(variance), rel=0.01)


def test_the_whole_range_is_the_area() -> None:
    scores, labels = sample(3, 1)
    patients = np.arange(120) // 3
    found, twin = partial_auroc(scores, labels, patients, 0, 1).area, clustered_auroc_difference(scores, labels, patients)
    assert found.estimate == pytest.approx(twin.estimate, abs=1e-12)
    assert (found.se, found.p) == pytest.approx((twin.se, twin.p), rel=1e-9)


def test_the_standardised_area() -> None:
    """.5 at chance, 1 where the classes are separated; its difference and interval are those of the area on another scale."""
    labels = np.arange(4000) % 2 == 0
    scores = np.stack([labels + 0.0, np.random.default_rng(0).normal(size=4000)])
    found = partial_auroc(scores, labels, low=0.7, high=0.9)
    assert found.standardised.a == pytest.approx(1)
    assert found.standardised.b == pytest.approx(0.5, abs=0.03)
    assert found.standardised.estimate == pytest.approx(found.standardised.a - found.standardised.b)
    assert found.standardised.p == found.area.p


@pytest.mark.parametrize("patients", [120, 60])
def test_intervals_cover(patients: int) -> None:
    rng, replicates, inside, own = np.random.default_rng(patients), 400, 0, 0
    curve = lambda t, d: float(special.ndtr(d + special.ndtri(t)))
    truth = [quad(curve, 0, 0.3, (d,))[0] for d in (1.8, 1.2)]
    for _ in range(replicates):
        codes = np.arange(240) % patients
        labels = codes % 2 == 0
        patient = rng.normal(size=patients)[codes]
        own_part = rng.normal(size=(2, patients))[:, codes]
        scores = 0.5 * patient + 0.5 * own_part + math.sqrt(0.5) * rng.normal(size=(2, 240)) + np.array([[1.8], [1.2]]) * labels
        found = partial_auroc(scores, labels, codes, 0.7, 1).area
        inside += found.interval[0] <= truth[0] - truth[1] <= found.interval[1]  # type: ignore[index]
        own += found.a_interval[0] <= truth[0] <= found.a_interval[1]  # type: ignore[index]
    least = 0.95 - 3 * math.sqrt(0.95 * 0.05 / replicates)
    assert inside / replicates >= least
    assert own / replicates >= least


def test_trainings_are_averaged() -> None:
    scores, labels = sample(5, 2)
    again = np.concatenate([scores, scores + 0.5 * np.random.default_rng(1).normal(size=scores.shape)], axis=1)
    found = partial_auroc(again, np.tile(labels, 2), np.tile(np.arange(120), 2), seeds=np.repeat(["x", "y"], 120)).area
    one = [partial_auroc(again[:, part], labels).area.estimate for part in np.split(np.arange(240), 2)]
    assert found.estimate == pytest.approx(np.mean(one))
    assert found.interval[0] < found.estimate < found.interval[1]  # type: ignore[index]


def test_edges() -> None:
    scores, labels = sample(6, 1)
    same = partial_auroc(np.stack([scores[0]] * 2), labels).area
    assert (same.estimate, same.p) == (0, 1)
    assert same.interval is None
    few = partial_auroc(scores[:, :40], labels[:40], low=0.95, high=1).area
    assert few.interval is None
    assert "within the range" in few.reason
    one = partial_auroc(scores[:, :40], np.arange(40) == 0).area
    assert (one.interval, np.isfinite([one.a, one.b, one.estimate]).all(), "1 clusters" in one.reason) == (None, True, True)
    infinite = partial_auroc(np.where(scores > 2, math.inf, scores), labels).area
    assert math.isfinite(infinite.a)
    for wrong, line in (({"low": 0.9, "high": 0.5}, "range within"), ({"over": "time"}, "choose specificity")):
        with pytest.raises(InputError, match=line):
            partial_auroc(scores, labels, **wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="two arms"):
        partial_auroc(scores[0], labels)
