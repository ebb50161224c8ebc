"""From a config to the model: modes by differentiating the template, the field's kernel, the lesion's amplitude."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from empirical.cohorts.phantom.config import COMPONENTS, PhantomConfig
from empirical.cohorts.phantom.template import MODES, Anatomy, clear_lung, draw_template
from empirical.cohorts.phantom.truth import PhantomTruth, lesion_profile
from see_in_pairs.errors import InputError

Array = NDArray[np.float64]
STEP = 1e-3  # of the central differences, in units of half the image's side
HEADROOM = 4.0  # standard deviations that must fit between gray levels 0 and 255


def build_model(config: PhantomConfig) -> PhantomTruth:
    """Turn a config into the model that images are drawn from: mean, covariance factors and lesion."""
    template = draw_template(config.size)
    mean = template.ravel()
    truth = PhantomTruth(
        shape=(config.size, config.size),
        mean=mean,
        demographic=_modes(config),
        site=np.stack([config.gain_sd * (mean - mean.mean()), np.full_like(mean, config.offset_sd)]),
        field_kernel=smooth_kernel(config.size, config.field_width),
        field_sd=config.field_sd,
        noise_sd=config.noise_sd,
        shares={name: config.share_of(name) for name in COMPONENTS},
        amplitude=1.0,
        place=config.lesion.place,
        centre=np.round(np.array(config.lesion.centre) * config.size),
        places=np.empty((0, 2)),
        profile=config.lesion.profile,
        width=config.lesion.width,
    )
    truth = replace(truth, places=_places(truth, config), amplitude=_amplitude(truth, config.lesion.detectability))
    _refuse_clipping(truth)
    return truth


def smooth_kernel(size: int, width: float) -> Array:
    r"""Compute the correlation, along one axis, of white noise smoothed by a Gaussian kernel of standard deviation w, (size, size).

    It is :math:`\exp(-(i-j)^2/(4w^2))`, the kernel convolved with itself, scaled to unit variance.
    """
    place = np.arange(size)
    return np.exp(-((place[:, None] - place[None, :]) ** 2) / (4 * width**2))


def _modes(config: PhantomConfig) -> Array:
    """Differentiate the template by each anatomical parameter, in gray levels per standard deviation."""
    rows = []
    for name in MODES:
        up, down = (draw_template(config.size, Anatomy(**{name: step})) for step in (STEP, -STEP))
        rows.append(getattr(config, f"{name}_sd") * (up - down).ravel() / (2 * STEP))
    return np.stack(rows)


def _places(truth: PhantomTruth, config: PhantomConfig) -> Array:
    """List the pixels around which the whole visible lesion would be in the lung."""
    from scipy import ndimage

    lung = clear_lung(config.size) > 0.5
    reach = int(2 * truth.width) + 1
    core = lesion_profile((2 * reach + 1,) * 2, np.array([reach, reach]), truth.profile, truth.width) > 0.5
    places = np.argwhere(ndimage.binary_erosion(lung, core)).astype(float)
    if not len(places):
        raise InputError(f"lesion.width {truth.width:g}: too wide for the lungs of a picture of {config.size} pixels; make it smaller")
    if not (places == truth.centre).all(axis=1).any():
        raise InputError(f"lesion.centre {config.lesion.centre}: the lesion would not be within a lung; choose another place")
    return places if config.lesion.place == "random" else truth.centre[None]


def _amplitude(truth: PhantomTruth, detectability: float) -> float:
    r"""Solve :math:`\delta^\top\Sigma^{-1}\delta=d^2` for the peak of the lesion at the known place."""
    unit = replace(truth, amplitude=1.0).signal
    return float(detectability / np.sqrt(unit @ truth.whiten(unit)))


def _refuse_clipping(truth: PhantomTruth) -> None:
    """Refuse a model whose gray levels do not fit into 8 bits; warm-up lesions may, since they are only for training."""
    lesion = truth.amplitude * clear_lung(truth.shape[0]).ravel()  # lesions lie within the lungs
    factors = np.vstack([truth.demographic, truth.site])
    spread = HEADROOM * np.sqrt((factors**2).sum(0) + truth.field_sd**2 + truth.noise_sd**2)
    low, high = float((truth.mean - spread).min()), float((truth.mean + lesion + spread).max())
    if low < 0 or high > 255:
        raise InputError(
            f"phantom: {HEADROOM:g} standard deviations span gray levels {low:.0f} to {high:.0f}, beyond 0 to 255; lower the *_sd"
        )
