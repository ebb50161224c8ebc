"""What the reference of each strategy shares with the query where a lesion is, and what observers gain from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats

from empirical.analysis.channels import channel_outputs
from empirical.cohorts import QUERY_SPLITS
from empirical.references import ReferenceConfig, choose_references
from empirical.references.aligned import align_all, shown_references
from paper_figures.observers.config import ObserversConfig
from paper_figures.statistics import random_factors_contrast
from see_in_pairs.console import log, progress
from see_in_pairs.errors import InputError
from theory.models.channelized import channel_profiles, gain, learn, seen
from theory.models.variance_components import auc_gain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from empirical.cohorts import Cohort

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]
    Bools = NDArray[np.bool_]

MARGIN = 0.05
"""A gain that matters here; where half the interval is wider, there is no verdict."""

CONTROL = "control"
"""The row of a made reference: of every channel a known part is the query's own healthy image, the rest a stranger's."""

REPEATS = 5
"""Partitions into folds, over which areas are averaged."""

FEWEST = 20
"""Patients with queries and references: fewer are not analysed."""


@dataclass(frozen=True)
class LesionPairs:
    """Channel outputs (n, channels) at the place of the lesion, or where it would be, of queries and references; and whose they are.

    `patients`, `owners`: the patients of query and reference (n,); `films`: the image a query was made from.
    """

    query: Floats
    reference: Floats
    diseased: Bools
    patients: NDArray[np.str_]
    owners: NDArray[np.str_]
    references: NDArray[np.str_]
    films: NDArray[np.str_]
    left_out: int
    items: NDArray[np.str_]


@dataclass(frozen=True)
class Ranged:
    """A number with the ends of its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def half(self) -> float:
        """Half the interval's width."""
        return (self.high - self.low) / 2


def compare_strategies(cohort: Cohort, config: ObserversConfig, seed: int, quiet: bool = True) -> pd.DataFrame:
    """Table of all strategies of a cohort of inserted lesions, a row for each strategy and observer.

    Raises
    ------
    InputError
        When the cohort does not know its lesions' places, or no strategy can be used.
    """
    if not {"row", "column"} <= set(cohort.table.columns):
        raise InputError(f"strategies: {cohort.folder}: has no columns row and column with the places of lesions; see 'cohort insert'")
    rows: list[dict[str, Any]] = []
    wanted: dict[str, ReferenceConfig] = dict(config.strategies)
    if config.control_rho:
        wanted |= {f"{CONTROL}, rho {config.control_rho:g}": ReferenceConfig()}
    for name, references in progress(wanted.items(), len(wanted), "strategies", quiet):
        try:
            pairs = read_pairs(cohort, config, references, seed)
            if name not in config.strategies:
                pairs = made_to_share(pairs, own_outputs(cohort, config, pairs), config.control_rho)
            rows += _strategy(pairs, name, config, seed)
        except InputError as error:
            log(f"{name}: {error}", quiet)
            rows += [
                {"strategy": name, "observer": observer, "verdict": "not possible", "note": str(error)} for observer in _pairs_of(config)
            ]
    table = pd.DataFrame(rows)
    if "gain" not in table:
        raise InputError(f"strategies: none can be used: {table['note'].iloc[0]}")
    return table


def _pairs_of(config: ObserversConfig) -> list[str]:
    return [name for name in config.observers if name != "single"]


def read_pairs(cohort: Cohort, config: ObserversConfig, references: ReferenceConfig, seed: int) -> LesionPairs:
    """Choose the references of all queries, and compute the channels' outputs on both at the query's place."""
    table, parts, left_out = cohort.table.set_index("item_id"), [], 0
    for split in (split for split in QUERY_SPLITS if (cohort.table["split"] == split).any()):
        try:
            assignment = choose_references(cohort, split, references, seed, model=config.features)
        except InputError:
            if split != "val":  # few queries, none of which may have a reference
                raise
            left_out += int((cohort.table["split"] == split).sum())
            continue
        chosen = {item: shown_references(item, beside, references) for item, beside in assignment.references().items()}
        align_all(cohort, [image for images in chosen.values() for image in images], f"align, {split}", quiet=True)
        found = _outputs(cohort, config, split, chosen)
        left_out += found.attrs["left_out"]
        parts.append(found)
    found = pd.concat(parts, ignore_index=True)
    owners = table["patient_id"].loc[found["reference_id"]].to_numpy(str)
    films = found["patient_id"].to_numpy(str) + "/" + table["film"].loc[found["item_id"]].astype(str).to_numpy(str)
    return LesionPairs(
        _of(found, "q"), _of(found, "r"), found["diseased"].to_numpy(bool), found["patient_id"].to_numpy(str), owners,
        found["reference_id"].to_numpy(str), films, left_out, found["item_id"].to_numpy(str),
    )  # fmt: skip


def _outputs(cohort: Cohort, config: ObserversConfig, split: str, shown: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Outputs on the queries of a split, and on what is shown beside each, at the place of the query's lesion."""
    settings, table = config.channels, cohort.table
    side = settings.side
    channels = channel_profiles((side, side), settings.kind, width=settings.width, number=settings.number).reshape(-1, side, side)
    places = {str(item): (int(row), int(column)) for item, row, column in zip(table["item_id"], table["row"], table["column"], strict=True)}
    return channel_outputs(cohort, split, channels, np.empty((0, 2), dtype=np.intp), shown, lesions=places)


def _of(table: pd.DataFrame, letter: str) -> Floats:
    return table[[name for name in table.columns if name[0] == letter and name[1:].isdigit()]].to_numpy(float)


def own_outputs(cohort: Cohort, config: ObserversConfig, pairs: LesionPairs) -> Floats:
    """Outputs (n, channels) of each query's own image without a lesion, which another query of the image shows."""
    table = cohort.table
    healthy = table[table["label"] == cohort.info.healthy]
    of = dict(zip(zip(healthy["patient_id"], healthy["film"], strict=True), healthy["item_id"].astype(str), strict=True))
    parts = []
    for split in (split for split in QUERY_SPLITS if (table["split"] == split).any()):
        queries = cohort.queries(split)
        keys = zip(queries["item_id"], queries["patient_id"], queries["film"], strict=True)
        shown = {str(item): (of[patient, film],) for item, patient, film in keys if (patient, film) in of}
        if shown:
            parts.append(_outputs(cohort, config, split, shown))
    found = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"item_id": []})
    if not set(pairs.items) <= set(found["item_id"]):
        raise InputError("control_rho: some images have no query without a lesion; make two queries or more of each image, or set it to 0")
    rows = found.reset_index().set_index("item_id")["index"].loc[list(pairs.items)].to_numpy()
    return _of(found, "r")[rows]


def made_to_share(pairs: LesionPairs, own: Floats, rho: float) -> LesionPairs:
    """Replace the reference by a mixture of the own healthy image and the stranger's, such that each channel correlates by about rho."""
    mixed = rho * (own - own.mean(axis=0)) + np.sqrt(1 - rho**2) * (pairs.reference - pairs.reference.mean(axis=0))
    return replace(pairs, reference=mixed)


def _strategy(pairs: LesionPairs, name: str, config: ObserversConfig, seed: int) -> list[dict[str, Any]]:
    patients = len(np.unique(pairs.patients))
    if patients < FEWEST:
        raise InputError(f"{patients} patients have queries with such a reference; at least {FEWEST} are needed")
    own = bool((pairs.patients == pairs.owners).all())
    shared = None if own else pairs.owners  # an own earlier image varies with its patient
    scores = {observer: cross_fitted(pairs, observer, config.folds, seed) for observer in {"single", *_pairs_of(config)}}
    single = _contrast([scores["single"]], pairs, None)
    explained = explained_at_lesion(pairs, config.folds, seed)
    rho = shared_correlation(pairs, config.folds, seed)
    leak = _widened(_contrast([cross_fitted(pairs, "reference", config.folds, seed)], pairs, shared), config.folds)
    index = float(np.sqrt(2) * stats.norm.ppf(np.clip(single.value, 0.5, 1 - 1e-9)))
    predicted = [float(auc_gain(index, value)) for value in (rho.value, rho.low, rho.high)]
    least = 0.0 if rho.low < 0 < rho.high else min(predicted[1:])
    common = {
        "queries": len(pairs.diseased), "lesions": int(pairs.diseased.sum()), "films": len(np.unique(pairs.films)), "patients": patients,
        "reference_films": len(np.unique(pairs.references)), "reference_patients": len(np.unique(pairs.owners)), "left_out": pairs.left_out,
        **_named("single", single), **_named("explained", explained), **_named("rho", rho),
        "predicted_gain": predicted[0], "predicted_gain_low": least, "predicted_gain_high": max(predicted[1:]), **_named("leak", leak),
        "leak_found": leak.low > 0.5,
    }  # fmt: skip
    rows = []
    for observer in _pairs_of(config):
        found = _contrast([scores[observer], scores["single"]], pairs, shared)
        limit = gain(pairs.query, pairs.diseased, pairs.reference, observer, clusters=pairs.patients)
        rows.append(
            {"strategy": name, "observer": observer, **_named("gain", found), "half_width": found.half, "verdict": verdict(found, observer)}
            | common
            | {"limit": limit.auroc, "limit_low": limit.low, "limit_high": limit.high, "note": ""}
        )
    return rows


def verdict(gained: Ranged, observer: str) -> str:
    """Words for a gain: none where its interval is too wide to see `MARGIN`.

    Both images together can lose only by the price of learning more weights, which no larger set has; so no loss is stated of them.
    """
    if gained.half > MARGIN:
        return "cannot resolve .05"
    if gained.low > 0:
        return "gain"
    if gained.high < 0 and observer == "difference":
        return "loss"
    return "no gain of .05" if gained.high < MARGIN else "undecided"


def _named(name: str, found: Ranged) -> dict[str, float]:
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def _contrast(scores: list[Floats], pairs: LesionPairs, references: NDArray[np.str_] | None) -> Ranged:
    """AUROC of one observer, or of the first minus the second, with patients and references random."""
    found = random_factors_contrast(
        scores, pairs.diseased, pairs.patients, None if references is None else list(zip(references, strict=True)),
        weights=(1.0,) if len(scores) == 1 else (1.0, -1.0), models=["folds"] * len(scores), fixed=("seeds",),
    )  # fmt: skip
    return Ranged(found.estimate, *found.interval)


def _widened(found: Ranged, folds: int) -> Ranged:
    """Widen an interval by the factor of Nadeau and Bengio (2003), since folds, each predicted from the others, are not independent."""
    reach = found.half * float(np.sqrt(1 + folds / (folds - 1)))
    return Ranged(found.value, found.value - reach, found.value + reach)


def cells(pairs: LesionPairs, folds: int, seed: int) -> list[tuple[Bools, Bools]]:
    """Which pairs a rule learns from and which it is tested on: neither patient of a tested pair is in a pair that was learned from."""
    names = np.unique(np.concatenate([pairs.patients, pairs.owners]))
    of = np.empty(len(names), dtype=np.intp)
    rng = np.random.default_rng([seed, folds])
    asked = np.isin(names, pairs.patients)
    for members in (np.flatnonzero(asked), np.flatnonzero(~asked)):
        of[rng.permutation(members)] = np.arange(len(members)) % folds
    query, reference = (of[np.searchsorted(names, whose)] for whose in (pairs.patients, pairs.owners))
    found = []
    for first in range(folds):
        for second in range(folds):
            tested = (query == first) & (reference == second)
            if tested.any():
                found.append(((query != first) & (reference != second), tested))
    return found


def cross_fitted(pairs: LesionPairs, observer: str, folds: int, seed: int) -> Floats:
    """Scores (repeats, n) of every query by a rule that learned from other patients; ``'reference'`` sees the reference alone."""
    scores = np.empty((REPEATS, len(pairs.diseased)))
    features = pairs.reference if observer == "reference" else seen(pairs.query, pairs.reference, observer)
    for repeat in range(REPEATS):
        for learned, tested in cells(pairs, folds, seed + repeat):
            rule = learn(features[learned], pairs.diseased[learned], shrinkage=_shrinkage(features[learned]))
            scores[repeat, tested] = (rule.scores(features[tested]) - rule.threshold) / rule.score_sd
    return scores


def _shrinkage(features: Floats) -> float | str:
    return 0.0 if features.shape[1] < len(features) / 5 else "ledoit_wolf"


def explained_at_lesion(pairs: LesionPairs, folds: int, seed: int) -> Ranged:
    """Share of the variance of the single observer's score, within class, that the reference explains in other patients.

    Score and linear prediction from all channels of the reference are learned from other patients. Below 0 where it tells nothing.
    """
    errors, totals = np.zeros(len(pairs.diseased)), np.zeros(len(pairs.diseased))
    for repeat in range(REPEATS):
        for learned, tested in cells(pairs, folds, seed + repeat):
            rule = learn(pairs.query[learned], pairs.diseased[learned], shrinkage=_shrinkage(pairs.query[learned]))
            score = pairs.query @ rule.template / rule.score_sd
            design = np.column_stack([pairs.reference, pairs.diseased, np.ones(len(score))])
            found = np.linalg.lstsq(design[learned], score[learned], rcond=None)[0]
            means = np.array([score[learned & (pairs.diseased == label)].mean() for label in (False, True)])
            errors[tested] += np.square(score - design @ found)[tested]
            totals[tested] += np.square(score - means[pairs.diseased.astype(int)])[tested]
    estimate = 1 - errors.sum() / totals.sum()
    influence = -(errors - (1 - estimate) * totals) / totals.sum()
    reach = _reach(influence, pairs)
    return Ranged(float(estimate), float(estimate - reach), float(estimate + reach))


def shared_correlation(pairs: LesionPairs, folds: int, seed: int) -> Ranged:
    """Correlation, within class, of the single observer's scores of query and reference (T10), learned from other patients."""
    scores = np.zeros((2, len(pairs.diseased)))
    for repeat in range(REPEATS):
        for learned, tested in cells(pairs, folds, seed + repeat):
            rule = learn(pairs.query[learned], pairs.diseased[learned], shrinkage=_shrinkage(pairs.query[learned]))
            for row, outputs in enumerate((pairs.query, pairs.reference)):
                centred = outputs[tested] - outputs[learned].mean(axis=0)  # templates differ, and a mean would be shared through them
                scores[row, tested] += (centred @ rule.template) / rule.score_sd / REPEATS
    for label in (False, True):
        scores[:, pairs.diseased == label] -= scores[:, pairs.diseased == label].mean(axis=1, keepdims=True)
    scores /= np.sqrt(np.square(scores).sum(axis=1, keepdims=True))
    estimate = float(np.clip(scores[0] @ scores[1], -1, 1))
    reach = _reach((scores[0] * scores[1] - estimate * np.square(scores).sum(axis=0) / 2) / max(1 - estimate**2, 1e-12), pairs)
    return Ranged(estimate, *(float(np.tanh(np.arctanh(estimate) + side * reach)) for side in (-1, 1)))


def _reach(influence: Floats, pairs: LesionPairs) -> float:
    """Half a 95 % interval from influences (n,): sums over query patients, and over reference patients, crossed.

    Inclusion and exclusion (Cameron, Gelbach and Miller 2011); Student's t on the fewer of the two kinds of patients.
    """

    def variance(names: NDArray[np.str_]) -> tuple[float, int]:
        codes = np.unique(names, return_inverse=True)[1]
        count = int(codes.max()) + 1
        return float(np.square(np.bincount(codes, influence)).sum() * count / max(count - 1, 1)), count

    (of_queries, queries), (of_references, references) = variance(pairs.patients), variance(pairs.owners)
    both, _ = variance(np.char.add(np.char.add(pairs.patients, "\0"), pairs.owners))
    total = max(of_queries + of_references - both, of_queries, of_references)
    return float(stats.t.ppf(0.975, max(min(queries, references) - 1, 1)) * np.sqrt(total))
