"""Seeds, patients, references and unequal classes together: size, power and coverage of the one estimator that `compare` recommends."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from paper_figures.comparison.factors_block import FEWEST_CROSSED, FEWEST_PATIENTS, FEWEST_REFERENCES, FEWEST_TRAININGS
from paper_figures.error_rates.accuracy import cluster_sizes
from paper_figures.error_rates.mrmc import SeedContrast, hillis, ours
from paper_figures.statistics.multireader.random_factors import ContrastResult, random_factors_contrast
from paper_figures.statistics.roc.rare_class import FEWEST_FOR_T
from paper_figures.statistics.validation import Bools, Codes, Floats
from see_in_pairs.roc import placements
from theory.sweeps import Study, estimand, generator, method

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.05
MEAN, HARD, OWN, NOISE = 0.6, 0.55, 0.45, 0.63
"""Mean evidence for the true class, and standard deviations of a patient's difficulty, of a patient's effect in one arm, and of noise."""

REPLICATES, OFF_THE_NULL, FRESH = 2000, 4000, 8000
"""Number of studies: of each design; of each design with a difference, for coverage; of each design that is repeated, which decide."""

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
    return {"estimate": found.estimate, "se": found.se, "lower": low, "upper": high, "width": high - low, "p": found.p}


@method("accuracy, all factors")
def accuracy(data: Scored) -> dict[str, float]:
    """Run the recommended test of accuracy."""
    return _contrast(data, "accuracy")


@method("AUROC, all factors")
def area(data: Scored) -> dict[str, float]:
    """Run the recommended test of the AUROC."""
    return _contrast(data, "auroc")


def _by_seed(data: Scored, measure: str) -> SeedContrast:
    """Differences of the arms' trainings, paired in their order, with their covariance due to patients; of one replicate."""
    if measure == "accuracy":
        d, classes = (data.evidence[0] > 0).astype(np.float64) - (data.evidence[1] > 0), [np.ones_like(data.labels)]
    else:
        placed = placements(np.where(data.labels, data.evidence, -data.evidence), data.labels)
        d, classes = placed[0] - placed[1], [data.labels, ~data.labels]
    theta, covariance = d[:, classes[0]].mean(axis=1), np.zeros((len(d), len(d)))
    for members in classes:
        parts, count = d[:, members] - theta[:, None], int(members.sum())
        covariance += parts @ parts.T / (count * (count - 1))
    return SeedContrast(theta[None], covariance[None])


def _published(data: Scored, measure: str, test: Callable[[SeedContrast], Mapping[str, Floats]]) -> dict[str, float]:
    """Run a published test, which knows no shared references and needs trainings that vary; elsewhere all is NaN."""
    if data.references is not None or data.evidence.shape[1] < 2:
        return dict.fromkeys(("estimate", "se", "lower", "upper", "width", "p"), math.nan)
    one = {name: float(values[0]) for name, values in test(_by_seed(data, measure)).items()}
    return one | {"width": one["upper"] - one["lower"]}


@method("accuracy, procedure")
def accuracy_procedure(data: Scored) -> dict[str, float]:
    """Run the test of `paper_figures.statistics.multireader.procedure`; items are patients."""
    return _published(data, "accuracy", lambda found: ours(found, len(data.labels)))


@method("AUROC, procedure")
def area_procedure(data: Scored) -> dict[str, float]:
    """Run the test of `paper_figures.statistics.procedure_auroc`, with DeLong's covariances."""
    return _published(data, "auroc", lambda found: ours(found, len(data.labels)))


@method("accuracy, Obuchowski-Rockette")
def accuracy_hillis(data: Scored) -> dict[str, float]:
    """Run the analysis of `paper_figures.statistics.mrmc`."""
    return _published(data, "accuracy", hillis)


@method("AUROC, Obuchowski-Rockette")
def area_hillis(data: Scored) -> dict[str, float]:
    """Run the analysis of `paper_figures.statistics.mrmc`."""
    return _published(data, "auroc", hillis)


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


NAMES = ("accuracy", "auroc", "off_null_accuracy", "off_null_auroc", "again_accuracy", "again_auroc")
"""Studies of this module: every design; those with a difference, beside published intervals; those that are repeated."""


def looked_at_again(cell: Mapping[Any, Any]) -> bool:
    """Designs whose size was at the bound in some run: trainings that both arms share and that vary a lot."""
    return bool(cell["seeds"] in (5, 10) and cell["shared"] and cell["training_sd"] == 0.6)


def study(name: str) -> Study:
    """One of the studies in `NAMES`."""
    kind, _, measure = name.rpartition("_")
    unique = list({tuple(sorted(one.items())): one for one in cells(measure)}.values())
    others: tuple[str, ...] = ()
    replicates, entropy = REPLICATES, 20261129
    if kind == "again":
        unique = [one for one in unique if looked_at_again(one)]
        replicates, entropy = FRESH, 20261201
    elif kind == "off_null":
        unique = [one for one in unique if one["shift"]]
        replicates, others, entropy = OFF_THE_NULL, ("procedure", "Obuchowski-Rockette"), 20261202
    shown = "AUROC" if measure == "auroc" else measure
    uses: list[Any] = [{"name": each, "use": f"{shown}, {each}"} for each in ("all factors", *others)]
    return Study(
        name=f"factors_{name}",
        aims="Whether the recommended test keeps its level with seeds, patients and shared references at once, and its power.",
        pieces=[PIECE],
        generate="random factors",
        methods=uses,
        estimand="true difference",
        null=0.0,
        entropy=entropy,
        replicates=replicates,
        block=100,
        cells=unique,
    )


def admitted(cell: Mapping[Any, Any]) -> bool:
    """Whether `compare` gives a verdict in a design, by its rule, which does not know the effects."""
    seeds = cell["seeds"] == 1 or cell["seeds"] >= (FEWEST_CROSSED if cell["shared"] else FEWEST_TRAININGS)
    references = not cell["references"] or 1 / (shares(cell["references"], cell["use"]) ** 2).sum() >= FEWEST_REFERENCES
    rarer = cell["of"] == "accuracy" or round(cell["prevalence"] * cell["patients"]) >= FEWEST_FOR_T
    return bool(seeds and references and rarer and cell["patients"] >= FEWEST_PATIENTS)


def tidy(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out published intervals in designs that they do not cover: shared references, or one training."""
    fine = (table["method"] == "all factors") | ((table["references"] == 0) & (table["seeds"] > 1))
    return table[fine].reset_index(drop=True)


def summary(folder: Path) -> dict[str, str]:
    """The tables of the page of these studies, as Markdown, from the CSV files in a folder."""
    import pandas as pd

    found = {name: pd.read_csv(folder / f"factors_{name}.csv") for name in NAMES}
    return {
        "sizes": _sizes_table(found),
        "other designs": _other_designs_table(found),
        "admitted": _admitted_table(found),
        "again": _again_table(found),
        "off the null": _coverage_table(found),
        "power": _power_table(found),
    }


def _lines(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(str(cell) for cell in row) + " |" for row in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]]) + "\n"


def _short(value: float) -> str:
    return f"{value:.3f}".replace("0.", ".", 1)


SHOWN = {"accuracy": "accuracy", "auroc": "AUROC"}
LISTED = ((0, "evenly"), (50, "evenly"), (20, "evenly"), (5, "evenly"), (50, "zipf"), (20, "zipf"), (5, "zipf"))


def _sizes_table(found: Mapping[str, pd.DataFrame]) -> str:
    """Size of the worse of two settings of the effects, by references and trainings, in the designs of the full grid."""
    rows = []
    for references, use in LISTED:
        cells = []
        for measure in SHOWN:
            table = found[measure]
            same = (table["patients"] == 100) & (table["images"] == 1) & (table["prevalence"] == 0.5) & ~table["shared"]
            weak_or_strong = table["training_sd"].isin([0.0, 0.25]) & table["reference_sd"].isin([0.0, 0.25, 0.5])
            here = table[same & weak_or_strong & (table["measure"] == "type_1_error")]
            here = here[(here["references"] == references) & (here["use"] == use)]
            cells += [_short(float(here.loc[here["seeds"] == seeds, "value"].max())) for seeds in (1, 3, 5, 10)]
        name = "none" if not references else f"{references}, {'Zipf' if use == 'zipf' else use}"
        rows.append([name, *cells])
    return _lines(["references", "accuracy: 1", "3", "5", "10 trainings", "AUROC: 1", "3", "5", "10 trainings"], rows)


def _other_designs_table(found: Mapping[str, pd.DataFrame]) -> str:
    """Size where patients have several images, are few or many, or where one class is rare; the worse of no and 20 references."""
    kinds = {
        "100 patients, 5 images each": (100, 5, "balanced", 0.5),
        "100 patients, 5 images on average, unequal": (100, 5, "skewed", 0.5),
        "50 patients, 1 image": (50, 1, "balanced", 0.5),
        "400 patients, 1 image": (400, 1, "balanced", 0.5),
        "100 patients, 1 image, prevalence .1": (100, 1, "balanced", 0.1),
        "400 patients, 1 image, prevalence .1": (400, 1, "balanced", 0.1),
        "400 patients, 1 image, prevalence .02": (400, 1, "balanced", 0.02),
    }
    rows = []
    for name, (patients, images, sizes, prevalence) in kinds.items():
        cells = []
        for measure in SHOWN:
            table = found[measure]
            same = (table["patients"] == patients) & (table["images"] == images) & (table["sizes"] == sizes)
            here = table[same & (table["prevalence"] == prevalence) & (table["measure"] == "type_1_error") & ~table["shared"]]
            cells += [_short(float(here.loc[here["seeds"] == seeds, "value"].max())) for seeds in (1, 3, 5, 10)]
        rows.append([name, *cells])
    return _lines(["design", "accuracy: 1", "3", "5", "10 trainings", "AUROC: 1", "3", "5", "10 trainings"], rows)


def _admitted_table(found: Mapping[str, pd.DataFrame]) -> str:
    rows = []
    for measure, shown in SHOWN.items():
        nulls = found[measure][found[measure]["measure"] == "type_1_error"]
        fine = nulls[[admitted(row) for row in nulls.to_dict("records")]]
        largest = _short(fine["value"].max())
        rows.append([shown, f"{len(fine)} of {len(nulls)}", largest, _short(fine["value"].median())])
    return _lines(["measure", "cells admitted", "largest type-I error", "median"], rows)


def _again_table(found: Mapping[str, pd.DataFrame]) -> str:
    rows = []
    for measure, shown in SHOWN.items():
        for name in (measure, f"again_{measure}"):
            table = found[name]
            for row in table[table["measure"] == "type_1_error"].to_dict("records"):
                if looked_at_again(row):
                    bound = LEVEL + 3 * math.sqrt(LEVEL * (1 - LEVEL) / row["replicates"])
                    verdict = "above" if row["value"] > bound else "at or below"
                    rows.append(
                        [shown, row["seeds"], f"{row['replicates']:,}", _short(row["value"]), f"{verdict} {bound:.4f}".replace("0.", ".")]
                    )
    return _lines(
        ["measure", "shared trainings", "studies", "type-I error", "bound"], sorted(rows, key=lambda row: (row[0], row[1], row[2]))
    )


def _coverage_table(found: Mapping[str, pd.DataFrame]) -> str:
    """Coverage and mean width if there is a difference, and the narrowest published interval with the nominal coverage."""
    factors = ["seeds", "references", "training_sd", "shared"]
    rows = []
    for measure, shown in SHOWN.items():
        table = found[f"off_null_{measure}"]
        key: Any
        for key, cell in table.groupby(factors, sort=True):
            seeds, references, spread, shared = key
            values = cell.pivot(index="method", columns="measure", values="value")
            least = 0.95 - 3 * math.sqrt(0.95 * 0.05 / float(cell["replicates"].min()))
            own: Any = values.loc["all factors"]
            others = values.drop(index="all factors")
            others = others[others["coverage"] >= least]
            best = "-"
            if len(others):
                one = others.sort_values("mean:width").iloc[0]
                best = f"{one.name}: {_short(one['coverage'])}, {_short(one['mean:width'])}"
            mark = "**" if own["coverage"] > 0.97 else ""
            given = "yes" if admitted(cell.iloc[0].to_dict()) else "no"
            trainings = f"{seeds}{' shared' if shared else ''}, SD {spread:g}" if seeds > 1 else "1"
            cover = f"{mark}{_short(own['coverage'])}{mark}"
            rows.append([shown, trainings, references or "none", given, cover, _short(own["mean:width"]), best])
    head = [
        "measure",
        "trainings",
        "references",
        "admitted",
        "coverage",
        "width",
        "narrowest published interval that covers: coverage, width",
    ]
    return _lines(head, rows)


def _power_table(found: Mapping[str, pd.DataFrame]) -> str:
    rows = []
    for measure, shown in SHOWN.items():
        table = found[f"off_null_{measure}"]
        table = table[(table["method"] == "all factors") & (table["measure"] == "power") & (table["references"] == 0) & ~table["shared"]]
        for spread in (0.0, 0.25):
            here = table[(table["training_sd"] == spread) & (table["seeds"] > 1)].set_index("seeds")
            truth = float(here["truth"].iloc[0])
            rows.append(
                [f"{shown}, {truth:+.3f}".replace("0.", "."), f"{spread:g}", *(_short(here["value"].loc[seeds]) for seeds in (3, 5, 10))]
            )
    return _lines(["measure, difference", "SD between trainings", "3 trainings", "5", "10"], rows)
