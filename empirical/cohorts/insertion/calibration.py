"""From a stated detectability to a contrast: the channelised Hotelling observer of healthy images at places where lesions can be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from see_in_pairs.roc import auroc

Floats = NDArray[np.float64]


def laguerre_gauss(side: int, width: float, number: int) -> Floats:
    """Laguerre-Gauss channels of length 1 on a square of odd side, (number, side, side) (Gallas and Barrett 2003)."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    scaled = 2 * np.pi * (x**2 + y**2) / width**2
    made = np.stack([np.exp(-scaled / 2) * special.eval_laguerre(j, scaled) for j in range(number)])
    return np.asarray(made / np.linalg.norm(made.reshape(number, -1), axis=1)[:, None, None])


def signal_outputs(lesion: Floats, channels: Floats) -> Floats:
    """The channels' outputs (number,) on a lesion in the middle of an empty image; both sides are odd."""
    side, own = channels.shape[-1], lesion.shape[-1]
    if own > side:
        cut = (own - side) // 2
        lesion = lesion[cut : own - cut, cut : own - cut]
    else:
        lesion = np.pad(lesion, (side - own) // 2)
    return np.asarray(channels.reshape(len(channels), -1) @ lesion.ravel())


def background_covariance(outputs: Floats) -> Floats:
    """Covariance of healthy channel outputs (n, channels) over images and places."""
    return np.atleast_2d(np.cov(outputs, rowvar=False))


def detectability_of(signal: Floats, outputs: Floats) -> float:
    r"""Index :math:`\sqrt{s^\top\Sigma^{-1}s}` of the Hotelling observer; healthy outputs (n, channels), a lesion's s (channels,)."""
    return float(np.sqrt(signal @ np.linalg.solve(background_covariance(outputs), signal)))


@dataclass(frozen=True)
class Jackknifed:
    """An estimate without its first-order bias, and its standard error over patients."""

    value: float
    se: float


def jackknife(statistic: Callable[[NDArray[np.bool_]], float], patients: NDArray[np.str_]) -> Jackknifed:
    """Leave out one patient at a time; the statistic takes which rows to keep."""
    names = np.unique(patients)
    whole = statistic(np.ones(len(patients), dtype=bool))
    parts = np.array([statistic(patients != name) for name in names])
    count = len(names)
    return Jackknifed(
        float(count * whole - (count - 1) * parts.mean()), float(np.sqrt((count - 1) / count * np.square(parts - parts.mean()).sum()))
    )


def calibrate(signal: Floats, outputs: Floats, patients: NDArray[np.str_], wanted: float) -> tuple[float, float]:
    """Height of a lesion with a wanted detectability, in gray levels, and its relative standard error.

    `signal` (channels,) of a lesion of height 1, `outputs` (n, channels) of healthy images at places of lesions.
    """
    found = jackknife(lambda kept: detectability_of(signal, outputs[kept]), patients)
    return wanted / found.value, found.se / found.value


@dataclass(frozen=True)
class Achieved:
    """How detectable the written lesions are in images that took no part in the calibration."""

    index: Jackknifed
    auroc: Jackknifed  # without an assumption of normal outputs, which real anatomy does not keep


def achieved(signal: Floats, train: Floats, healthy: Floats, added: Floats, ill: NDArray[np.bool_], patients: NDArray[np.str_]) -> Achieved:
    """Test the template of the calibration's images on others.

    `signal` (channels,); `train` (m, channels) are outputs of the calibration. Of each tested query (n,): `healthy` (n, channels) outputs
    of the image without a lesion, `added` (n, channels) what was added (0 in healthy queries), `ill`, and the patient.
    """
    template = np.linalg.solve(background_covariance(train), signal)
    score, lesion = healthy @ template, added @ template

    def index(kept: NDArray[np.bool_]) -> float:
        mean, spread = lesion[kept & ill].mean(), lesion[kept & ill].var(ddof=1)
        return float(mean / np.sqrt(score[kept].var(ddof=1) + spread / 2))

    def area(kept: NDArray[np.bool_]) -> float:
        return float(auroc((score + lesion)[kept], ill[kept]))

    return Achieved(jackknife(index, patients), jackknife(area, patients))
