"""Draw a lesion, and find where in an image it fits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from empirical.cohorts.insertion.config import InsertConfig
from empirical.cohorts.phantom.truth import lesion_profile

Floats = NDArray[np.float64]
Pixels = NDArray[np.uint8]
Bools = NDArray[np.bool_]
GRAY = np.array([0.299, 0.587, 0.114])


def envelope(config: InsertConfig) -> Floats:
    """The mean lesion, of height 1 (negative if it is darker), on a square of side 2 reach + 1."""
    side, centre = 2 * config.reach + 1, np.array([config.reach, config.reach])
    kind = "disc" if config.profile == "disc" else "gaussian"
    return (-1.0 if config.darker else 1.0) * lesion_profile((side, side), centre, kind, config.width)


def draw_lesion(config: InsertConfig, rng: np.random.Generator) -> Floats:
    """One lesion of height 1: the envelope, times one plus a smooth texture of mean 0 for profile ``'textured'``."""
    mean = envelope(config)
    if config.profile != "textured":
        return mean
    grain = config.width / 3
    noise = ndimage.gaussian_filter(rng.standard_normal(mean.shape), grain, mode="wrap", truncate=4)
    variance = np.square(ndimage.gaussian_filter(_impulse(len(mean)), grain, mode="wrap", truncate=4)).sum()
    return mean * (1 + config.texture * noise / np.sqrt(variance))


def _impulse(side: int) -> Floats:
    found = np.zeros((side, side))
    found[side // 2, side // 2] = 1
    return found


def allowed_places(pixels: Pixels, mask: Bools | None, config: InsertConfig) -> NDArray[np.intp]:
    """Rows and columns (places, 2) where a lesion lies in the region, inside the image, and not on its dark border.

    `pixels` (size, size) or (size, size, 3); `mask` (size, size), the region of this image where the config says ``'mask'``.
    """
    size, reach = config.size, config.reach + config.margin
    gray = pixels if pixels.ndim == 2 else pixels.max(axis=2)
    smooth = ndimage.median_filter(gray, 3)  # a single dark pixel is no border
    inside = ndimage.distance_transform_edt(smooth > config.darkest) > reach
    inside[:reach], inside[size - reach :], inside[:, :reach], inside[:, size - reach :] = (False,) * 4
    if isinstance(config.region, tuple):
        top, left, bottom, right = (round(part * size) for part in config.region)
        rectangle = np.zeros_like(inside)
        rectangle[top:bottom, left:right] = True
        inside &= rectangle
    elif mask is not None:
        inside &= mask
    return np.argwhere(inside)


def colour_weights(tint: tuple[float, float, float]) -> Floats:
    """How much red, green and blue change so that the gray level changes by 1 (weights of ITU-R 601-2, as Pillow's)."""
    return np.array(tint) / (np.array(tint) @ GRAY)


def add_lesion(pixels: Pixels, place: NDArray[np.intp], lesion: Floats, weights: Floats) -> Pixels | None:
    """Add a lesion in gray levels to an image, rounded; `weights` (3,) of its colours. None where 8 bits cannot hold it."""
    reach = len(lesion) // 2
    rows, columns = (slice(middle - reach, middle + reach + 1) for middle in place)
    patch = pixels[rows, columns]
    added = np.rint(patch + (lesion if pixels.ndim == 2 else lesion[:, :, None] * weights))
    if added.min() < 0 or added.max() > 255:
        return None
    changed = pixels.copy()
    changed[rows, columns] = added.astype(np.uint8)
    return changed
