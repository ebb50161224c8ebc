"""Register a reference image to its query with SimpleITK, without letting a lesion guide the fit.

Smoothing alone does not protect a lesion: a least-squares fit of both images, smoothed or not, explains as much of it away as the
deformation has freedom where it lies. So the deformation is coarse, several lesions between its control points, and at every place it is
predicted from the surroundings, a lesion's width (`detail`) away. What is at a place has no say in where the reference is taken from there.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from empirical.cohorts.images import SMALLEST
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

Floats = NDArray[np.float64]

KINDS = ("translation", "affine", "deformable")
"""Transforms, each fitted after the one before it."""
METHOD = 1
"""Raised with every change of the method, so that images aligned in another way are not taken from the cache."""

DETAIL_SHARE = 0.1  # of the shorter side: the default detail
SMOOTHING = 0.15  # standard deviation of the Gaussian kernel, in multiples of the detail
SPACING = 3.0  # of the control points, in multiples of the detail
MOST_SHIFT = 0.25  # of the longer side: a point is not taken to be farther away
MOST_STRETCH = 5.0  # of an area, or its inverse: more, or a fold, is not anatomy
FINEST_MESH = 6  # most cells of the deformation along a side
MOST_NODES = 24  # along a side, at which the deformation is predicted from its surroundings
MARGIN = 0.25  # around a node and its neighbours, in multiples of the detail: what is left out
RIDGE = 0.1  # of the mean curvature: keeps the deformation where little is left to predict it from, as at corners
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
    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)  # a fit that fails is counted, not printed
    return SimpleITK


def settings_key(kind: str, detail: float | None) -> list[object]:
    """All that decides an aligned image, besides the two images."""
    require_simpleitk()
    return [METHOD, version("SimpleITK"), kind, detail]


def align(query: Image, reference: Image, kind: str, detail: float | None = None, *, leave_out: bool = True) -> AlignedReference:
    """Warp a reference onto its query, gray or RGB; the fit sees gray levels only.

    Parameters
    ----------
    query, reference : PIL.Image.Image
        Two images, of any sizes: the reference is first scaled to the query's area, and centred.
    kind : str
        ``'translation'``, ``'affine'`` or ``'deformable'`` (cubic B-splines after the affine transform).
    detail : float, optional
        Width in pixels of what must not guide the fit, that of a lesion from half height to half height or more; by default a tenth of the
        shorter side.
    leave_out : bool, default True
        Predict the deformation at each place from its surroundings. Without it a lesion guides the fit: for comparison only.

    Returns
    -------
    AlignedReference
        The reference on the query's grid, with as many channels as the reference. Beyond the reference's edge its outermost pixels are
        repeated. A transform is accepted where it is plausible and raises the correlation of the smoothed images; else the one before it is
        used, in the end none.

    Raises
    ------
    InputError
        When SimpleITK is not installed, the kind is not known, an image is too small, or the detail is wider than the query.
    """
    sitk = require_simpleitk()
    if kind not in KINDS:
        raise InputError(f"align: no kind '{kind}' (choose from {', '.join(KINDS)})")
    for image in (query, reference):
        if min(image.size) < SMALLEST:
            raise InputError(
                f"references.align: an image of {image.width} x {image.height} pixels is too small; at least {SMALLEST} a side"
            )
    width = detail or DETAIL_SHARE * min(query.size)
    if width > min(query.size):
        raise InputError(f"references.detail: {width:g} pixels are wider than an image of {query.width} x {query.height}")
    fixed, moving = (np.asarray(image.convert("L"), dtype=np.float32) for image in (query, reference))
    fit = _Fit(sitk, fixed, moving, width, leave_out)
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

    def __init__(self, sitk: Any, fixed: NDArray[np.float32], moving: NDArray[np.float32], detail: float, leave_out: bool = True) -> None:
        self.sitk, self.shape, self.detail, self.leave_out = sitk, fixed.shape, detail, leave_out
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
        """Fit one kind of transform on top of the earlier ones; None where it cannot be fitted."""
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
            transform = sitk.BSplineTransformInitializer(self.fixed, self._mesh()[::-1], 3)
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
            if kind == "deformable" and self.leave_out:
                fitted = self._from_surroundings(before, sitk.CompositeTransform(fitted).GetBackTransform())
        except (RuntimeError, np.linalg.LinAlgError):  # no overlap, or no contrast: in the image, or around a place
            return None
        return sitk.CompositeTransform([before, fitted])

    def _mesh(self) -> list[int]:
        """Cells of the deformation along rows and columns."""
        return [min(FINEST_MESH, max(1, round(size / (SPACING * self.detail)))) for size in self.shape]

    def _from_surroundings(self, before: Any, fitted: Any) -> Any:
        """Predict the deformation at every place from a fit that leaves out its surroundings, as wide as the detail.

        So what is at a place, such as a lesion, has no say in where the reference is taken from there. One step of Gauss and Newton from
        the fit to the whole image is enough: the normal equations without the samples around a place, solved for every node of a grid.
        """
        sitk, stride = self.sitk, max(1, round(self.detail / 4))
        rows, columns = (np.arange(stride // 2, size, stride) for size in self.shape)
        nodes = [np.linspace(0, size - 1, int(np.clip(np.ceil(2 * (size - 1) / self.detail) + 1, 4, MOST_NODES))) for size in self.shape]
        reach = MARGIN * self.detail + max(nodes[0][1], nodes[1][1])

        moved = _resample(sitk, self.moving, self.fixed, before, sitk.sitkLinear).astype(np.float64)
        slopes = np.gradient(moved, *self.fixed.GetSpacing()[::-1])
        identity = sitk.Transform(2, sitk.sitkIdentity)
        seen, warped, *steep = (
            self._samples(image, transform, rows, columns)
            for image, transform in ((self._seen, identity), (moved, fitted), (slopes[0], fitted), (slopes[1], fitted))
        )
        if np.ptp(warped) < 1e-6:
            return fitted
        gain, offset = np.polyfit(warped, seen, 1)
        left = seen - gain * warped - offset

        starts, lengths = (facts()[::-1] for facts in (fitted.GetTransformDomainOrigin, fitted.GetTransformDomainPhysicalDimensions))
        domain = list(zip(starts, lengths, self._mesh(), strict=True))
        at = [_cubic_basis(places, *axis) for places, axis in zip((rows, columns), domain, strict=True)]
        basis = np.einsum("ia,jb->ijab", *at).reshape(len(seen), -1)
        design = np.column_stack([gain * steep[0][:, None] * basis, gain * steep[1][:, None] * basis, warped, np.ones(len(warped))])
        curvature, slope, weights = design.T @ design, design.T @ left, basis.shape[1]
        ridge = RIDGE * np.trace(curvature[: 2 * weights, : 2 * weights]) / (2 * weights)
        curvature[np.arange(2 * weights), np.arange(2 * weights)] += ridge
        slope[: 2 * weights] -= ridge * np.concatenate(np.split(np.asarray(fitted.GetParameters()), 2)[::-1])  # towards no deformation

        at_nodes = [_cubic_basis(places, *axis) for places, axis in zip(nodes, domain, strict=True)]
        down, across = (part.ravel() for part in np.meshgrid(rows, columns, indexing="ij"))
        field = np.empty((len(nodes[0]), len(nodes[1]), 2))
        for i, row in enumerate(nodes[0]):
            near = [design[hole] for hole in (np.hypot(down - row, across - column) <= reach for column in nodes[1])]
            kept = [left[hole] for hole in (np.hypot(down - row, across - column) <= reach for column in nodes[1])]
            matrices = np.stack([curvature - some.T @ some for some in near])
            sides = np.stack([slope - some.T @ own for some, own in zip(near, kept, strict=True)])
            change = np.linalg.solve(matrices, sides[..., None])[..., 0]
            here = np.einsum("a,jb->jab", at_nodes[0][i], at_nodes[1]).reshape(len(nodes[1]), -1)
            field[i] = np.stack([np.sum(change[:, :weights] * here, 1), np.sum(change[:, weights : 2 * weights] * here, 1)], axis=-1)
            for j, column in enumerate(nodes[1]):
                x, y = fitted.TransformPoint((float(column), float(row)))
                field[i, j] += y - row, x - column
        image = sitk.GetImageFromArray(np.ascontiguousarray(field[..., ::-1]), isVector=True)
        image.SetSpacing([float(nodes[1][1]), float(nodes[0][1])])
        return sitk.DisplacementFieldTransform(image)

    def _samples(self, pixels: Floats, transform: Any, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Floats:
        """Look an image on the grid of the fit up at transformed samples."""
        image = self.sitk.GetImageFromArray(pixels)
        image.CopyInformation(self.fixed)
        grid = self.sitk.Image(len(columns), len(rows), self.sitk.sitkUInt8)
        grid.SetOrigin([float(columns[0]), float(rows[0])])
        grid.SetSpacing([float(columns[1] - columns[0]), float(rows[1] - rows[0])])
        return _resample(self.sitk, image, grid, transform, self.sitk.sitkLinear).ravel()

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


def _cubic_basis(places: Floats | NDArray[np.intp], start: float, length: float, cells: int) -> Floats:
    """Cubic B-splines (places, cells + 3) over a domain of so many cells, as SimpleITK lays them."""
    away = np.abs((np.asarray(places)[:, None] - start) / length * cells - np.arange(-1, cells + 2))
    inner, outer = 2 / 3 - away**2 + away**3 / 2, (2 - np.minimum(away, 2)) ** 3 / 6
    return np.where(away < 1, inner, outer)


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
