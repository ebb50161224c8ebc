"""The generative model of the phantom as matrices: mean, covariances, and the lesion, exactly as the images were drawn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from empirical.cohorts.phantom.config import COMPONENTS
from see_in_pairs.errors import InputError
from see_in_pairs.files import atomic_path

Array = NDArray[np.float64]
ROUNDING_VARIANCE = 1 / 12  # of a uniform error of one gray level


@dataclass(frozen=True)
class PhantomTruth:
    r"""Everything an ideal observer of the phantom knows.

    Parameters
    ----------
    shape : tuple of int
        Height h and width w in pixels; an image is flattened row by row to P = h w numbers (gray levels).
    mean : ndarray, shape (P,)
        The template: the mean healthy image.
    demographic : ndarray, shape (modes, P)
        Anatomical modes, each scaled to one standard deviation.
    site : ndarray, shape (2, P)
        Change by one standard deviation of gain, and of offset.
    field_kernel : ndarray, shape (w, w)
        Correlation :math:`K_1` along one axis (h = w); the field has covariance :math:`\sigma_f^2 K_1\otimes K_1`.
    field_sd, noise_sd : float
        Standard deviations in gray levels; the noise includes the rounding to whole gray levels.
    shares : dict of str to float
        Correlation of each component between two members of a family.
    amplitude : float
        Peak of the lesion, in gray levels.
    place : str
        ``'fixed'`` (every lesion at `centre`) or ``'random'`` (uniform over `places`).
    centre : ndarray, shape (2,)
        Row and column of the known place, in pixels.
    places : ndarray, shape (places, 2)
        Rows and columns a lesion may take; only `centre` where the place is fixed.
    profile : str
        Shape of the lesion: ``'gaussian'`` or ``'disc'``.
    width : float
        Standard deviation of the Gaussian, or radius of the disc, in pixels.

    Notes
    -----
    A healthy image is :math:`x=\mu+\sum_k x_k` with independent Gaussian components k, and for two members of a family
    :math:`\mathrm{Cov}(x_k,x_k')=s_k\Sigma_k`; so :math:`\Sigma=\sum_k\Sigma_k` and :math:`C=\sum_k s_k\Sigma_k`, which is
    :math:`\rho\Sigma` when all shares are :math:`\rho`. A diseased image adds amplitude times profile. The rounding to 8 bits is part
    of the noise: its variance 1/12 is subtracted from the drawn variance, and its effect on the correlation is corrected. So this holds for
    the PNG files, except for the clipping at 0 and 255, which is counted when a cohort is made. Warm-up items (``contrast`` above 1 in the
    cohort's table, training split only) have that many times the amplitude, and are outside this model.
    """

    shape: tuple[int, int]
    mean: Array
    demographic: Array
    site: Array
    field_kernel: Array
    field_sd: float
    noise_sd: float
    shares: dict[str, float]
    amplitude: float
    place: str
    centre: Array
    places: Array
    profile: str
    width: float

    def __repr__(self) -> str:
        shares = ", ".join(f"{name} {share:g}" for name, share in self.shares.items())
        lesion = f"{self.profile} lesion of width {self.width:g}, peak {self.amplitude:.3g} gray levels, place {self.place}"
        return f"PhantomTruth: {self.shape[0]} x {self.shape[1]} pixels; {lesion}; shared by query and reference: {shares}"

    @property
    def signal(self) -> Array:
        """Mean of a diseased image minus that of a healthy one, lesion at the known place; shape (P,), gray levels."""
        return self.signal_at(self.centre)

    def signal_at(self, centre: Array) -> Array:
        """Draw the lesion at a place.

        Parameters
        ----------
        centre : ndarray, shape (2,)
            Row and column, in pixels.

        Returns
        -------
        ndarray, shape (P,)
            Gray levels added by the lesion.
        """
        return self.amplitude * lesion_profile(self.shape, centre, self.profile, self.width).ravel()

    def signals(self) -> Array:
        """Draw the lesion at every place it may take.

        Returns
        -------
        ndarray, shape (places, P)
            One row for each of `places`, for a scanning observer.
        """
        return np.stack([self.signal_at(centre) for centre in self.places])

    def component(self, name: str) -> Array:
        """Compute the covariance of one component.

        Parameters
        ----------
        name : str
            One of ``'demographic'``, ``'site'``, ``'field'``, ``'noise'``.

        Returns
        -------
        ndarray, shape (P, P)
            Its covariance, in squared gray levels.
        """
        if name in ("demographic", "site"):
            factors = self.demographic if name == "demographic" else self.site
            return factors.T @ factors
        if name == "field":
            return np.asarray(self.field_sd**2 * np.kron(self.field_kernel, self.field_kernel))
        return self.noise_sd**2 * np.eye(self.mean.size)

    def covariance(self) -> Array:
        r"""Compute :math:`\Sigma`, the covariance of an image given its class.

        Returns
        -------
        ndarray, shape (P, P)
            In squared gray levels; query and reference have the same.
        """
        return sum((self.component(name) for name in COMPONENTS), np.zeros((self.mean.size,) * 2))

    def cross_covariance(self) -> Array:
        r"""Compute :math:`C`, the covariance of two members of a family given their classes.

        Returns
        -------
        ndarray, shape (P, P)
            In squared gray levels, symmetric.
        """
        return sum((self.shares[name] * self.component(name) for name in COMPONENTS), np.zeros((self.mean.size,) * 2))

    def whiten(self, image: Array) -> Array:
        r"""Apply :math:`\Sigma^{-1}`, without forming it.

        Parameters
        ----------
        image : ndarray, shape (P,)
            For example a lesion.

        Returns
        -------
        ndarray, shape (P,)
            :math:`\Sigma^{-1}` times `image`; for the signal this is the Hotelling template.

        Notes
        -----
        Field and noise are diagonal in the eigenvectors of the separable kernel; the few other factors U enter by Woodbury's identity,
        :math:`(A+U^\top U)^{-1}=A^{-1}-A^{-1}U^\top(I+UA^{-1}U^\top)^{-1}UA^{-1}`.
        """
        factors = np.vstack([self.demographic, self.site])
        whitened = self._whiten_field_and_noise(np.vstack([image, factors]))
        plain, sides = whitened[0], whitened[1:]
        return plain - sides.T @ np.linalg.solve(np.eye(len(factors)) + factors @ sides.T, factors @ plain)

    def _whiten_field_and_noise(self, images: Array) -> Array:
        values, vectors = np.linalg.eigh(self.field_kernel)
        spectrum = self.field_sd**2 * np.outer(values.clip(0), values.clip(0)) + self.noise_sd**2
        rotated = vectors.T @ images.reshape(-1, *self.shape) @ vectors
        return (vectors @ (rotated / spectrum) @ vectors.T).reshape(len(images), -1)

    def save(self, path: Path | str) -> None:
        """Write the truth as one ``.npz`` file, atomically.

        Parameters
        ----------
        path : Path or str
            Where to write; an existing file is replaced.
        """
        content = {name: np.asarray(value) for name, value in vars(self).items() if name != "shares"}
        content["shares"] = np.array([self.shares[name] for name in COMPONENTS])
        with atomic_path(path) as temporary:
            np.savez_compressed(temporary, allow_pickle=False, **content)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path | str) -> PhantomTruth:
        """Read the truth.

        Parameters
        ----------
        path : Path or str
            The file ``truth.npz`` of a phantom cohort.

        Returns
        -------
        PhantomTruth
            As it was saved.

        Raises
        ------
        InputError
            When the file is missing or is something else.
        """
        try:
            with np.load(path, allow_pickle=False) as archive:
                content = {name: archive[name] for name in archive.files}
            content["shares"] = dict(zip(COMPONENTS, content["shares"].tolist(), strict=True))
            content["shape"] = tuple(content["shape"].tolist())
            content |= {name: content[name].item() for name in ("field_sd", "noise_sd", "amplitude", "place", "profile", "width")}
            return cls(**content)
        except FileNotFoundError:
            raise InputError(f"{path}: no such file; only phantom cohorts know their truth") from None
        except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path}: not the truth of a phantom ({type(error).__name__}); make the cohort again") from None


def lesion_profile(shape: tuple[int, int], centre: Array, profile: str, width: float) -> Array:
    """Draw a lesion of peak 1, (height, width), around a centre in row and column."""
    row, column = np.ogrid[: shape[0], : shape[1]]
    down, right = row - centre[0], column - centre[1]
    radius = np.hypot(down, right)
    if profile == "gaussian":
        return np.exp(-((radius / width) ** 2) / 2)
    if profile == "ring":
        return np.exp(-(((radius - width) / max(0.35 * width, 0.7)) ** 2) / 2)
    if profile == "line":  # rising to the right, six times as long as it is thick
        along, across = (right - down) / np.sqrt(2), (right + down) / np.sqrt(2)
        return np.exp(-((across / width) ** 2) / 2 - (along / (6 * width)) ** 4)
    if profile == "texture":
        return np.exp(-((radius / width) ** 2) / 2) * np.cos(2 * np.pi * right / max(1.2 * width, 2.5))
    return 1 / (1 + np.exp(np.clip((radius - width) / 0.5, -60, 60)))
