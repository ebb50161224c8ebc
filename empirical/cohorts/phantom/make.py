"""Making a phantom cohort: families to PNG files, a table, and the truth."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from empirical.cohorts.cohort import QUERY_SPLITS, Cohort, CohortInfo
from empirical.cohorts.phantom.config import PhantomConfig
from empirical.cohorts.phantom.draws import FamilySampler, PhantomFamily
from empirical.cohorts.phantom.findings import Case, FindingsSampler, FindingsTruth, build_findings, questions_table
from empirical.cohorts.phantom.model import build_model
from empirical.cohorts.phantom.truth import PhantomTruth, lesion_profile
from see_in_pairs.console import progress
from see_in_pairs.errors import InputError
from see_in_pairs.files import atomic_path

WARMUP = "warmup"
HEALTHY, DISEASED, FINDING = "healthy", "nodule", "finding"
MODALITIES = {"chest": ("Chest phantom", "chest X-ray"), "fundus": ("Fundus phantom", "photograph of the retina")}
SITES = ("north", "east", "south", "west")
SITE_BOUNDS = (-0.6744897501960817, 0.0, 0.6744897501960817)  # quartiles of the standard normal


@dataclass
class _Writer:
    """Writes images below a folder and counts the pixels that 8 bits cannot hold."""

    folder: Path
    clipped_pixels: int = 0

    def image(self, name: str, gray: NDArray[np.float64]) -> str:
        rounded = np.rint(gray)
        self.clipped_pixels += int(((rounded < 0) | (rounded > 255)).sum())
        return self.pixels(name, rounded.clip(0, 255).astype(np.uint8))

    def pixels(self, name: str, pixels: NDArray[np.uint8]) -> str:
        from PIL import Image

        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, format="PNG", compress_level=1)
        with atomic_path(self.folder / name) as temporary:
            temporary.write_bytes(buffer.getvalue())
        return hashlib.sha256(buffer.getvalue()).hexdigest()


def make_phantom(config: PhantomConfig, out: Path | str, seed: int, quiet: bool = True) -> Cohort:
    """Make a phantom cohort.

    Parameters
    ----------
    config : PhantomConfig
        Number of families, similarity of their members, and the size of each variation.
    out : Path or str
        The cohort's folder; made when missing. ``cohort.parquet`` is written last, so that it exists only for a complete cohort.
    seed : int
        Decides every image. The same seed and config give the same bytes. The queries do not change with more families or another `rho`.
    quiet : bool, default True
        When false, show a progress bar on a terminal.

    Returns
    -------
    Cohort
        The finished cohort, with ``truth.npz`` and the lesions' masks beside it; with findings, also questions and ``findings.json``.

    Raises
    ------
    InputError
        When the config gives no image at all, or images that do not fit into 8 bits.
    """
    import pandas as pd

    if config.n_train + config.n_val + config.n_test == 0:
        raise InputError("phantom: n_train, n_val and n_test are all 0; nothing to make")
    out, truth = Path(out), build_model(config)
    findings = None if config.findings is None else build_findings(config, truth)
    for folder in ("images", "masks"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    writer = _Writer(out)
    total = config.n_train + config.n_val + config.n_test + config.warmup.n
    families = progress(_families(config, truth, seed), total, "phantom", quiet)
    painter = None if findings is None else _FindingsPainter(findings, FindingsSampler(findings, seed), {})
    table = pd.DataFrame([row for family in families for row in _write_family(writer, config, truth, painter, *family)])
    truth.save(out / "truth.npz")
    info, questions = _info(config, truth, seed, writer.clipped_pixels), None
    if painter is not None:
        painter.truth.save(out)
        questions, left_out = questions_table(painter.truth, painter.cases)
        info.counts.update(left_out)
    cohort = Cohort(out, info, table, questions)
    cohort.save()
    return cohort


def disease_status(number: int, prevalence: float) -> bool:
    """Decide whether the query of a family is diseased, so that the first n of a split are stratified for every n.

    Examples
    --------
    >>> sum(disease_status(number, 0.3) for number in range(100))
    30
    """
    return int(np.floor((number + 1) * prevalence + 1e-9)) > int(np.floor(number * prevalence + 1e-9))


@dataclass
class _FindingsPainter:
    """Draws the findings of a query, and remembers what each query shows."""

    truth: FindingsTruth
    sampler: FindingsSampler
    cases: dict[str, Case]

    def paint(self, query: str, shape: tuple[int, int], split: str, diseased: int | None) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Gray levels to add to a query, (h, w), and where a finding has more than half of its peak; `diseased` None: nothing."""
        added, mask = np.zeros(shape), np.zeros(shape, dtype=bool)
        self.cases[query] = case = Case()
        if diseased is not None:
            key = (*QUERY_SPLITS, WARMUP).index(split)
            self.cases[query] = case = self.sampler.case(key, diseased)
            places = self.sampler.places(key, diseased, case)
            factor = [*self.truth.severity.values()][case.severity]
            for kind, region, place in zip(case.kinds, case.regions, places, strict=True):
                drawn = self.truth.signal(shape, kind, region, place).reshape(shape)
                added += factor * drawn
                mask |= np.abs(drawn) > abs([*self.truth.kinds.values()][kind]["amplitudes"][region]) / 2
        return added, mask


def _families(config: PhantomConfig, truth: PhantomTruth, seed: int) -> Iterator[tuple[str, int, PhantomFamily]]:
    sampler = FamilySampler(truth, seed)
    for key, split in enumerate(QUERY_SPLITS):
        for number in range(getattr(config, f"n_{split}")):
            yield split, number, sampler.sample(key, number, config.relatives)
    for number in range(config.warmup.n):
        yield WARMUP, number, sampler.sample(len(QUERY_SPLITS), number, config.relatives)


def _write_family(
    writer: _Writer,
    config: PhantomConfig,
    truth: PhantomTruth,
    painter: _FindingsPainter | None,
    split: str,
    number: int,
    family: PhantomFamily,
) -> Iterator[dict[str, Any]]:
    query, diseased = f"{split}-{number:05d}", disease_status(number, config.prevalence)
    contrast = config.warmup.contrast_of(number) if split == WARMUP else 1.0
    before = int(np.floor(number * config.prevalence + 1e-9))  # diseased queries among those before
    drawn, split = split, "train" if split == WARMUP else split
    shared = {"family": f"family-{query}", "view": "PA", "contrast": contrast, **_traits(family)}
    image, mask = family.images[0], ""
    if painter is not None:
        added, seen = painter.paint(query, truth.shape, drawn, before if diseased else None)
        image = image + contrast * added
        if diseased:
            mask = f"masks/{query}.png"
            writer.pixels(mask, np.where(seen, 255, 0).astype(np.uint8))
    elif diseased:
        profile = lesion_profile(truth.shape, family.place, truth.profile, truth.width)
        image, mask = image + contrast * truth.amplitude * profile, f"masks/{query}.png"
        writer.pixels(mask, np.where(profile > 0.5, 255, 0).astype(np.uint8))
    label = (DISEASED if painter is None else FINDING) if diseased else HEALTHY
    yield _row(writer, query, image) | shared | {"mask": mask, "label": label, "split": split, "serves": ""}
    for relative, healthy in enumerate(family.images[1:], start=1):
        row = _row(writer, f"{query}-r{relative}", healthy)
        yield row | shared | {"mask": "", "label": HEALTHY, "split": "reference", "serves": split}


def _row(writer: _Writer, item_id: str, image: NDArray[np.float64]) -> dict[str, Any]:
    name = f"images/{item_id}.png"
    return {"item_id": item_id, "image": name, "patient_id": f"patient-{item_id}", "sha256": writer.image(name, image)}


def _traits(family: PhantomFamily) -> dict[str, Any]:
    """Derive age, sex and site from the family's factors of heart size, lung size and brightness, so that relatives agree in them."""
    heart, lungs = family.factor["demographic"][:2]
    offset = family.factor["site"][1]
    age = float(np.clip(np.round(55 + 13 * heart), 20, 90))
    return {"age": age, "sex": "F" if lungs < 0 else "M", "site": SITES[int(np.searchsorted(SITE_BOUNDS, offset))]}


def _info(config: PhantomConfig, truth: PhantomTruth, seed: int, clipped_pixels: int) -> CohortInfo:
    name, modality = MODALITIES[config.modality]
    one = config.findings is None
    parameters = {**config.model_dump(mode="json"), "seed": seed, "shares": truth.shares}
    return CohortInfo(
        name=name,
        kind="phantom",
        healthy=HEALTHY,
        positive=[DISEASED if one else FINDING],
        modality=modality,
        finding="a nodule" if one else "a finding",
        licence="Simulated images; no restriction.",
        counts={"clipped_pixels": clipped_pixels},
        parameters=parameters | ({"lesion_amplitude": truth.amplitude} if one else {}),
    )
