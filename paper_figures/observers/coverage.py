"""How often the intervals of channelised observers hold the truth: pieces of the simulation study ``channels`` of the error rates."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theory.models.channelized import ObserverEstimate, detectability, gain
from theory.models.ideal_observers import RULES
from theory.numerics.gaussian import auc_of
from theory.sweeps import estimand, generator, method

MINUS = " minus "


@dataclass
class Outputs:
    """Channel outputs (n, channels) of queries and references, with the label and the patient of each query."""

    query: NDArray[np.float64]
    reference: NDArray[np.float64]
    labels: NDArray[np.bool_]
    patients: NDArray[np.intp]
    observer: str


@generator("channel outputs")
def channel_outputs(
    *, rng: np.random.Generator, images: int, per_patient: int, channels: int, index: float, rho: float, share: float, observer: str
) -> Outputs:
    r"""Draw normal channel outputs, half of each patient's images diseased (with one image a patient, every second patient).

    Notes
    -----
    Estimates and intervals do not change when the channels are mixed linearly. So the covariance is the identity, and the lesion is in the
    first channel; only the index :math:`\Delta`, the correlation :math:`\rho` of query and reference, and the share of variance that a
    patient's images have in common can matter.
    """
    patients = np.repeat(np.arange(math.ceil(images / per_patient)), per_patient)[:images]
    labels = np.arange(images) % 2 == 1
    drawn = [
        math.sqrt(share) * rng.standard_normal((patients.max() + 1, channels))[patients]
        + math.sqrt(1 - share) * rng.standard_normal((images, channels))
        for _ in range(2)
    ]
    query, reference = drawn[0], rho * drawn[0] + math.sqrt(1 - rho**2) * drawn[1]
    query = query + index * labels[:, None] * (np.arange(channels) == 0)
    return Outputs(query, reference, labels, patients, observer)


def true_area(observer: str, index: float, rho: float) -> float:
    """AUROC of the best linear rule."""
    larger = {"single": 1.0, "difference": 1 / math.sqrt(2 * (1 - rho)), "joint": 1 / math.sqrt(1 - rho**2)}
    return float(auc_of(index * larger[observer]))


@estimand("area of the best linear rule")
def truth(*, index: float, rho: float, observer: str, images: int, per_patient: int, channels: int, share: float) -> float:
    """AUROC of the observer in the limit of many cases, or the difference of two."""
    first, _, second = observer.partition(MINUS)
    return true_area(first, index, rho) - (true_area(second, index, rho) if second else 0.0)


def _columns(found: ObserverEstimate) -> dict[str, float]:
    return {"estimate": found.auroc, "lower": found.low, "upper": found.high}


@method("exact, independent images")
def exact(data: Outputs) -> dict[str, float]:
    """Invert the noncentral F distribution; NaN for a gain, and where patients have several images."""
    if data.observer not in RULES or data.patients.max() + 1 < len(data.patients):
        return dict.fromkeys(("estimate", "lower", "upper"), math.nan)
    return _columns(detectability(data.query, data.labels, data.reference, data.observer))


@method("jackknife over patients")
def jackknife(data: Outputs) -> dict[str, float]:
    """Leave out one patient at a time."""
    if data.observer in RULES:
        return _columns(detectability(data.query, data.labels, data.reference, data.observer, clusters=data.patients))
    first, _, second = data.observer.partition(MINUS)
    return _columns(gain(data.query, data.labels, data.reference, first, over=second, clusters=data.patients))
