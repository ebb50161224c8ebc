"""Controls: what a gain is due to. Each names two runs, what an ideal observer would show, and what was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paper_figures.bridge import cohort_limits
from paper_figures.claims.evidence import Evidence
from paper_figures.estimates import auroc_difference
from paper_figures.statistics.multiplicity import holm

if TYPE_CHECKING:
    from paper_figures.estimates import Estimate

FAMILY = "controls"


@dataclass(frozen=True)
class Control:
    """A difference that isolates one explanation.

    Parameters
    ----------
    name : str
        A few words.
    first, second : str
        Properties of `Evidence`; the difference is first less second.
    question : str
        What it asks.
    ideal : str
        What an ideal observer gains: ``'gain'`` of the reference, or ``'zero'``; ``''`` where theory is silent.
    """

    name: str
    first: str
    second: str
    question: str
    ideal: str


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


def control_rows(evidence: Evidence) -> list[dict[str, Any]]:
    """Estimate every control.

    Parameters
    ----------
    evidence : Evidence
        The runs.

    Returns
    -------
    list of dict
        ``name, question, first, second, estimate, interval, p, p_holm, n, test, family, ideal, reason``; where runs are missing the
        numbers are None and ``reason`` says so.
    """
    found = {control.name: _difference(evidence, control) for control in CONTROLS}
    raw = [item.p if not isinstance(item, str) and not item.reason else 1.0 for item in found.values()]
    adjusted = holm(raw, FAMILY).adjusted.tolist()
    return [_row(evidence, control, found[control.name], p) for control, p in zip(CONTROLS, adjusted, strict=True)]


def _difference(evidence: Evidence, control: Control) -> Estimate | str:
    if missing := evidence.missing(control.first, control.second):
        return missing
    return auroc_difference(*evidence.results.aligned([getattr(evidence, control.first), getattr(evidence, control.second)]))


def _row(evidence: Evidence, control: Control, found: Estimate | str, adjusted: float) -> dict[str, Any]:
    row: dict[str, Any] = {"name": control.name, "question": control.question, "family": f"{FAMILY} ({len(CONTROLS)} tests; Holm)"}
    row |= {side: getattr(getattr(evidence, name), "run_id", None) for side, name in (("first", control.first), ("second", control.second))}
    row["ideal"] = _ideal(evidence, control)
    if isinstance(found, str) or found.reason:
        nothing = dict.fromkeys(("estimate", "interval", "p", "p_holm", "n"))
        return row | nothing | {"test": "", "reason": found if isinstance(found, str) else found.reason}
    numbers = {"estimate": found.value, "interval": found.interval, "p": found.p, "p_holm": adjusted, "n": found.patients}
    return row | numbers | {"test": found.test, "reason": ""}


def _ideal(evidence: Evidence, control: Control) -> float | None:
    if evidence.pair is None or control.ideal == "":
        return None
    limits = cohort_limits(evidence.results, evidence.pair)
    return None if limits is None else {"gain": limits.gain, "zero": 0.0}[control.ideal]
