"""The price of weighing the reference by a wrong correlation, or by one learned from few pairs (T12.1, T12.2)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from theory.numerics.validation import Floats
from theory.statements import t1_univariate_rules as t1
from theory.statements.t12_formulas import minimax_ratio_weight
from theory.sweeps import estimand, generator, method
from theory.sweeps.ready.intervals import Report, mean_report


class Experiments(NamedTuple):
    """Patients to judge, and pairs of images to learn from.

    Shapes: `query, reference` (replicates, patients), `diseased` (replicates, patients), `slope` (replicates,).
    """

    query: Floats
    reference: Floats
    diseased: np.ndarray
    slope: Floats  # regression of query on reference in the training pairs, centred within classes
    d: float


@generator("pairs of one correlation", vectorised=True)
def pairs_of_one_correlation(*, rng: np.random.Generator, replicates: int, d: float, rho: float, patients: int, pairs: int) -> Experiments:
    """Draw patients with a reference each, and training pairs."""
    query, reference = _correlated(rng, rho, (replicates, patients))
    diseased = rng.random((replicates, patients)) < 0.5
    known = _correlated(rng, rho, (replicates, 2, pairs // 2))
    centred = [image - image.mean(axis=2, keepdims=True) for image in known]
    slope = (centred[0] * centred[1]).sum(axis=(1, 2)) / np.square(centred[1]).sum(axis=(1, 2))
    return Experiments(query + d * diseased, reference, diseased, slope, d)


def _correlated(rng: np.random.Generator, rho: float, shape: tuple[int, ...]) -> tuple[Floats, Floats]:
    first, second = rng.standard_normal((2, *shape))
    return rho * second + np.sqrt((1 - rho) * (1 + rho)) * first, second


@estimand("error of the best weight")
def error_of_the_best_weight(*, d: float, rho: float) -> float:
    """Error of the rule that knows the correlation, T1.4 at w = rho: the bias of a method is what its weight costs."""
    return float(t1.error(d, rho, "optimal"))


@method("fixed weight", vectorised=True)
def fixed_weight(data: Experiments, *, weight: float) -> Report:
    """Error with a weight that was chosen beforehand."""
    return _judge(data, np.asarray(weight))


@method("minimax weight", vectorised=True)
def minimax_weight(data: Experiments, *, low: float, high: float) -> Report:
    """Error with the weight that loses least at the worst correlation of an interval (T12.1)."""
    return _judge(data, minimax_ratio_weight(low, high))


@method("learned weight", vectorised=True)
def learned_weight(data: Experiments) -> Report:
    """Error with the weight that was learned from the training pairs (T12.2)."""
    return _judge(data, data.slope[:, None])


def _judge(data: Experiments, weight: Floats) -> Report:
    """Share of wrong diagnoses, with its binomial interval."""
    return mean_report((data.query - weight * data.reference > data.d / 2) != data.diseased)
