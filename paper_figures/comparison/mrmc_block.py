"""The block ``mrmc`` of a comparison: the published multireader multicase analyses, with trainings, models or prompts for readers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from paper_figures.comparison.arm_rows import ArmRows, Names
from paper_figures.comparison.item_table import ComparisonSettings
from paper_figures.statistics.multireader.agreement import AgreementCoefficient, ReaderAgreement, reader_agreement
from paper_figures.statistics.multireader.merits import Readings, merits, readings
from paper_figures.statistics.multireader.mrmc import MrmcResult, analyse, shown_p
from paper_figures.statistics.result import Result
from paper_figures.statistics.validation import NotEstimable
from see_in_pairs.errors import InputError

ONE = "the one reader"
ANALYSES = ("obuchowski_rockette", "dorfman_berbaum_metz", "u_statistic")


@dataclass(frozen=True, repr=False)
class MrmcBlock(Result):
    """MRMC analyses of two or more arms: both factors random, readers fixed, cases fixed, and how far readers agree."""

    random: MrmcResult  # AUROC where there are scores and both classes, else accuracy or the mean of a metric
    fixed_readers: MrmcResult
    fixed_cases: MrmcResult
    accuracy: MrmcResult | None  # beside the AUROC
    agreement: dict[str, ReaderAgreement]  # by arm; an arm with one reader has none
    reasons: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Layout of the JSON."""
        short = lambda found: {name: getattr(found, name).to_dict() for name in ANALYSES}
        return self.random.to_dict() | {
            "fixed_readers": short(self.fixed_readers), "fixed_cases": short(self.fixed_cases),
            "accuracy": None if self.accuracy is None else self.accuracy.to_dict(),
            "agreement": {arm: found.to_dict() for arm, found in self.agreement.items()}, "reasons": self.reasons,
        }  # fmt: skip

    def __repr__(self) -> str:
        parts = [repr(self.random), *(_one_line(found) for found in (self.fixed_readers, self.fixed_cases))]
        parts += [f"\n{self.accuracy!r}"] if self.accuracy is not None else []
        parts += ["", *(_agreement(arm, found) for arm, found in self.agreement.items())]
        return "\n".join([*parts, *(f"{name}: {why}." for name, why in self.reasons.items())])


def mrmc_block(
    arms: Sequence[tuple[str, ArmRows]], settings: ComparisonSettings, covariance: str = "delong", metric: str = ""
) -> MrmcBlock:
    """Run the MRMC analyses on the rows of two or more arms; trainings (or readers, or wordings) with one name are one reader."""
    data, reasons, threshold = _readings(arms), {}, settings.threshold
    measure = "auroc" if arms[0][1].labels is not None else "mean" if metric else "accuracy"
    if measure == "auroc" and (data.labels.all() or not data.labels.any()):
        measure, reasons["auroc"] = "accuracy", "one class only: no ROC curve"
    decided = settings.threshold_given or bool(data.values.min() >= 0 and data.values.max() <= 1)
    if measure != "mean" and not decided:  # .5 is for probabilities; ratings from 1 to 5, for example, would all be positive
        reasons["accuracy"] = "scores are outside [0, 1]: name the threshold of a positive decision with --threshold"
        if measure == "accuracy":
            raise NotEstimable(f"{reasons['auroc']}, and {reasons['accuracy']}")
    found = merits(data, measure, threshold)
    random, fixed_readers, fixed_cases = (analyse(found, covariance, fixed, settings.level) for fixed in ("", "readers", "cases"))
    accuracy = None
    if measure == "auroc" and decided:
        accuracy = analyse(merits(data, "accuracy", threshold), covariance, "", settings.level)
    agreement = {}
    for name, rows in arms:
        try:
            agreement[name] = reader_agreement(
                rows.values, rows.items, _readers(rows), rows.clusters, threshold if decided and not metric else None, settings.level
            )
        except NotEstimable as error:
            reasons[f"agreement.{name}"] = str(error)
    return MrmcBlock(random, fixed_readers, fixed_cases, accuracy, agreement, reasons)


def _readings(arms: Sequence[tuple[str, ArmRows]]) -> Readings:
    rows = [one for _, one in arms]
    labels = None if rows[0].labels is None else np.concatenate([one.labels for one in rows if one.labels is not None])
    clusters = None if rows[0].clusters is None else np.concatenate([one.clusters for one in rows if one.clusters is not None])
    return readings(
        np.concatenate([one.values for one in rows]), labels, np.concatenate([one.items for one in rows]),
        np.concatenate([_readers(one) for one in rows]), np.repeat(np.arange(len(rows)), [len(one.items) for one in rows]), clusters,
        tuple(name for name, _ in arms),
    )  # fmt: skip


def _readers(rows: ArmRows) -> Names:
    if rows.training_seeds is not None and rows.wordings is not None:
        raise InputError("--mrmc: the rows have several trainings (or readers) and several wordings, but MRMC has one kind of reader")
    named = rows.wordings if rows.training_seeds is None else rows.training_seeds
    return np.full(len(rows.items), ONE) if named is None else named


def _one_line(found: MrmcResult) -> str:
    """Obuchowski and Rockette's analysis with a fixed factor."""
    one = found.obuchowski_rockette
    if one.reason:
        return f"Random: {found.random}: {one.reason}."
    pairs = ", ".join(f"{pair} {each.estimate:+.4f} (SE {each.se:.5f}, p {shown_p(each.p)})" for pair, each in one.contrasts.items())
    return f"Random: {found.random} (Obuchowski-Rockette): {pairs}."


def _agreement(arm: str, found: ReaderAgreement) -> str:
    named = (("Fleiss's kappa", found.fleiss_kappa), ("mean kappa", found.mean_kappa), ("mean rank correlation", found.rank_correlation))
    return f"Agreement of the readers in {arm}: " + "; ".join(f"{name} {_coefficient(one)}" for name, one in named) + "."


def _coefficient(one: AgreementCoefficient) -> str:
    return f"({one.reason})" if one.estimate != one.estimate else f"{one.estimate:.3f} [{one.interval[0]:.3f}, {one.interval[1]:.3f}]"
