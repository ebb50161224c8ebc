"""Register a reference image to its query with SimpleITK, guided by structure larger than a lesion.

Both images are smoothed by `detail` before the fit, and the deformation has control points several times as far apart. So a lesion neither
draws a similar spot of the reference to its place, nor is thinned out: the difference of query and reference keeps it.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

Floats = NDArray[np.float64]

KINDS = ("translation", "affine", "deformable")
"""Transforms, each fitted after the one before it."""
METHOD = 1
"""Raised with every change of the method, so that images aligned in another way are not taken from the cache."""

DETAIL_SHARE = 0.1  # of the shorter side: the default detail
SMOOTHING = 0.25  # standard deviation of the Gaussian kernel, in multiples of the detail: its visible width is the detail
SPACING = 3.0  # of the control points, in multiples of the detail
MOST_SHIFT = 0.25  # of the longer side: a point is not taken to be farther away
MOST_STRETCH = 2.0  # of an area, or its inverse: more, or a fold, is not anatomy
ITERATIONS = {"translation": 60, "affine": 60, "deformable": 20}


@dataclass(frozen=True)
class AlignedReference:
    """A reference on the query's grid."""

    image: Image
    reached: str  # the last kind that was accepted; ``'none'`` where no fit was better than leaving the reference in its place
    before: float  # correlation of query and reference, without details, as they were
    after: float  # and at the end


def require_simpleitk() -> Any:
    """Import SimpleITK, or say how to install it."""
    try:
        import SimpleITK
    except ImportError:
        raise InputError("references.align: needs SimpleITK; pip install 'see-in-pairs[registration]'") from None
    return SimpleITK


def settings_key(kind: str, detail: float | None) -> list[object]:
    """All that decides an aligned image, besides the two images."""
    require_simpleitk()
    return [METHOD, version("SimpleITK"), kind, detail]


def align(query: Image, reference: Image, kind: str, detail: float | None = None) -> AlignedReference:
    """Warp a reference onto its query, gray or RGB; the fit sees gray levels only.

    Parameters
    ----------
    query, reference : PIL.Image.Image
        Two images, of any sizes: the reference is first scaled to the query's area, and centred.
    kind : str
        ``'translation'``, ``'affine'`` or ``'deformable'`` (cubic B-splines after the affine transform).
    detail : float, optional
        Width in pixels of the query's detail that must not guide the fit, for example of a lesion; by default a tenth of the shorter side.

    Returns
    -------
    AlignedReference
        The reference on the query's grid, with the query's mode kept out of it: as many channels as the reference. Beyond the reference's
        edge its outermost pixels are repeated. A transform is accepted where it is plausible and raises the correlation of the smoothed
        images; else the one before it is used, in the end none.

    Raises
    ------
    InputError
        When SimpleITK is not installed, or the kind is not known.
    """
    sitk = require_simpleitk()
    if kind not in KINDS:
        raise InputError(f"align: no kind '{kind}' (choose from {', '.join(KINDS)})")
    width = detail or DETAIL_SHARE * min(query.size)
    fixed, moving = (np.asarray(image.convert("L"), dtype=np.float32) for image in (query, reference))
    fit = _Fit(sitk, fixed, moving, width)
    transform, reached, before = sitk.Transform(2, sitk.sitkIdentity), "none", fit.correlation(sitk.Transform(2, sitk.sitkIdentity))
    after = before
    for stage in KINDS[: KINDS.index(kind) + 1]:
        found = fit.stage(stage, transform)
        if found is not None and fit.plausible(found) and (quality := fit.correlation(found)) > after:
            transform, reached, after = found, stage, quality
    if reached == "none" and query.size == reference.size:
        return AlignedReference(reference, reached, before, after)
    return AlignedReference(_resampled(sitk, reference, fit.placed(reference), fixed, transform), reached, before, after)


class _Fit:
    """The two images without details, and the fits of transforms between them."""

    def __init__(self, sitk: Any, fixed: NDArray[np.float32], moving: NDArray[np.float32], detail: float) -> None:
        self.sitk, self.shape, self.detail = sitk, fixed.shape, detail
        scale = float(np.sqrt(fixed.size / moving.size))
        middle = [(fixed.shape[axis] - 1 - scale * (moving.shape[axis] - 1)) / 2 for axis in (1, 0)]
        self._place = ([scale, scale], middle)
        sigma = SMOOTHING * detail
        smooth = [sitk.SmoothingRecursiveGaussian(image, sigma) for image in (self._image(fixed), self._image(moving, placed=True))]
        coarse = max(1, int(sigma / 2))  # a smooth image has all its information in fewer pixels
        self.fixed, self.moving = (sitk.Shrink(image, [_factor(size, coarse) for size in image.GetSize()]) for image in smooth)
        self._seen = sitk.GetArrayFromImage(self.fixed).astype(np.float64)

    def _image(self, pixels: NDArray[Any], placed: bool = False) -> Any:
        image = self.sitk.GetImageFromArray(np.ascontiguousarray(pixels))
        if placed:
            image.SetSpacing(self._place[0])
            image.SetOrigin(self._place[1])
        return image

    def placed(self, image: Image) -> list[Any]:
        """The channels of a reference, where it lies before any fit."""
        pixels = np.asarray(image, dtype=np.float32)
        return [self._image(channel, placed=True) for channel in np.atleast_3d(pixels).transpose(2, 0, 1)]

    def stage(self, kind: str, before: Any) -> Any:
        """Fit one kind of transform on top of the earlier ones; None where SimpleITK cannot."""
        sitk = self.sitk
        method = sitk.ImageRegistrationMethod()
        method.SetNumberOfThreads(1)  # sums in one order: the same bits on every machine
        method.SetMetricAsCorrelation()  # does not depend on a session's gain and offset
        method.SetInterpolator(sitk.sitkLinear)
        method.SetMovingInitialTransform(before)
        small = min(self.fixed.GetSize()) < 32
        method.SetShrinkFactorsPerLevel([2, 1] if small else [4, 2])
        method.SetSmoothingSigmasPerLevel([0, 0])
        if kind == "deformable":
            mesh = [max(1, round(size / (SPACING * self.detail))) for size in reversed(self.shape)]
            transform = sitk.BSplineTransformInitializer(self.fixed, mesh, 3)
            method.SetOptimizerAsLBFGSB(1e-5, ITERATIONS[kind], maximumNumberOfFunctionEvaluations=10 * ITERATIONS[kind])
        else:
            middle = [(size - 1) / 2 for size in reversed(self.shape)]
            transform = sitk.TranslationTransform(2) if kind == "translation" else sitk.AffineTransform(2)
            if kind == "affine":
                transform.SetCenter(middle)
            method.SetOptimizerAsRegularStepGradientDescent(max(self.shape) / 200, 1e-3, ITERATIONS[kind], gradientMagnitudeTolerance=1e-8)
            if kind == "affine":  # a change of the matrix moves points by so many pixels, in the mean of squares
                spread = [(size**2 - 1) / 12 for size in reversed(self.shape)]
                method.SetOptimizerScales([*spread, *spread, 1.0, 1.0])
        method.SetInitialTransform(transform, True)
        try:
            fitted = method.Execute(self.fixed, self.moving)
        except RuntimeError:  # a metric without overlap, or without any contrast
            return None
        return sitk.CompositeTransform([before, fitted])

    def correlation(self, transform: Any) -> float:
        """Correlate the smoothed query with the smoothed reference, warped; 0 where one is uniform."""
        warped = _resample(self.sitk, self.moving, self.fixed, transform, self.sitk.sitkLinear).astype(np.float64)
        if min(np.ptp(warped), np.ptp(self._seen)) < 1e-6:
            return 0.0
        return float(np.corrcoef(warped.ravel(), self._seen.ravel())[0, 1])

    def plausible(self, transform: Any) -> bool:
        """Whether no point is far away, and nothing is folded, or stretched to what anatomy is not."""
        sitk = self.sitk
        whole = sitk.TransformToDisplacementField(
            transform, sitk.sitkVectorFloat64, self.fixed.GetSize(), self.fixed.GetOrigin(), self.fixed.GetSpacing(), (1.0, 0.0, 0.0, 1.0)
        )
        shift = np.linalg.norm(sitk.GetArrayFromImage(whole), axis=-1)
        areas = sitk.GetArrayFromImage(sitk.DisplacementFieldJacobianDeterminant(whole))
        return bool(
            np.isfinite(shift).all()
            and shift.max() <= MOST_SHIFT * max(self.shape)
            and areas.min() >= 1 / MOST_STRETCH
            and areas.max() <= MOST_STRETCH
        )


def _factor(size: int, wanted: int) -> int:
    """Shrink by so much that at least 16 pixels remain."""
    return max(1, min(wanted, size // 16))


def _resample(sitk: Any, moving: Any, grid: Any, transform: Any, interpolator: Any) -> NDArray[Any]:
    resampler = sitk.ResampleImageFilter()
    resampler.SetNumberOfThreads(1)
    resampler.SetReferenceImage(grid)
    resampler.SetTransform(transform)
    resampler.SetInterpolator(interpolator)
    resampler.UseNearestNeighborExtrapolatorOn()  # black corners would be a sign of the alignment
    return np.asarray(sitk.GetArrayFromImage(resampler.Execute(moving)))


def _resampled(sitk: Any, reference: Image, channels: list[Any], fixed: NDArray[Any], transform: Any) -> Image:
    """Warp the channels of a reference onto the query's grid, by cubic splines, in whole gray levels."""
    from PIL import Image as images

    grid = sitk.GetImageFromArray(fixed)
    warped = np.stack([_resample(sitk, channel, grid, transform, sitk.sitkBSpline) for channel in channels], axis=-1)
    pixels = np.clip(np.rint(warped), 0, 255).astype(np.uint8)
    return images.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels, reference.mode if pixels.shape[-1] == 1 else None)
