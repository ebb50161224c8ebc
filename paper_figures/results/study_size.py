"""How many trainings, patients and references a study needs: the pilot or the components as input, the answer as text and JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_figures.statistics.multireader.planning import COMPONENTS, ContrastVariance, PlannedStudy, patients_for, power_table
from paper_figures.statistics.multireader.random_factors import ContrastResult, random_factors_contrast
from see_in_pairs.errors import InputError
from see_in_pairs.files import read_text

if TYPE_CHECKING:
    from paper_figures.comparison.arm_rows import ArmRows

TRAININGS, PATIENTS, REFERENCES = (3, 5, 10), (50, 100, 200, 400, 800), (5, 20, 50)


@dataclass(frozen=True)
class StudySize:
    """An answered plan of trainings, patients and references."""

    components: ContrastVariance
    effect: float
    target: tuple[str, float]  # 'power' or 'half_width', and how much
    alpha: float
    studies: list[PlannedStudy]
    needed: list[tuple[int, int, PlannedStudy | None]]  # trainings, references, the smallest study
    notes: list[str]

    def content(self) -> dict[str, Any]:
        """Content for JSON."""
        needed = [
            {"trainings": s, "references": r, "patients": study and study.patients, "power": study and study.power,
             "half_width": study and study.half_width, "reason": "" if study else "trainings and references alone leave too much variation"}
            for s, r, study in self.needed
        ]  # fmt: skip
        return {
            "components": self.components.to_dict(), "effect": self.effect, "target": dict([self.target]), "alpha": self.alpha,
            "needed": needed, "studies": [study.to_dict() for study in self.studies], "notes": self.notes,
        }  # fmt: skip

    def text(self) -> str:
        """Tables for a person."""
        name, value = self.target
        goal = f"for {value:.0%} power to show {self.effect:g}" if name == "power" else f"for an interval of half width {value:g}"
        references = sorted({r for _, r, _ in self.needed})
        title = lambda r: f"{r} references" if r else "none shared"
        lines = [
            f"patients needed {goal}, two-sided {self.alpha:g}:",
            f"  {'trainings':<12}" + "".join(f"{title(r):>16}" for r in references),
        ]
        for s in sorted({s for s, _, _ in self.needed}):
            found = {r: study for one, r, study in self.needed if one == s}
            cells = "".join(f"{'none suffices' if found[r] is None else format(found[r].patients, ','):>16}" for r in references)  # type: ignore[union-attr]
            lines.append(f"  {s:<12}{cells}")
        lines += ["", f"  {'trainings':>9}{'references':>12}{'patients':>10}{'SE':>9}{'power':>8}{'(MCSE)':>9}{'half width':>12}"]
        for one in self.studies:
            lines.append(
                f"  {one.trainings:>9}{one.references or '-':>12}{one.patients:>10,}{one.se:>9.4f}{one.power:>8.3f}"
                f"{f'({one.power_mcse:.3f})':>9}{one.half_width:>12.4f}"
            )
        parts = ", ".join(f"{part} {getattr(self.components, part):.3g}" for part in COMPONENTS)
        return "\n".join([*lines, "", f"variance components: {parts}", *(f"note: {note}" for note in self.notes)])


def read_variances(text: str) -> ContrastVariance:
    """Read variance components from JSON text, or from a file with it."""
    source = text if text.lstrip().startswith("{") else read_text(Path(text))
    try:
        parsed = json.loads(source)
    except (ValueError, RecursionError):
        parsed = None
    known = {item.name for item in fields(ContrastVariance)}
    if isinstance(parsed, dict) and isinstance(parsed.get("components"), dict):
        parsed = parsed["components"]  # a plan.json
    if not isinstance(parsed, dict) or not {"training", "patient"} <= set(parsed) or set(parsed) - known:
        raise InputError("""--variances: give JSON such as '{"training": 0.0004, "patient": 0.09, "rest": 0.09, "reference": 0.002}'""")
    return ContrastVariance(**parsed)


def pilot_contrast(a: ArmRows, b: ArmRows, measure: str, paired: bool, threshold: float = 0.5) -> ContrastResult:
    """Analyse a pilot of two arms with several trainings each, B minus A."""
    scores = [_grid(one) for one in (b, a)]
    labels = _first(a, a.labels) if a.labels is not None else None
    if measure == "accuracy" and labels is not None:
        scores = [((one >= threshold) == labels).astype(np.float64) for one in scores]
    if measure == "auroc" and labels is None:
        raise InputError("--measure auroc: the pilot contains right and wrong only; give --measure accuracy")
    clusters = None if a.clusters is None else _first(a, a.clusters)
    second = None if b.second_clusters is None else [b.second_clusters[row] for row in _rows(b)]
    models = ["one", "one"] if paired else None
    return random_factors_contrast(scores, labels if measure == "auroc" else None, clusters, second, measure=measure, models=models)


def _rows(arm: ArmRows) -> np.ndarray:
    """The first row of each item, items in the order of their names."""
    return np.unique(arm.items, return_index=True)[1]


def _first(arm: ArmRows, values: np.ndarray) -> np.ndarray:
    found: np.ndarray = values[_rows(arm)]
    return found


def _grid(arm: ArmRows) -> np.ndarray:
    """Scores of each training (S, n)."""
    if arm.wordings is not None:
        raise InputError("the pilot has several wordings; give one of them")
    items = np.unique(arm.items, return_inverse=True)[1]
    seeds = np.zeros(len(items), dtype=np.intp) if arm.training_seeds is None else np.unique(arm.training_seeds, return_inverse=True)[1]
    grid = np.full((seeds.max() + 1, items.max() + 1), np.nan)
    grid[seeds, items] = arm.values
    if np.isnan(grid).any() or len(items) != grid.size:
        raise InputError("the pilot: every training of an arm must have scored every item, once")
    return grid


def answer(
    components: ContrastVariance,
    effect: float,
    sizes: tuple[Sequence[int] | None, Sequence[int] | None, Sequence[int] | None],
    target: tuple[str, float],
    alpha: float,
    seed: int,
    notes: Sequence[str] = (),
) -> StudySize:
    """Compute the tables; `sizes` are trainings, patients and references, each None by default."""
    trainings = tuple(sizes[0] or TRAININGS)
    references = tuple(sizes[2] if sizes[2] is not None else REFERENCES if components.reference else (0,))
    patients, said = tuple(sizes[1] or PATIENTS), list(notes)
    if components.reference and 0 in references:
        said.append("0 references: none is shared, for example if each patient has its own; their variance is then left out")
    if not components.reference and any(references):
        raise InputError("--references: the variance components have no reference part, so their number has no effect; leave it out")
    level = 1 - alpha
    studies = power_table(components, effect, trainings, patients, references, level, seed)
    needed = [
        (s, r, patients_for(components, effect, s, r, **{target[0]: target[1]}, confidence_level=level, seed=seed))  # type: ignore[arg-type]
        for s in trainings
        for r in references
    ]
    found = [*studies, *(study for _, _, study in needed if study)]
    said += sorted({note for study in found for note in study.note.split("; ") if note})
    return StudySize(components, effect, target, alpha, studies, needed, said)
