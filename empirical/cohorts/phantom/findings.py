"""Several kinds of findings: which are drawn, what is asked about them, and the truth an ideal observer of the answers knows."""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from empirical.cohorts.phantom.config import PhantomConfig
from empirical.cohorts.phantom.model import clear_area, refuse_clipping
from empirical.cohorts.phantom.truth import PhantomTruth, lesion_profile
from see_in_pairs.errors import InputError
from see_in_pairs.files import read_json_object, write_json

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
FILE = "findings.json"
FINDINGS = 1000  # number of the random stream that shuffles the findings of a split; relatives have the low numbers
NONE, YES_NO = "none", ("yes", "no")
MOST_HYPOTHESES = 20_000


@dataclass(frozen=True)
class Case:
    """What a query shows: kinds and regions in step (no, one or two findings), and the grade they share."""

    kinds: tuple[int, ...] = ()
    regions: tuple[int, ...] = ()
    severity: int = 0


@dataclass(frozen=True)
class Asked:
    """A question of the cohort: its words, and the closed set of answers."""

    question_id: str
    question: str
    choices: tuple[str, ...]
    scale: str
    finding: str


@dataclass(frozen=True)
class FindingsTruth:
    """What an ideal observer of the answers knows beside `PhantomTruth`: ``findings.json`` of a cohort."""

    kinds: dict[str, dict[str, Any]]  # profile, width, detectability, and amplitudes in gray levels, one for each region
    regions: dict[str, dict[str, Any]]  # side, and places: rows and columns that a finding's centre takes, the region's centre first
    severity: dict[str, float]  # from the lowest grade: by how much the amplitude is multiplied
    prevalence: float  # share of queries with a finding
    several: float  # share of those with two

    def cases(self, number: int) -> list[Case]:
        """List every combination with so many findings (0, 1 or 2), equally frequent."""
        kinds, regions, grades = range(len(self.kinds)), range(len(self.regions)), range(len(self.severity))
        if number == 0:
            return [Case()]
        chosen = itertools.product(itertools.combinations(kinds, number), itertools.permutations(regions, number), grades)
        return [Case(*combination) for combination in chosen]

    def signals(self, shape: tuple[int, int]) -> Array:
        """Draw each kind at each place of each region, (signals, P), in gray levels at grade factor 1, in the order of `columns`."""
        drawn = [self.signal(shape, kind, region, place) for kind, region, place in self.columns()]
        return np.stack(drawn)

    def columns(self) -> list[tuple[int, int, int]]:
        """Kind, region and place of each of `signals`."""
        places = [len(region["places"]) for region in self.regions.values()]
        return [(kind, region, place) for kind in range(len(self.kinds)) for region, n in enumerate(places) for place in range(n)]

    def signal(self, shape: tuple[int, int], kind: int, region: int, place: int) -> Array:
        """Draw one finding, (P,), in gray levels."""
        look, where = [*self.kinds.values()][kind], [*self.regions.values()][region]
        profile = lesion_profile(shape, np.array(where["places"][place], dtype=float), look["profile"], look["width"])
        return np.asarray(look["amplitudes"][region] * profile.ravel())

    def hypotheses(self) -> tuple[Array, Array, list[Case]]:
        """List everything that a query may show: weights on `signals`, (H, signals), prior, (H,), and the case of each."""
        index = {column: number for number, column in enumerate(self.columns())}
        places = [len(region["places"]) for region in self.regions.values()]
        shares = {0: 1 - self.prevalence, 1: self.prevalence * (1 - self.several), 2: self.prevalence * self.several}
        rows, prior, shown = [], [], []
        total = sum(len(self.cases(n)) * max(places) ** n for n, share in shares.items() if share)
        if total > MOST_HYPOTHESES:
            raise InputError(f"{FILE}: {total:,} combinations of findings and places (at most {MOST_HYPOTHESES:,}); take fewer places")
        for number, share in shares.items():
            if not share:
                continue
            cases = self.cases(number)
            for case in cases:
                where = list(itertools.product(*(range(places[region]) for region in case.regions)))
                for chosen in where:
                    row = np.zeros(len(index))
                    for column in zip(case.kinds, case.regions, chosen, strict=True):
                        row[index[column]] = [*self.severity.values()][case.severity]
                    rows.append(row)
                    prior.append(share / len(cases) / len(where))
                    shown.append(case)
        return np.stack(rows), np.array(prior), shown

    def questions(self) -> list[Asked]:
        """List the questions: one for each kind, then kind, region, side and grade where there are several."""
        kinds, regions, sides = [*self.kinds], [*self.regions], list(dict.fromkeys(region["side"] for region in self.regions.values()))
        asked = [Asked(name, f"Does the query show: {name}?", YES_NO, "binary", name) for name in kinds]
        if len(kinds) > 1:
            asked.append(Asked("kind", "Which finding does the query show?", (NONE, *kinds), "nominal", "kind of finding"))
        if len(regions) > 1:
            asked.append(Asked("location", "The query shows one finding. Where is it?", tuple(regions), "nominal", "location"))
        if 1 < len(sides) < len(regions):
            asked.append(Asked("laterality", "The query shows one finding. On which side is it?", tuple(sides), "nominal", "laterality"))
        if len(self.severity) > 1:
            words = "How pronounced are the findings in the query?"
            asked.append(Asked("severity", words, (NONE, *self.severity), "ordinal", "severity"))
        if len({one.question_id for one in asked}) < len(asked):
            raise InputError("findings.kinds: 'kind', 'location', 'laterality' and 'severity' are names of questions; rename the kind")
        return asked

    def answer(self, asked: Asked, case: Case) -> str | None:
        """Answer a question about a query; None where it is not asked, because the query shows too many findings, or none to locate."""
        kinds, regions, name = [*self.kinds], [*self.regions], asked.question_id
        if asked.scale == "binary":
            return YES_NO[0] if kinds.index(name) in case.kinds else YES_NO[1]
        if name == "severity":
            return [*self.severity][case.severity] if case.kinds else NONE
        if len(case.kinds) > 1 or (name != "kind" and not case.kinds):
            return None
        if name == "kind":
            return kinds[case.kinds[0]] if case.kinds else NONE
        region = regions[case.regions[0]]
        return region if name == "location" else str(self.regions[region]["side"])

    def save(self, folder: Path) -> None:
        """Write ``findings.json``, atomically."""
        write_json(folder / FILE, asdict(self))

    @classmethod
    def load(cls, folder: Path) -> FindingsTruth:
        """Read the findings of a phantom cohort."""
        path = folder / FILE
        if not path.is_file():
            raise InputError(f"{path}: no such file; only phantoms made with 'findings' in their config have it")
        try:
            return cls(**read_json_object(path))
        except TypeError:
            raise InputError(f"{path}: not the findings of a phantom; make the cohort again") from None


def build_findings(config: PhantomConfig, truth: PhantomTruth) -> FindingsTruth:
    """Place the findings, and solve for the amplitude of each kind in each region, at its centre, from the phantom's own covariance."""
    assert config.findings is not None
    area = clear_area(config)
    regions = {name: {"side": r.side, "places": _places(config, name, area > 0.5).tolist()} for name, r in config.regions.items()}
    kinds = {}
    for name, kind in config.findings.kinds.items():
        amplitudes = []
        for region in regions.values():
            unit = lesion_profile(truth.shape, np.array(region["places"][0]), kind.profile, kind.width).ravel()
            amplitudes.append(float((-1 if kind.dark else 1) * kind.detectability / np.sqrt(unit @ truth.whiten(unit))))
        kinds[name] = {**kind.model_dump(mode="json"), "amplitudes": amplitudes}
    most = max(config.findings.severity.values())
    levels = [most * level for kind in kinds.values() for level in kind["amplitudes"]]
    refuse_clipping(truth, area, max(0.0, *levels), max(0.0, *(-level for level in levels)))
    found = FindingsTruth(kinds, regions, dict(config.findings.severity), config.prevalence, config.findings.several)
    found.questions()  # refuses names of kinds that are names of questions
    return found


def _places(config: PhantomConfig, name: str, clear: NDArray[np.bool_]) -> Array:
    """Rows and columns that a finding takes in a region, its centre first."""
    assert config.findings is not None
    centre = np.round(np.array(config.regions[name].centre) * config.size)
    if not clear[tuple(centre.astype(int).clip(0, config.size - 1))]:
        raise InputError(f"findings.regions: the centre of '{name}' is not within the {config.modality}'s clear part; choose another")
    if config.findings.place == "fixed":
        return centre[None]
    steps = 2 * np.arange(-config.size // 2, config.size // 2)
    grid = centre + np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)
    others = [np.round(np.array(r.centre) * config.size) for other, r in config.regions.items() if other != name]
    away = np.hypot(*(grid - centre).T)
    inside = ((grid >= 0) & (grid < config.size)).all(axis=1)
    grid, away = grid[inside], away[inside]
    nearest = np.all([away < np.hypot(*(grid - other).T) for other in others], axis=0) if others else np.ones(len(grid), dtype=bool)
    usable = nearest & clear[tuple(grid.astype(int).T)]
    grid, away = grid[usable], away[usable]
    if len(grid) < config.findings.places:
        raise InputError(f"findings.places: region '{name}' has room for {len(grid)} places, not {config.findings.places}; ask for fewer")
    return np.asarray(grid[np.argsort(away, kind="stable")[: config.findings.places]])


class FindingsSampler:
    """Chooses what each query shows, so that every beginning of a split is balanced; each has as many as the last, up to one."""

    def __init__(self, truth: FindingsTruth, seed: int) -> None:
        self.truth, self.seed = truth, seed
        self._cases = {number: truth.cases(number) for number in (1, 2)}

    def case(self, split: int, diseased: int) -> Case:
        """Choose the case of a split's diseased query, numbered from 0."""
        before, after = (int(np.floor(n * self.truth.several + 1e-9)) for n in (diseased, diseased + 1))
        number, rank = (2, before) if after > before else (1, diseased - before)
        block, place = divmod(rank, len(self._cases[number]))
        shuffled = self._stream(split, number, block).permutation(len(self._cases[number]))
        return self._cases[number][int(shuffled[place])]

    def places(self, split: int, diseased: int, case: Case) -> list[int]:
        """Choose the place of each finding within its region."""
        stream = self._stream(split, 3, diseased)
        counts = [len(region["places"]) for region in self.truth.regions.values()]
        return [int(stream.integers(counts[region])) for region in case.regions]

    def _stream(self, split: int, *number: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(split, FINDINGS, *number)))


def questions_table(truth: FindingsTruth, cases: dict[str, Case]) -> tuple[pd.DataFrame, dict[str, int]]:
    """Write down the questions of each item with their answers, and count the items that a question is not asked about.

    What each item shows stands beside them, not in the cohort's table: there references could be matched on it.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    left_out: dict[str, int] = {}
    kinds, regions = [*truth.kinds], [*truth.regions]
    for item, case in cases.items():
        shown = {
            "shown_kinds": "; ".join(kinds[kind] for kind in case.kinds),
            "shown_regions": "; ".join(regions[region] for region in case.regions),
            "shown_severity": [*truth.severity][case.severity] if case.kinds else "",
        }
        for asked in truth.questions():
            answer = truth.answer(asked, case)
            if answer is None:
                key = f"queries_not_asked_{asked.question_id}"
                left_out[key] = left_out.get(key, 0) + 1
            else:
                rows.append({"item_id": item, **asdict(asked), "answer": answer, **shown})
    return pd.DataFrame(rows), left_out
