"""From a config to the model: modes by differentiating the template, the field's kernel, the lesion's amplitude."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from empirical.cohorts.phantom import fundus
from empirical.cohorts.phantom.config import COMPONENTS, FundusConfig, PhantomConfig
from empirical.cohorts.phantom.template import MODES, Anatomy, clear_lung, draw_template
from empirical.cohorts.phantom.truth import PhantomTruth, lesion_profile
from see_in_pairs.errors import InputError

Array = NDArray[np.float64]
STEP = 1e-3  # of the central differences, in units of half the image's side
HEADROOM = 4.0  # standard deviations that must fit between gray levels 0 and 255


def build_model(config: PhantomConfig) -> PhantomTruth:
    """Turn a config into the model that images are drawn from: mean, covariance factors and lesion."""
    template = draw_template(config.size) if config.modality == "chest" else fundus.draw_fundus(config.size)
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
    if config.findings is not None:  # they bring places and amplitudes of their own
        return replace(truth, places=truth.centre[None], amplitude=0.0)
    places = _places(truth, config)
    truth = replace(truth, places=places, amplitude=_amplitude(truth, config.lesion.detectability))
    refuse_clipping(truth, clear_area(config), truth.amplitude, 0.0)
    return truth


def clear_area(config: PhantomConfig) -> Array:
    """Draw where findings can be, (size, size), between 0 and 1: the clear lung, or the retina without its disc."""
    return clear_lung(config.size) if config.modality == "chest" else fundus.clear_retina(config.size)


def smooth_kernel(size: int, width: float) -> Array:
    r"""Compute the correlation, along one axis, of white noise smoothed by a Gaussian kernel of standard deviation w, (size, size).

    It is :math:`\exp(-(i-j)^2/(4w^2))`, the kernel convolved with itself, scaled to unit variance.
    """
    place = np.arange(size)
    return np.exp(-((place[:, None] - place[None, :]) ** 2) / (4 * width**2))


def _modes(config: PhantomConfig) -> Array:
    """Differentiate the template by each parameter of chest or eye, in gray levels per standard deviation; small vessels vary singly."""
    draw: Callable[[dict[str, float]], Array]
    spreads: PhantomConfig | FundusConfig
    if config.modality == "chest":
        names, spreads, draw = MODES, config, lambda change: draw_template(config.size, Anatomy(**change))
    else:
        names, spreads, draw = fundus.MODES, config.fundus, lambda change: fundus.draw_fundus(config.size, fundus.Eye(**change))
    rows = [getattr(spreads, f"{name}_sd") * (draw({name: STEP}) - draw({name: -STEP})).ravel() / (2 * STEP) for name in names]
    if config.modality == "fundus":
        rows += [config.fundus.vessels_sd * branch.ravel() for branch in fundus.branches(config.size)]
    return np.stack(rows)


def _places(truth: PhantomTruth, config: PhantomConfig) -> Array:
    """List the pixels around which the whole visible lesion would be in the lung or retina."""
    from scipy import ndimage

    lung, organ = clear_area(config) > 0.5, {"chest": "lung", "fundus": "retina"}[config.modality]
    reach = int(2 * truth.width) + 1
    core = lesion_profile((2 * reach + 1,) * 2, np.array([reach, reach]), truth.profile, truth.width) > 0.5
    places = np.argwhere(ndimage.binary_erosion(lung, core)).astype(float)
    if not len(places):
        raise InputError(f"lesion.width {truth.width:g}: too wide for the {organ}s of a picture of {config.size} pixels; make it smaller")
    if not (places == truth.centre).all(axis=1).any():
        raise InputError(f"lesion.centre {config.lesion.centre}: the lesion would not be within a {organ}; choose another place")
    return places if config.lesion.place == "random" else truth.centre[None]


def _amplitude(truth: PhantomTruth, detectability: float) -> float:
    r"""Solve :math:`\delta^\top\Sigma^{-1}\delta=d^2` for the peak of the lesion at the known place."""
    unit = replace(truth, amplitude=1.0).signal
    return float(detectability / np.sqrt(unit @ truth.whiten(unit)))


def refuse_clipping(truth: PhantomTruth, area: Array, brightest: float, darkest: float) -> None:
    """Refuse a model whose gray levels do not fit into 8 bits; warm-up lesions may, since they are only for training."""
    inside = area.ravel()  # lesions lie within it
    factors = np.vstack([truth.demographic, truth.site])
    spread = HEADROOM * np.sqrt((factors**2).sum(0) + truth.field_sd**2 + truth.noise_sd**2)
    low = float((truth.mean - darkest * inside - spread).min())
    high = float((truth.mean + brightest * inside + spread).max())
    if low < 0 or high > 255:
        raise InputError(
            f"phantom: {HEADROOM:g} standard deviations span gray levels {low:.0f} to {high:.0f}, beyond 0 to 255; lower the *_sd"
        )
