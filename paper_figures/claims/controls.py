"""Controls: the cause of a gain. Each names two runs, the result of an ideal observer, and the estimate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from empirical.arms import ARMS
from paper_figures.claims.evidence import Evidence
from paper_figures.results.estimates import auroc_difference
from paper_figures.results.ideal_observer import run_detectability
from paper_figures.statistics.multiplicity import holm

if TYPE_CHECKING:
    from paper_figures.results.estimates import Estimate

FAMILY = "controls"


@dataclass(frozen=True)
class Control:
    """A difference that isolates one explanation."""

    name: str
    first: str  # roles of runs, as `Evidence.run` takes them; the difference is first minus second
    second: str
    question: str
    ideal: str  # gain of an ideal observer: ``'gain'`` of the reference, or ``'zero'``; ``''`` if the theory makes no statement


CONTROLS = (
    Control(
        "pair over duplicate",
        "pair",
        "duplicate",
        "Is the gain due to the reference, not to the tokens and words of the paired prompt?",
        "gain",
    ),
    Control("duplicate over single", "duplicate", "single", "Do a second image's tokens and the paired prompt alone help?", "zero"),
    Control("random over single", "random", "single", "Does a reference that shares nothing with the query help?", "zero"),
    Control(
        "pair-trained: its references over the query again",
        "pair",
        "shown_duplicate",
        "Does the finetuned model use what the reference shows?",
        "",
    ),
    Control("pair-trained: its references over random ones", "pair", "shown_random", "Does it use what reference and query share?", ""),
)

UNINFORMATIVE = ("blank", "noise", "fixed", "wrong_modality", "text")
"""Controls without what this query shares with its reference: an observer who knows the population gains nothing."""
FURTHER = (
    *(Control(f"{name} over single", name, "single", ARMS[name].isolates, "zero") for name in UNINFORMATIVE),
    *(
        Control(f"pair-trained: its references over '{name}'", "pair", f"shown_{name}", ARMS[name].isolates, "")
        for name in (*UNINFORMATIVE, "diseased", "reversed", "unlabelled", "reference_only")
    ),
)
"""Controls that are estimated if they have runs."""


def planned(evidence: Evidence) -> tuple[Control, ...]:
    """List the controls of a folder, which share one correction for multiplicity: the usual ones, and further ones with runs."""
    return (*CONTROLS, *(control for control in FURTHER if not evidence.missing(control.first, control.second)))


def control_rows(evidence: Evidence) -> list[dict[str, Any]]:
    """Estimate every control: ``name, question, first, second, estimate, interval, p, p_holm, n, trainings, test, family, ideal, reason``.

    If runs are missing the numbers are None and ``reason`` says so; if the design is not admissible, only p is None.
    """
    controls = planned(evidence)
    found = {control.name: _difference(evidence, control) for control in controls}
    raw = [1.0 if isinstance(item, str) or item.reason or item.inadmissible else item.p for item in found.values()]
    adjusted = holm(raw, FAMILY).adjusted.tolist()
    family = f"{FAMILY} ({len(controls)} tests; Holm)"
    return [_row(evidence, control, found[control.name], p) | {"family": family} for control, p in zip(controls, adjusted, strict=True)]


def _difference(evidence: Evidence, control: Control) -> Estimate | str:
    if missing := evidence.missing(control.first, control.second):
        return missing
    return auroc_difference(*evidence.scores(control.first, control.second))


def _row(evidence: Evidence, control: Control, found: Estimate | str, adjusted: float) -> dict[str, Any]:
    row: dict[str, Any] = {"name": control.name, "question": control.question}
    row |= {side: getattr(evidence.run(name), "run_id", None) for side, name in (("first", control.first), ("second", control.second))}
    row["ideal"] = _ideal(evidence, control)
    if isinstance(found, str) or found.reason:
        nothing = dict.fromkeys(("estimate", "interval", "p", "p_holm", "n", "trainings"))
        return row | nothing | {"test": "", "reason": found if isinstance(found, str) else found.reason}
    p = dict.fromkeys(("p", "p_holm")) if found.inadmissible else {"p": found.p, "p_holm": adjusted}
    numbers = {"estimate": found.value, "interval": found.interval, "n": found.patients, "trainings": found.trainings}
    return row | numbers | p | {"test": found.test, "reason": found.inadmissible}


def _ideal(evidence: Evidence, control: Control) -> float | None:
    pair = evidence.run("pair")
    if pair is None or control.ideal == "":
        return None
    limits = run_detectability(evidence.results, pair)
    return None if limits is None else {"gain": limits.gain, "zero": 0.0}[control.ideal]
