"""Drawing a family: the query first, then what its relatives share with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from empirical.cohorts.phantom.config import COMPONENTS
from empirical.cohorts.phantom.truth import ROUNDING_VARIANCE, PhantomTruth

Array = NDArray[np.float64]
Latent = dict[str, Array]
"""Standard normal draws by component."""

QUERY, FACTOR, RELATIVE = 0, 1, 2  # numbers of a family's random streams; relative j uses RELATIVE + j


@dataclass(frozen=True)
class PhantomFamily:
    """A query and its relatives, before rounding.

    Parameters
    ----------
    images : ndarray, shape (1 + relatives, h, w)
        Gray levels; the query first, healthy so far.
    factor : dict of str to ndarray
        What the family shares, standard normal, by component.
    place : ndarray, shape (2,)
        Row and column of the query's lesion, were it diseased, in pixels.
    """

    images: Array
    factor: Latent
    place: Array


class FamilyPainter:
    """Draws families from the model.

    Parameters
    ----------
    truth : PhantomTruth
        The model.
    seed : int
        Seed of the cohort.

    Notes
    -----
    Each member of each family has a random stream of its own, keyed by (split, number of the family, member), so an image depends on
    nothing but the model, the seed and that key: not on how many families there are, nor on how the work is divided.

    For each component with share s the query's draw q comes first, then the family's factor *given the query*,
    ``f = sqrt(s) q + sqrt(1 - s) u``, then each relative's ``sqrt(s) f + sqrt(1 - s) e``: the one-factor model, in which any two members
    correlate by s, with a query that is the same whatever s is.
    """

    def __init__(self, truth: PhantomTruth, seed: int) -> None:
        self.truth = truth
        self.seed = seed
        values, vectors = np.linalg.eigh(truth.field_kernel)
        self._root = vectors * np.sqrt(values.clip(0))  # the kernel is root @ root.T
        self._drawn_variance = truth.noise_sd**2 - ROUNDING_VARIANCE

    def paint(self, split: int, number: int, relatives: int) -> PhantomFamily:
        """Draw one family.

        Parameters
        ----------
        split : int
            Number of its split (a key of the random streams).
        number : int
            Its number within the split.
        relatives : int
            How many relatives.

        Returns
        -------
        PhantomFamily
            Images, the family's factor, and the place of a lesion.
        """
        stream = self._stream(split, number, QUERY)
        place = self.truth.places[stream.integers(len(self.truth.places))]
        query = self._latent(stream)
        factor = self._share(query, self._latent(self._stream(split, number, FACTOR)))
        others = [self._share(factor, self._latent(self._stream(split, number, RELATIVE + j))) for j in range(relatives)]
        return PhantomFamily(np.stack([self.render(latent) for latent in [query, *others]]), factor, place)

    def render(self, latent: Latent) -> Array:
        """Turn standard normal draws into a healthy image.

        Parameters
        ----------
        latent : dict of str to ndarray
            Draws by component.

        Returns
        -------
        ndarray, shape (h, w)
            Gray levels, not rounded.
        """
        truth = self.truth
        anatomy = truth.mean + latent["demographic"] @ truth.demographic + latent["site"] @ truth.site
        field = truth.field_sd * (self._root @ latent["field"] @ self._root.T)
        return anatomy.reshape(truth.shape) + field + np.sqrt(self._drawn_variance) * latent["noise"]

    def _latent(self, stream: np.random.Generator) -> Latent:
        truth = self.truth
        shapes: dict[str, int | tuple[int, int]] = {
            "demographic": len(truth.demographic),
            "site": len(truth.site),
            "field": truth.shape,
            "noise": truth.shape,
        }
        return {name: stream.standard_normal(shapes[name]) for name in COMPONENTS}

    def _share(self, known: Latent, fresh: Latent) -> Latent:
        return {name: np.sqrt(s) * known[name] + np.sqrt(1 - s) * fresh[name] for name, s in self._drawn_shares().items()}

    def _drawn_shares(self) -> dict[str, float]:
        """Raise the share of the drawn noise so that, after rounding, the noise correlates by the share asked for."""
        noise = self.truth.shares["noise"] * self.truth.noise_sd**2 / self._drawn_variance
        return {**self.truth.shares, "noise": noise}

    def _stream(self, split: int, number: int, member: int) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(self.seed, spawn_key=(split, number, member))))
