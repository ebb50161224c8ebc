"""Items that share patients and references: what the tests by patient miss, and whether the two-way tests account for it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import special

from paper_figures.error_rates.accuracy import Columns
from paper_figures.error_rates.auroc import SEPARATION, ScoreBlock
from paper_figures.error_rates.item_tests import student
from paper_figures.statistics.validation import Codes, Floats
from theory.sweeps import generator, method

WITHIN_PATIENT = 0.2
"""Correlation of the arms' own score errors within a patient."""


@dataclass
class Shared(ScoreBlock):
    """Scores of items that share references.

    Shapes: `references` (R, N).
    """

    references: Codes
    pool: int  # number of references

    @cached_property
    def right(self) -> Floats:
        """Right in A minus right in B, per item: the threshold is half-way between the class means."""
        right = [(scores >= SEPARATION / 2) == self.labels for scores in self.scores]
        return right[0].astype(np.float64) - right[1]

    def variances(self, parts: Floats) -> tuple[Floats, Floats, Floats]:
        """Variances of sums of parts by patient, by reference, and two-way (`paper_figures.statistics.clustered.two_way`).

        Shapes: `parts` (R, N). Returns three arrays (R,).
        """
        patients = len(self.starts)
        by_patient = (np.add.reduceat(parts, self.starts, axis=1) ** 2).sum(axis=1) * patients / (patients - 1)
        of = np.repeat(np.arange(patients), np.diff(np.append(self.starts, parts.shape[1])))
        by_reference = _by_group(parts, self.references, self.pool)
        both = _by_group(parts, self.references + self.pool * of, self.pool * patients)
        total = by_patient + by_reference - both
        return by_patient, by_reference, np.where(total > 0, total, np.maximum(by_patient, by_reference))


def _by_group(parts: Floats, groups: Codes, most: int) -> Floats:
    """Sum the squared sums of groups, times G / (G - 1) for the G groups that occur, per replicate."""
    replicates = len(parts)
    # groups are numbered separately in each replicate, so that one bincount serves the whole block
    codes = (groups + most * np.arange(replicates)[:, None]).ravel()
    sums = np.bincount(codes, parts.ravel(), minlength=most * replicates).reshape(replicates, most)
    there = (np.bincount(codes, minlength=most * replicates) > 0).reshape(replicates, most).sum(axis=1)
    result: Floats = (sums**2).sum(axis=1) * there / np.maximum(there - 1, 1)
    return result


@generator("shared references", vectorised=True)
def shared(*, rng: np.random.Generator, replicates: int, patients: int, images: int, pool: int, strength: float, towards: str) -> Shared:
    r"""Draw scores of arms of equal performance, of which A sees a reference drawn at random from a pool.

    Notes
    -----
    As in `paper_figures.error_rates.auroc.clustered`, plus :math:`\tau q_r` in arm A for the item's reference r and :math:`\tau` times
    independent noise in arm B, so that single scores are distributed alike in both arms.
    """
    items, of = patients * images, np.repeat(np.arange(patients), images)
    labels = of % 2 == 1
    references = rng.integers(0, pool, size=(replicates, items))
    own = math.sqrt(WITHIN_PATIENT) * rng.standard_normal((2, replicates, patients))[:, :, of]
    scores = own + math.sqrt(1 - WITHIN_PATIENT) * rng.standard_normal((2, replicates, items))
    scores += rng.standard_normal((replicates, items)) + SEPARATION * labels
    effects = np.take_along_axis(rng.standard_normal((replicates, pool)), references, axis=1)
    side = np.where(labels, 1.0, -1.0) if towards == "the right side" else 1.0
    scores += strength * side * np.stack([effects, rng.standard_normal((replicates, items))])
    return Shared(scores, labels, np.arange(0, items, images), references, pool)


def _accuracy(data: Shared, which: int, df: float) -> Columns:
    estimate = data.right.mean(axis=1)
    variance = data.variances((data.right - estimate[:, None]) / data.right.shape[1])[which]
    return student(estimate, variance, df)


def _area(data: Shared, which: int, df: float) -> Columns:
    return student(data.difference, data.variances(data.parts)[which], df)


@method("accuracy, independent items", vectorised=True)
def accuracy_items(data: Shared) -> Columns:
    """Run McNemar's asymptotic test."""
    discordant = np.abs(data.right).sum(axis=1)
    return {"estimate": data.right.mean(axis=1), "p": special.chdtrc(1, data.right.sum(axis=1) ** 2 / np.maximum(discordant, 1))}


@method("accuracy, by patient", vectorised=True)
def accuracy_patients(data: Shared) -> Columns:
    """Test the accuracy with clusters of patients."""
    return _accuracy(data, 0, len(data.starts) - 1)


@method("accuracy, by reference", vectorised=True)
def accuracy_references(data: Shared) -> Columns:
    """Test the accuracy with clusters of references."""
    return _accuracy(data, 1, data.pool - 1)


@method("accuracy, two-way", vectorised=True)
def accuracy_two_way(data: Shared) -> Columns:
    """Test the accuracy with clusters of both kinds."""
    return _accuracy(data, 2, min(len(data.starts), data.pool) - 1)


@method("AUROC, by patient", vectorised=True)
def area_patients(data: Shared) -> Columns:
    """Test the areas with clusters of patients."""
    return _area(data, 0, len(data.starts) // 2 - 1)


@method("AUROC, two-way", vectorised=True)
def area_two_way(data: Shared) -> Columns:
    """Test the areas with clusters of both kinds."""
    return _area(data, 2, min(len(data.starts) // 2, data.pool) - 1)
