"""The observers of a cohort, from the one that knows everything to the one that learns everything, and their gain from a reference."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from empirical.analysis.channels import channel_outputs
from empirical.audit.preflight import alignment_text
from empirical.references import choose_references
from empirical.references.aligned import align_all, shown_references
from paper_figures.observers.config import ObserversConfig
from paper_figures.statistics import random_factors_contrast
from see_in_pairs.console import log, progress
from see_in_pairs.errors import InputError
from see_in_pairs.files import read_table
from theory.models.channelized import ChannelizedObserver, channel_profiles, detectability, gain, learn

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from empirical.cohorts import Cohort

    Floats = NDArray[np.float64]

IDEAL, LIMIT, LEARNED, FEATURES, MODEL = (
    "ideal",
    "channelised, many patients",
    "channelised",
    "linear on frozen features",
    "finetuned model",
)
"""Kinds of observers, from all parameters known to all learned."""

DEFAULT_SIZE = 64
"""Side in pixels to which real images are scaled."""

FEWEST_SHARED = 10
"""Samples of training patients, shared by all observers: fewer give no interval for new ones (docs: all random factors at once)."""


@dataclass(frozen=True)
class Seen:
    """What observers are shown of one split: n queries of patients, each with its reference.

    Shapes: `query`, `reference` (n, places, p); `lesion` (n, 2, p), query and reference at the place of the lesion, or where it would be.
    """

    items: NDArray[np.str_]
    patients: NDArray[np.str_]
    diseased: NDArray[np.bool_]
    references: NDArray[np.str_]
    query: Floats
    reference: Floats
    lesion: Floats


@dataclass(frozen=True)
class Ladder:
    """Tables of a ladder: areas of every observer, gains over the single image, and every training."""

    areas: pd.DataFrame
    gains: pd.DataFrame
    trainings: pd.DataFrame
    left_out: int = 0  # queries without a reference
    alignment: pd.DataFrame = field(default_factory=pd.DataFrame)  # a row for each aligned reference


def build_ladder(cohort: Cohort, config: ObserversConfig, seed: int, quiet: bool = True) -> Ladder:
    """Let every observer learn from the cohort's training patients, and test it on its test patients.

    Raises
    ------
    InputError
        When a split has too few patients, a reference cannot be chosen, or a lesion's place is not known.
    """
    truth = _truth(cohort)
    places, known, lesions = _places(cohort, config, truth)
    side, size = config.channels.side, None if truth is not None else config.channels.size or DEFAULT_SIZE
    profiles = channel_profiles((side, side), config.channels.kind, width=config.channels.width, number=config.channels.number)
    seen, left_out, alignments = {}, 0, []
    for number, split in enumerate(("train", "test")):
        assignment = choose_references(cohort, split, config.references, seed, model=config.features, quiet=quiet)
        channels = profiles.reshape(-1, side, side)
        shown = {item: shown_references(item, chosen, config.references) for item, chosen in assignment.references().items()}
        alignment = align_all(cohort, [image for images in shown.values() for image in images], f"align, {split}", quiet)
        if len(alignment):
            log(f"{len(alignment)} {split} references aligned: {alignment_text(alignment)}", quiet)
        alignments.append(alignment)
        table = channel_outputs(cohort, split, channels, places, shown, size=size, lesions=lesions, quiet=quiet)
        left_out += table.attrs["left_out"]
        if table.attrs["left_out"]:
            log(f"{table.attrs['left_out']} {split} queries have no reference, and are left out", quiet)
        seen[split] = _seen(table, np.random.default_rng([seed, number]))
    sources: dict[str, tuple[Seen, Seen, float | str]] = {LEARNED: (seen["train"], seen["test"], 0.0)}
    if config.features is not None:
        log(f"vision features of {config.features.name}", quiet)
        sources[FEATURES] = (*(_features(cohort, config, one, quiet) for one in seen.values()), "ledoit_wolf")  # type: ignore[assignment]
    scores = {source: _learn_all(source, config, *parts, seed, quiet) for source, parts in sources.items()}
    if not any(scores.values()):
        ill = len(np.unique(seen["train"].patients[seen["train"].diseased]))
        raise InputError(
            f"train_patients: {', '.join(map(str, config.train_patients))}: nothing can be learned; the cohort has {ill} diseased of "
            f"{len(np.unique(seen['train'].patients))} training patients with references, and an observer needs more patients than weights"
        )
    areas, gains, single = _ideal(truth), [], []
    limit, limit_gains = _limit(config, seen) if known else ([], [])
    areas += limit
    gains += limit_gains
    for source, found in scores.items():
        rows, differences, each = _tested(source, config, found, seen["test"])
        areas += rows
        gains += differences
        single += each
    if config.study is not None:
        areas += _study_areas(config.study, config.study_cohort)
    return Ladder(pd.DataFrame(areas), pd.DataFrame(gains), pd.DataFrame(single), left_out, pd.concat(alignments, ignore_index=True))


def _truth(cohort: Cohort) -> Any:
    from empirical.cohorts.phantom import PhantomTruth

    path = cohort.folder / "truth.npz"
    return PhantomTruth.load(path) if path.is_file() else None


def _places(cohort: Cohort, config: ObserversConfig, truth: Any) -> tuple[NDArray[np.intp], bool, dict[str, tuple[int, int]]]:
    """Candidate places (L, 2), whether the place is known, and, if not, the place of the lesion in each diseased query."""
    known = config.place == "known" or (config.place is None and (truth is None or truth.place == "fixed"))
    if truth is not None:
        shape, own = truth.shape, np.asarray(truth.places).round().astype(int)
        centre = np.asarray(truth.centre).round().astype(int)
    else:
        size = config.channels.size or DEFAULT_SIZE
        shape, centre = (size, size), np.array([size // 2, size // 2])
        step = max(1, round(size / np.sqrt(config.scanned)))
        own = np.stack(np.meshgrid(*[np.arange(step // 2, size, step)] * 2, indexing="ij"), axis=-1).reshape(-1, 2)
    if config.centre is not None:
        centre = np.round(np.array(config.centre) * shape).astype(int)
    if known:
        if truth is not None and truth.place == "random":
            raise InputError("place: known: the phantom's lesions are at random places; give place: scan")
        return centre[None], True, {}
    chosen = np.unique(np.linspace(0, len(own) - 1, min(config.scanned, len(own))).round().astype(int))
    lesions = {}
    for split in ("train", "test"):
        queries = cohort.queries(split)
        for item in queries["item_id"][queries["label"].isin(cohort.info.positive)]:
            mask = cohort.mask(item)
            if mask is None:
                raise InputError(f"place: scan: the diseased query '{item}' has no mask, so its lesion's place is not known")
            if not mask.any():
                raise InputError(f"place: scan: the mask of '{item}' is empty, so its lesion's place is not known")
            rows, columns = np.nonzero(mask)
            lesions[str(item)] = (
                round(rows.mean() * shape[0] / mask.shape[0]), round(columns.mean() * shape[1] / mask.shape[1]),
            )  # fmt: skip
    return own[chosen], False, lesions


def _seen(table: pd.DataFrame, rng: np.random.Generator) -> Seen:
    letters = {letter: [name for name in table.columns if name[0] == letter and name[1:].isdigit()] for letter in "qr"}
    searched = table[table["place"] >= 0]
    first = searched.drop_duplicates("item_id")
    count = len(searched) // len(first)
    query, reference = (searched[names].to_numpy(float).reshape(len(first), count, -1) for names in letters.values())
    drawn = rng.integers(count, size=len(first))  # a healthy image is used at a place where a lesion could be
    lesion = np.stack([part[np.arange(len(first)), drawn] for part in (query, reference)], axis=1)
    own = table[table["place"] < 0].set_index("item_id")
    for number, item in enumerate(first["item_id"]):
        if item in own.index:
            lesion[number] = [own.loc[item, names].to_numpy(float) for names in letters.values()]
    named = [first[name].to_numpy(str) for name in ("item_id", "patient_id", "reference_id")]
    return Seen(named[0], named[1], first["diseased"].to_numpy(bool), named[2], query, reference, lesion)


def _features(cohort: Cohort, config: ObserversConfig, seen: Seen, quiet: bool) -> Seen:
    """The same queries and references as vectors of a vision model."""
    from empirical.references.embeddings.cache import embedder

    embed = embedder(cohort, config.features, quiet)
    shown = [shown_references(item, [beside], config.references)[0] for item, beside in zip(seen.items, seen.references, strict=True)]
    query, reference = (np.asarray(embed(items), dtype=np.float64)[:, None] for items in (list(seen.items), shown))
    return Seen(seen.items, seen.patients, seen.diseased, seen.references, query, reference, np.concatenate([query, reference], axis=1))


Scores = dict[tuple[str, int], "Floats"]


def _learn_all(source: str, config: ObserversConfig, train: Seen, test: Seen, shrinkage: float | str, seed: int, quiet: bool) -> Scores:
    """Scores (trainings, test queries) by observer and number of training patients; a sample of patients is the same for all observers."""
    found: Scores = {}
    for size in progress(config.train_patients, len(config.train_patients), source, quiet):
        samples = [_sample(train, size, np.random.default_rng([seed, size, number])) for number in range(config.trainings)]
        for observer in config.observers:
            rules = [_rule(train, sample, observer, shrinkage) for sample in samples if sample is not None]
            if rules and all(rule is not None for rule in rules):
                found[observer, size] = np.stack([rule.scores(test.query, test.reference) for rule in rules])  # type: ignore[union-attr]
            else:
                why = "more weights than patients" if rules else "the cohort has fewer of a class"
                log(f"{source}, {observer}: not learned from {size} training patients ({why})", quiet)
    return found


def _sample(train: Seen, size: int, rng: np.random.Generator) -> NDArray[np.intp] | None:
    """Queries of `size` patients, half of them diseased (with any diseased query); None if there are too few."""
    patients, codes = np.unique(train.patients, return_inverse=True)
    ill = np.bincount(codes, weights=train.diseased, minlength=len(patients)) > 0
    wanted = {True: size // 2, False: size - size // 2}
    if any(np.sum(ill == kind) < number for kind, number in wanted.items()):
        return None
    chosen = np.concatenate([rng.choice(np.flatnonzero(ill == kind), number, replace=False) for kind, number in wanted.items()])
    return np.flatnonzero(np.isin(codes, chosen))


def _rule(train: Seen, sample: NDArray[np.intp], observer: str, shrinkage: float | str) -> ChannelizedObserver | None:
    """The rule of an observer; None if the sample is too small for its channels."""
    outputs, features = train.lesion[sample], train.lesion.shape[2] * (2 if observer == "joint" else 1)
    if shrinkage == 0.0 and features >= len(sample) - 2:
        return None
    return learn(outputs[:, 0], train.diseased[sample], outputs[:, 1], observer, shrinkage=shrinkage)


def _row(source: str, observer: str, patients: float, value: float, low: float, high: float, **more: Any) -> dict[str, Any]:
    return {"source": source, "observer": observer, "train_patients": patients, "value": value, "low": low, "high": high} | more


def _ideal(truth: Any) -> list[dict[str, Any]]:
    from paper_figures.results.ideal_observer import ideal_auroc

    if truth is None:
        return []
    found = ideal_auroc(truth)
    values = {"single": found.single, "difference": found.difference, "joint": found.joint}
    how = "exact" if found.mcse == 0 else f"simulated, MCSE {found.mcse:.4f}"
    return [
        _row(IDEAL, name, np.inf, value, value - 2 * found.mcse, value + 2 * found.mcse, method=how)
        for name, value in values.items()
        if value is not None
    ]


def _limit(config: ObserversConfig, seen: dict[str, Seen]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The channels' limit with many patients: from all queries of both splits, without the bias of their number."""
    parts = list(seen.values())
    outputs, diseased = np.concatenate([part.lesion for part in parts]), np.concatenate([part.diseased for part in parts])
    patients = np.concatenate([part.patients for part in parts])
    clusters = None if len(np.unique(patients)) == len(patients) else patients
    areas, gains = [], []
    for observer in config.observers:
        found = detectability(outputs[:, 0], diseased, outputs[:, 1], observer, clusters=clusters)
        areas.append(
            _row(LIMIT, observer, np.inf, found.auroc, found.low, found.high, method=found.method, detectability=found.detectability)
        )
        if observer != "single":
            more = gain(outputs[:, 0], diseased, outputs[:, 1], observer, clusters=clusters)
            gains.append(_row(LIMIT, observer, np.inf, more.auroc, more.low, more.high, method=more.method))
    return areas, gains


def _tested(source: str, config: ObserversConfig, scores: Scores, test: Seen) -> tuple[list[dict[str, Any]], ...]:
    """Areas and gains on the test queries, with training samples, test patients and shared references all random."""
    from see_in_pairs.roc import placements

    random = config.trainings >= FEWEST_SHARED
    method = "trainings, patients and references random" if random else "patients and references random, these trainings"
    shared = None if len(np.unique(test.references)) == len(test.references) else list(zip(test.references, strict=True))
    areas, gains, each = [], [], []
    options: dict[str, Any] = {"patients": test.patients, "fixed": () if random else ("seeds",)}
    for (observer, size), values in scores.items():
        references = None if observer == "single" else shared
        found = random_factors_contrast([values], test.diseased, references=references, weights=(1.0,), **options)
        areas.append(_row(source, observer, size, found.estimate, *found.interval, method=method, trainings=len(values)))
        singly = placements(values, test.diseased)[:, test.diseased].mean(axis=1)
        each += [
            {"source": source, "observer": observer, "train_patients": size, "training": number, "auroc": area}
            for number, area in enumerate(singly)
        ]
        if observer != "single" and ("single", size) in scores:
            found = random_factors_contrast(
                [values, scores["single", size]], test.diseased, references=shared, models=["sample", "sample"], **options
            )
            gains.append(_row(source, observer, size, found.estimate, *found.interval, method=method, trainings=len(values)))
    return areas, gains, each


def study_table(folder: Path) -> Path:
    """The table of areas of a training study."""
    path = folder / "study.csv"
    if not path.is_file():
        raise InputError(f"study: {path}: no such file; name the folder of a finished training study")
    return path


def _study_areas(study: Path, cohort: str) -> list[dict[str, Any]]:
    """Areas of a training study's arms ``single`` and ``pair``, from its table."""
    path = study_table(study)
    table = read_table(path)
    rows = table[(table["cohort"] == cohort) & table["arm"].isin(["single", "pair"]) & (table["n_train"] > 0)]
    if rows.empty:
        names = ", ".join(sorted(set(table["cohort"])))
        raise InputError(f"study_cohort: '{cohort}' has no trained arm 'single' or 'pair' in {path} (cohorts: {names})")
    observers = {"single": "single", "pair": "joint"}
    return [
        _row(MODEL, observers[row["arm"]], row["n_train"], row["auroc"], row["low"], row["high"], method="as in the study")
        for row in rows.to_dict("records")
    ]
