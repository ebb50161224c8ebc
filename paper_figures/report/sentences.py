"""Sentences of the report, chosen by the numbers of the output folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from paper_figures.claims.evidence import off_the_shelf_is_random, off_the_shelf_knows_no_medicine
from paper_figures.figures.auroc_by_arm import GROUPS
from paper_figures.number_format import DIGITS, short, with_interval
from paper_figures.results.estimates import FEWEST_TRAININGS

if TYPE_CHECKING:
    from empirical.cohorts import Cohort, CohortInfo
    from paper_figures.results.runs import Run, RunResults

Row = dict[str, Any]


def headline(arms: list[Row], main_rho: float) -> list[str]:
    """The result in a few sentences: the matched pair arm, the single image beside it, and random references."""
    single = next((row for row in arms if row["group"] == GROUPS[1] and row["arm"] == "single"), None)
    trained = [row for row in arms if row["group"] != GROUPS[0] and row["arm"] == "pair"]
    own = [row for row in trained if row["group"] == GROUPS[1]]
    matched = next((row for row in own if row["strategy"] == "demographic" and row["rho"] in (main_rho, None)), None)
    random = next((row for row in trained if row["strategy"] == "random"), None)
    sentences = []
    if matched is not None:
        sentences.append(_against_chance(matched))
    if matched is not None and single is not None and matched["gain"] is not None:
        sentences.append(f"The single image reached AUROC {_auroc(single)}: {_gain(matched, 'the reference')}{_ideal(matched)}.")
        sentences += _above_ideal(matched, single)
    if random is not None and random["gain"] is not None:
        whose = "" if random["group"] == GROUPS[1] else "Shown to the models finetuned on relatives, a random stranger as the reference: "
        words = f"{_gain(random, 'it')}{_ideal(random)}."
        sentences.append(f"{whose}{words}" if whose else f"With a random stranger as the reference, {words}")
    return sentences


def _above_ideal(matched: Row, single: Row) -> list[str]:
    """Explain a gain above that of the ideal observer: the single arm is below its own ideal."""
    if matched["ideal_gain"] is None or single["ideal"] is None or not matched["gain"] > matched["ideal_gain"] or matched["gain_low"] <= 0:
        return []
    reached, possible, pairs, best = (short(row[name], DIGITS) for row in (single, matched) for name in ("auroc", "ideal"))
    return [
        f"That is more than an ideal observer gains because the single-image models stay below their own ideal: {reached} where {possible} "
        f"is possible; the pairs reach {pairs} of {best}."
    ]


def _against_chance(row: Row) -> str:
    verdict = "better than chance" if row["low"] > 0.5 else "worse than chance" if row["high"] < 0.5 else "not distinguishable from chance"
    rho = "" if row["rho"] is None else f" (ρ = {row['rho']:g}, the arm named in advance)"
    return (
        f"Finetuned on pairs with a matched healthy reference{rho}, the model reached AUROC {_auroc(row)} on held-out patients, {verdict}."
    )


def _gain(row: Row, what: str) -> str:
    interval = with_interval(row["gain"], row["gain_low"], row["gain_high"])
    if row["gain_low"] > 0:
        return f"{what} raised the AUROC by {interval}"
    if row["gain_high"] < 0:
        return f"{what} lowered the AUROC, a difference of {interval}"
    return f"the difference from the single image, {interval}, is not distinguishable from 0"


def _ideal(row: Row) -> str:
    return "" if row["ideal_gain"] is None else f" (an ideal observer gains {short(row['ideal_gain'], DIGITS)})"


def _auroc(row: Row) -> str:
    return with_interval(row["auroc"], row["low"], row["high"])


def verdicts_found(verdicts: dict[str, Row]) -> list[tuple[str, list[str]]]:
    """Each verdict on a claim with the sources of evidence that gave it; empty if none did."""
    found: dict[str, list[str]] = {}
    for source, verdict in verdicts.items():
        if verdict["verdict"] != "not tested":
            found.setdefault(verdict["verdict"], []).append(source)
    return list(found.items())


def tested_on(results: RunResults, arms: list[Row], theory: Row) -> str:
    """Numbers of theory checks, runs, items and patients that the claims were tested on."""
    first = arms[0]
    numbers = " or ".join(f"{n:,}" for n in sorted({row["n_train"] for row in arms if row["group"] != GROUPS[0]})) or "no"
    infos = {_kind_of_image(results.cohort(run).info) for run in results.runs if run.cohort}
    images = " and ".join(sorted(infos)) or "images"
    models = sorted({run.model for run in results.runs if run.off_the_shelf and run.model}) or ["one model"]
    return (
        f"{theory['rows']} checks of closed forms against raw simulation ({theory['agree']} agree); {len(arms)} runs of the "
        f"vision-language model '{', '.join(models)}' on the same {first['items']:,} test items ({images}; {first['patients']:,} patients, "
        f"{first['positives']:,} items with the finding), finetuned on {numbers} training patients."
    )


def _kind_of_image(info: CohortInfo) -> str:
    return f"phantom {info.modality}" if info.kind == "phantom" else info.modality


def limits(results: RunResults, arms: list[Row], claims: list[Row]) -> list[str]:
    """What the results do not show, a sentence or two each."""
    found = [
        "Only the abstracts of the paper under test and public summaries were available. Every prompt, setting, criterion and theorem "
        "here is our own or independently sourced; no number is attributed to the paper."
    ]
    if {results.cohort(run).info.kind for run in results.runs if run.cohort} == {"phantom"}:
        found.append(
            "The images are phantoms, made by a stated Gaussian model so that truth is known. They say what comparison can do under that "
            "model, not what it does for patients."
        )
    found += _limits_of_training(results)
    found += _limits_off_the_shelf([run for run in results.runs if run.off_the_shelf])
    failed = sum(row["failed"] for row in arms)
    found.append(f"Items without a score: {failed}." + (" They count as wrong in every rank and denominator." if failed else ""))
    untested = sum(verdict["verdict"] == "not tested" for claim in claims for verdict in claim["verdicts"].values())
    found.append(
        f"Of {4 * len(claims)} combinations of claim and source of evidence, {untested} were not tested; the ledger says why for each."
    )
    return found


def _easier_patients(cohort: Cohort) -> int:
    """How many training patients have a lesion of more contrast than any test item's."""
    table = cohort.table
    if "contrast" not in table.columns:
        return 0
    usual = table.loc[table["split"] == "test", "contrast"].max()
    return int(table.loc[(table["split"] == "train") & (table["contrast"] > usual), "patient_id"].nunique())


def _limits_of_training(results: RunResults) -> list[str]:
    found = []
    trained = [len(results.scores(run).logit) for run in results.runs if not run.off_the_shelf]
    if trained and min(trained) < FEWEST_TRAININGS:
        found.append(
            f"An arm was finetuned {'once' if min(trained) == 1 else 'twice'}. The intervals are over patients, for these trained models; "
            f"how much another training would differ, they do not say, and no verdict on the procedure is given (at least "
            f"{FEWEST_TRAININGS} trainings an arm)."
        )
    elif trained:
        found.append(
            f"Each arm was finetuned {min(trained)} times; intervals hold for new trainings, new patients and, where references are "
            "shared, new references."
        )
    easier = max((_easier_patients(results.cohort(run)) for run in results.runs if run.cohort), default=0)
    if easier:
        found.append(
            f"Training began with {easier:,} patients whose lesions are plainer than those of the test: a small model learns from them "
            "where to look. So 'with little data' (C3) is not what was tested."
        )
    return found


def _limits_off_the_shelf(runs: list[Run]) -> list[str]:
    found = []
    if any(off_the_shelf_is_random(run) for run in runs):
        found.append(
            "The model has random weights before finetuning. Off the shelf it can only be at chance: nothing here bears on zero-shot use."
        )
    if any(off_the_shelf_knows_no_medicine(run) for run in runs):
        found.append(
            "Before finetuning the bundled model has learned to look at procedural pictures and to compare them; it knows no medicine. "
            "What it does off the shelf is what such a small model does, not what a large general-purpose model would do."
        )
    return found
