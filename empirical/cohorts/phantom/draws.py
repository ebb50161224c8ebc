"""Sampling a family: the query first, then what its relatives share with it."""

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
    """A query and its relatives, before rounding."""

    images: Array  # (1 + relatives, h, w), gray levels; the query first, healthy so far
    factor: Latent  # the part shared by the family, standard normal, by component
    place: Array  # (2,): row and column, in pixels, of the query's lesion if it is diseased


class FamilySampler:
    """Samples families from the model.

    Each member has its own random stream, and the query's is drawn first. So the queries stay the same, bit for bit, with more families,
    more relatives or another share.
    """

    def __init__(self, truth: PhantomTruth, seed: int) -> None:
        self.truth = truth
        self.seed = seed
        values, vectors = np.linalg.eigh(truth.field_kernel)
        self._root = vectors * np.sqrt(values.clip(0))  # the kernel is root @ root.T
        self._drawn_variance = truth.noise_sd**2 - ROUNDING_VARIANCE

    def sample(self, split: int, number: int, relatives: int) -> PhantomFamily:
        """Sample one family."""
        stream = self._stream(split, number, QUERY)
        place = self.truth.places[stream.integers(len(self.truth.places))]
        query = self._latent(stream)
        # Query and relatives correlate with the factor by sqrt(share) each, so any two of them by the share.
        factor = self._share(query, self._latent(self._stream(split, number, FACTOR)))
        others = [self._share(factor, self._latent(self._stream(split, number, RELATIVE + j))) for j in range(relatives)]
        return PhantomFamily(np.stack([self.render(latent) for latent in [query, *others]]), factor, place)

    def render(self, latent: Latent) -> Array:
        """Turn standard normal draws into a healthy image, (h, w), in gray levels before rounding."""
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
