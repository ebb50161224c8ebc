"""Seeds, patients, references and unequal classes at once: size, power and coverage of the one estimator that `compare` recommends."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from paper_figures.error_rates.sizes import cluster_sizes
from paper_figures.statistics.multireader.random_factors import ContrastResult, random_factors_contrast
from paper_figures.statistics.validation import Bools, Codes, Floats
from theory.sweeps import Study, estimand, generator, method

MEAN, HARD, OWN, NOISE = 0.6, 0.55, 0.45, 0.63
"""Mean evidence for the true class, and standard deviations of a patient's difficulty, of a patient's effect in one arm, and of noise."""

REPLICATES = 2000
PIECE = "paper_figures.error_rates.factors"


@dataclass
class Scored:
    """Scores of two arms by several trained models.

    Shapes: `evidence` (2, S, n) for the true class; `labels`, `patients` (n,); `references` (n,) or None.
    """

    evidence: Floats
    labels: Bools
    patients: Codes
    references: Codes | None
    shared: bool  # both arms come from the same trainings


def shares(references: int, use: str) -> Floats:
    """Share of the items that each reference serves: the same for all, or Zipf's law."""
    weights = 1 / np.arange(1, references + 1) if use == "zipf" else np.ones(references)
    return np.asarray(weights / weights.sum())


@generator("random factors")
def random_factors(
    *, rng: np.random.Generator, seeds: int, patients: int, images: int, sizes: str, prevalence: float, references: int, use: str,
    training_sd: float, reference_sd: float, shift: float, shared: bool, of: str,
) -> Scored:  # fmt: skip
    r"""Draw the evidence for the true class in two arms.

    Notes
    -----
    :math:`e_{asi} = .6 + .55 h_{p(i)} + .45 g_{a p(i)} + \sigma_s t_{as} + \sigma_r q_{a r(i)} + .63 \epsilon_{asi}`, plus the shift in
    arm A, with all letters standard normal. Each arm has reference effects of its own, so that the arms are exchangeable where the shift
    is 0. A score is the evidence, its sign turned for healthy items. With shared trainings :math:`t_{Bs} = -t_{As}`.
    """
    who = np.repeat(np.arange(patients), cluster_sizes(patients, images, sizes))
    labels = (np.arange(patients) < max(1, round(prevalence * patients)))[who]
    shape = (2, seeds, len(who))
    evidence = MEAN + HARD * rng.standard_normal(patients)[who] + OWN * rng.standard_normal((2, 1, patients))[..., who]
    evidence = evidence + NOISE * rng.standard_normal(shape)
    trained = rng.standard_normal((1, seeds, 1)) * np.array([1.0, -1.0])[:, None, None] if shared else rng.standard_normal((2, seeds, 1))
    evidence += training_sd * trained
    evidence[0] += shift
    used = None
    if references:
        used = rng.choice(references, len(who), p=shares(references, use))
        evidence += reference_sd * rng.standard_normal((2, 1, references))[..., used]
    return Scored(evidence, labels, who, used, shared)


@estimand("true difference")
def true_difference(
    *, of: str, references: int, use: str, training_sd: float, reference_sd: float, shift: float, seeds: int, patients: int,
    images: int, sizes: str, prevalence: float, shared: bool,
) -> float:  # fmt: skip
    """Expected difference over new trainings, patients and references; items of both classes may share a training and a reference."""
    spread = HARD**2 + OWN**2 + NOISE**2
    by_reference = reference_sd**2 if references else 0.0
    if of == "accuracy":
        total = math.sqrt(spread + training_sd**2 + by_reference)
        return float(special.ndtr((MEAN + shift) / total) - special.ndtr(MEAN / total))
    same = float((shares(references, use) ** 2).sum()) if references else 0.0

    def area(mean: float) -> float:
        base = 2 * spread + 4 * training_sd**2
        parts = ((1 - same, base + 2 * by_reference), (same, base + 4 * by_reference))
        return float(sum(share * special.ndtr(2 * mean / math.sqrt(variance)) for share, variance in parts))

    return area(MEAN + shift) - area(MEAN)


def _contrast(data: Scored, measure: str) -> dict[str, float]:
    models = ["both", "both"] if data.shared else None
    scores = list(data.evidence > 0) if measure == "accuracy" else list(np.where(data.labels, data.evidence, -data.evidence))
    found: ContrastResult = random_factors_contrast(scores, data.labels, data.patients, data.references, measure=measure, models=models)
    low, high = found.interval
    return {"estimate": found.estimate, "se": found.se, "lower": low, "upper": high, "p": found.p}


@method("accuracy, all factors")
def accuracy(data: Scored) -> dict[str, float]:
    """Run the recommended test of accuracy."""
    return _contrast(data, "accuracy")


@method("AUROC, all factors")
def area(data: Scored) -> dict[str, float]:
    """Run the recommended test of the AUROC."""
    return _contrast(data, "auroc")


def cells(measure: str) -> Iterator[dict[str, Any]]:
    """The fraction of the full grid that is run: seeds x references in full, all else varied one or two at a time around the middle."""
    middle = {
        "seeds": 5, "patients": 100, "images": 1, "sizes": "balanced", "prevalence": 0.5, "references": 0, "use": "evenly",
        "training_sd": 0.25, "reference_sd": 0.5, "shift": 0.0, "shared": False, "of": measure,
    }  # fmt: skip

    def cell(**changes: Any) -> dict[str, Any]:
        made = middle | changes
        return made | ({"training_sd": 0.0} if made["seeds"] == 1 else {}) | ({} if made["references"] else {"reference_sd": 0.0})

    several: tuple[tuple[int, str], ...] = (
        (0, "evenly"),
        (5, "evenly"),
        (20, "evenly"),
        (50, "evenly"),
        (5, "zipf"),
        (20, "zipf"),
        (50, "zipf"),
    )
    trainings = (1, 3, 5, 10)
    for seeds in trainings:
        for references, use in several:
            for spreads in ((0.25, 0.5), (0.0, 0.25)):
                if spreads[0] or references or seeds > 1:
                    yield cell(seeds=seeds, references=references, use=use, training_sd=spreads[0], reference_sd=spreads[1])
        for references in (0, 20):
            for patients in (50, 400):
                yield cell(seeds=seeds, references=references, patients=patients)
            yield cell(seeds=seeds, references=references, images=5)
            yield cell(seeds=seeds, references=references, images=5, sizes="skewed")
            for prevalence in (0.1, 0.02):
                for patients in (100, 400):
                    yield cell(seeds=seeds, references=references, prevalence=prevalence, patients=patients)
            yield cell(seeds=seeds, references=references, shift=0.2)
        if seeds > 1:
            yield cell(seeds=seeds, training_sd=0.6)
            yield cell(seeds=seeds, training_sd=0.0, shift=0.2)
            for spread in (0.0, 0.1, 0.25, 0.6):
                yield cell(seeds=seeds, training_sd=spread, shared=True)
            yield cell(seeds=seeds, training_sd=0.0, shared=True, shift=0.2)


def study(measure: str, again: Sequence[Mapping[str, Any]] = ()) -> Study:
    """The study of one measure: every cell once; or some cells `again`, with 8,000 fresh replicates, which decide."""
    unique = [dict(one) for one in again] or list({tuple(sorted(one.items())): one for one in cells(measure)}.values())
    return Study(
        name=f"factors_{measure}",
        aims="Whether the recommended test keeps its level with seeds, patients and shared references at once, and its power.",
        pieces=[PIECE],
        generate="random factors",
        methods=[{"name": "all factors", "use": f"{'AUROC' if measure == 'auroc' else measure}, all factors"}],  # type: ignore[list-item]
        estimand="true difference",
        null=0.0,
        entropy=20261129 + bool(again),
        replicates=8000 if again else REPLICATES,
        block=100,
        cells=unique,
    )
