"""Ideal observers of a phantom with several findings: how well each question can be answered, with and without a healthy relative.

Each question is answered by an observer who knows nothing beside the images and the phantom's truth, and by one who also knows the rest:
for the kind the place and the grade, for the place the kind and the grade, and so on (the signal is known, but for what is asked).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_figures.results.ideal_observer import common_rho
from see_in_pairs.console import progress
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pandas as pd

    from empirical.cohorts.phantom import PhantomTruth
    from empirical.cohorts.phantom.findings import Asked, Case, FindingsTruth
    from theory.models.several_answers import ClosedQuestion, Scores

ANY = "any finding"
NOTHING, REST = "nothing", "the rest"
COLUMNS = (
    "question", "answers", "knows", "measure", "rho", "observer", "value", "mcse", "gain", "gain_mcse", "theory", "theory_gain",
)  # fmt: skip


def ideal_answers(folder: Path, rho: Sequence[float], replicates: int, seed: int, quiet: bool = True) -> pd.DataFrame:
    """Compute what the ideal observers of a cohort reach in each question and measure, at each correlation of query and relative.

    Where the components of the phantom are shared unequally, only its own cross-covariance is taken, and rho is NaN. `theory` is the
    accuracy by T1 or T16 for findings that are unlike and all of one detectability; NaN where that is not what is asked.
    """
    import pandas as pd

    from empirical.cohorts.phantom import PhantomTruth
    from empirical.cohorts.phantom.findings import FindingsTruth
    from theory.models.several_answers import answer_question

    truth, findings = PhantomTruth.load(folder / "truth.npz"), FindingsTruth.load(folder)
    laws = list(_laws(truth, findings, rho))
    asked = list(_questions(findings))
    if not asked:
        raise InputError(f"{folder}: all queries show the same, so no question has two answers; make it with another prevalence")
    rows: list[dict[str, Any]] = []
    for (correlation, scores), (one, question, knows) in progress(
        [(law, parts) for law in laws for parts in asked], len(laws) * len(asked), "questions", quiet
    ):
        found = answer_question(question, scores, replicates=replicates, seed=seed)
        expected = {rule: _theory(findings, one, knows, correlation, rule) for rule in ("single", "difference", "joint")}
        for part in found:
            theory = expected[part.observer] if part.measure == "accuracy" else math.nan
            base = expected["single"] if part.measure == "accuracy" else math.nan
            row = (
                one.question_id, len(one.choices), knows, part.measure, correlation, part.observer, part.value.value, part.value.mcse,
                part.gain.value, part.gain.mcse, theory, theory - base,
            )  # fmt: skip
            rows.append(dict(zip(COLUMNS, row, strict=True)))
    return pd.DataFrame(rows, columns=[*COLUMNS])


def _laws(truth: PhantomTruth, findings: FindingsTruth, rho: Sequence[float]) -> Iterator[tuple[float, Scores]]:
    """Law of the scores at each correlation: from Sigma alone where C is proportional to it, else from the dense matrices."""
    from theory.models.several_answers import Scores

    signals = findings.signals(truth.shape)
    if common_rho(truth) is None:
        yield math.nan, Scores.of(signals, truth.covariance(), truth.cross_covariance())
        return
    gram = signals @ np.stack([truth.whiten(signal) for signal in signals]).T
    for correlation in rho:
        yield float(correlation), Scores.proportional((gram + gram.T) / 2, float(correlation))


def _questions(findings: FindingsTruth) -> Iterator[tuple[Asked, ClosedQuestion, str]]:
    """Each question of the cohort, and whether there is any finding, for an observer who knows nothing or the rest."""
    from empirical.cohorts.phantom.findings import Asked
    from theory.models.several_answers import ClosedQuestion, grouped

    weights, prior, cases = findings.hypotheses()
    columns = findings.columns()
    places = [tuple(columns[number][1:] for number in np.flatnonzero(row)) for row in weights]  # where, to the pixel
    every = [Asked(ANY, "", ("yes", "no"), "binary", ANY), *findings.questions()]
    for one in every:
        answers = [_answer(findings, one, case) for case in cases]
        kept = [number for number, answer in enumerate(answers) if answer is not None]
        choices = [choice for choice in one.choices if choice in answers]
        if len(choices) < 2:  # of a phantom without healthy queries, or with diseased ones only
            continue
        numbers = np.array([choices.index(answers[number]) for number in kept])  # type: ignore[arg-type]
        ordered = one.scale == "ordinal"
        yield one, ClosedQuestion(weights[kept], prior[kept], numbers, ordered=ordered), NOTHING
        known: dict[Any, int] = {}
        groups = [_rest(one, cases[number], places[number], known) for number in kept]
        if all(group is None for group in groups):
            continue
        yield one, ClosedQuestion(*grouped(weights[kept], prior[kept], list(numbers), groups), ordered=ordered), REST


def _answer(findings: FindingsTruth, asked: Asked, case: Case) -> str | None:
    if asked.question_id == ANY:
        return "yes" if case.kinds else "no"
    return findings.answer(asked, case)


def _rest(asked: Asked, case: Case, places: tuple[Any, ...], known: dict[Any, int]) -> int | None:
    """Number of the group of cases that agree in all that is not asked; None for a healthy query, which fits to every group."""
    if not case.kinds:
        return None
    if asked.question_id in ("location", "laterality"):
        rest: tuple[Any, ...] = (case.kinds, case.severity)
    elif asked.question_id == "severity":
        rest = (case.kinds, places)
    elif asked.question_id == ANY:
        rest = (case, places)
    else:
        rest = (tuple(sorted(places)), case.severity)
    return known.setdefault(rest, len(known))


def _theory(findings: FindingsTruth, asked: Asked, knows: str, rho: float, rule: str) -> float:
    """Accuracy by T1 (any finding) or T16 (kind: star; location: simplex), the mean over grades; NaN where neither is what is asked."""
    from theory.statements import t1_univariate_rules as t1
    from theory.statements import t16_several_classes as t16

    of_kinds = {float(kind["detectability"]) for kind in findings.kinds.values()}
    if knows != REST or len(of_kinds) > 1 or findings.several or math.isnan(rho):
        return math.nan
    (d,), word = of_kinds, "optimal" if rule == "joint" else rule
    grades = list(findings.severity.values())
    if asked.question_id == ANY:
        return float(np.mean([1 - float(t1.error(factor * d, rho, word, findings.prevalence)) for factor in grades]))
    K = len(asked.choices)
    if asked.question_id == "kind" and abs(findings.prevalence - (K - 1) / K) < 1e-9:
        return float(np.mean([float(t16.accuracy(K, factor * d, rho, word, "star")) for factor in grades]))
    if asked.question_id == "location" and all(len(region["places"]) == 1 for region in findings.regions.values()):
        return float(np.mean([float(t16.accuracy(K, math.sqrt(2) * factor * d, rho, word)) for factor in grades]))
    return math.nan


def has_findings(folder: Path) -> bool:
    """Tell whether a cohort is a phantom with several findings, so that observers of its one lesion do not apply."""
    return (folder / "findings.json").is_file()


def refuse_findings(folder: Path) -> None:
    """Refuse a cohort with several findings where one known lesion is needed."""
    if has_findings(folder):
        raise InputError(f"{folder}: has several kinds of findings, not one known lesion; take --config several-findings")
