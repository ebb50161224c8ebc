"""Inside trained models: how similar the representations of images and answers are (C6), and where a score comes from (C8)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from paper_figures.claims.analyses import ALIGNMENT, ATTRIBUTION, FOLDER, arms_of
from paper_figures.claims.evidence import Evidence
from paper_figures.claims.ledger import GAIN, OVER_DUPLICATE, SHOWN, ClaimFinding, Verdict, criterion_of, not_tested
from paper_figures.results.estimates import LEVEL, Estimate, no_estimate
from paper_figures.statistics.distributions import student_p, student_quantile
from paper_figures.statistics.multireader.random_factors import influences_contrast
from paper_figures.statistics.validation import NotEstimable
from see_in_pairs.errors import InputError, first_few

if TYPE_CHECKING:
    import pandas as pd

METHODS = {"integrated_gradients": "integrated gradients", "occlusion": "occlusion"}
FEWEST_PATIENTS = 20
RESIDUAL, WHOLE, LABEL_SHARE = "residual_debiased_cka", "debiased_cka", ("label_share_images", "label_share_answers")


def from_runs(evidence: Evidence) -> dict[str, Verdict]:
    """Judge C6 and C8 by the tables in ``analysis/``."""
    return {"C6": alignment_gain(evidence), "C8": lesion_gains(evidence)}


def alignment_gain(evidence: Evidence) -> Verdict:
    """Judge C6: whether representations of images and answers are more similar in the pair arm than in `duplicate`, class means removed.

    The plain difference is given as well, with the share of the variance that is due to the label.
    """
    arms = arms_of(evidence, ALIGNMENT)
    if isinstance(arms, str):
        return not_tested("C6", evidence.source, arms)
    if len({key for rows in arms.values() for key in rows["drawn_from"]}) > 1:
        raise InputError(f"{FOLDER}/**/{ALIGNMENT.file}: the arms are not about the same items, or were drawn with another --seed")
    last = {int(rows["layer"].max()) for rows in arms.values()}
    if len(last) > 1:
        raise InputError(f"{FOLDER}/**/{ALIGNMENT.file}: models of {first_few(sorted(last))} layers cannot be compared layer by layer")
    (layer,) = last
    context = _shares(arms, layer)
    findings = []
    if "duplicate" in arms:
        found = _alignment_difference(arms["pair"], arms["duplicate"], RESIDUAL, layer)
        findings.append(ClaimFinding.of(found, context=context))
    else:
        lacking = "no analysis of a model finetuned on 'duplicate', which C6 is judged against"
        findings.append(ClaimFinding(lacking=lacking, context=context))
    beside = {
        "residual, over single": ("single", RESIDUAL),
        "plain, over single": ("single", WHOLE),
        "plain, over duplicate": ("duplicate", WHOLE),
    }
    findings += [
        ClaimFinding.of(_alignment_difference(arms["pair"], arms[other], measure, layer), part=words, role=SHOWN)
        for words, (other, measure) in beside.items()
        if other in arms
    ]
    return Verdict("C6", evidence.source, criterion_of("C6", evidence.source), tuple(findings))


def _shares(arms: dict[str, pd.DataFrame], layer: int) -> str:
    """Give the share of the variance that is due to the label, and the values of each arm."""
    words = []
    for name, rows in arms.items():
        residual, whole, *shares = (_whole(rows, measure, layer) for measure in (RESIDUAL, WHOLE, *LABEL_SHARE))
        parts = (
            f"{residual:.3f} residual, {whole:.3f} plain, label {shares[0]:.0%} of the images' variance and {shares[1]:.0%} of the answers'"
        )
        words.append(f"{name} {parts} ({rows['train_seed'].nunique()} training(s))")
    return f"CKA after layer {layer}: {'; '.join(words)}"


def _alignment_difference(first: pd.DataFrame, second: pd.DataFrame, measure: str, layer: int) -> Estimate:
    r"""First minus second arm: between trainings of each, and between patients by halves.

    The patients' part is the delete-half jackknife's: with the same halves of the :math:`n` patients in both arms, its standard error is
    the standard deviation of the differences over halves of :math:`s` patients times :math:`\sqrt{(n-s)/s}`, of the mean over trainings.
    All trainings see the same patients, so the differences between trainings are their own. The degrees of freedom are Satterthwaite's.
    """
    draws = [_draws(rows, measure, layer) for rows in (first, second)]
    patients, items = int(first["patients"].iloc[0]), int(first["items"].iloc[0])
    scores = None
    unit = "linear CKA"
    if any(table.empty for table in draws):
        anew = "make it again with 'see-in-pairs analyse alignment'"
        return no_estimate(f"{FOLDER}/**/{ALIGNMENT.file} has no {measure}; {anew}", unit, scores)
    if len(draws[0]) < 3 or draws[0].index[0] != 0 or not draws[0].index.equals(draws[1].index):
        raise InputError(f"{FOLDER}/**/{ALIGNMENT.file}: the arms lack {measure} of the same draws at layer {layer}")
    values = (draws[0].mean(axis=1, skipna=False) - draws[1].mean(axis=1, skipna=False)).to_numpy()
    if np.isnan(values).any():
        return no_estimate(f"{measure} is undefined in {int(np.isnan(values).sum())} of {len(values)} draws of patients", unit, scores)
    half = patients // 2
    parts = [(float(values[1:].var(ddof=1)) * half / (patients - half), patients - 1.0)]
    for table in draws:
        trainings = table.iloc[0].to_numpy()
        if len(trainings) > 1:
            parts.append((float(trainings.var(ddof=1)) / len(trainings), len(trainings) - 1.0))
    variance = sum(part for part, _ in parts)
    df = variance**2 / sum(part**2 / free for part, free in parts) if variance > 0 else np.inf
    error, value = float(np.sqrt(variance)), float(values[0])
    reach = student_quantile(LEVEL, df) * error
    p = student_p(value / error, df) if error > 0 else float(value == 0)
    test = f"trainings, and halves of the patients ({len(values) - 1}, delete-half jackknife), t"
    number = min(table.shape[1] for table in draws)
    return Estimate(value, value - reach, value + reach, p, unit, test, items, patients, se=error, df=df, trainings=number)


def _draws(rows: pd.DataFrame, measure: str, layer: int) -> pd.DataFrame:
    """Values, a row per draw and a column per training."""
    chosen = rows[(rows["measure"] == measure) & (rows["layer"] == layer)]
    return chosen.pivot(index="draw", columns="train_seed", values="value")


def _whole(rows: pd.DataFrame, measure: str, layer: int) -> float:
    """Mean over trainings of a measure on all patients; NaN if it is not in the table."""
    table = _draws(rows, measure, layer)
    return float(table.iloc[0].mean()) if len(table) else float("nan")


def lesion_gains(evidence: Evidence) -> Verdict:
    """Judge C8: whether more of the attribution is on the lesion, beyond chance and beyond a sham place, in the pair arm; by method."""
    arms = arms_of(evidence, ATTRIBUTION)
    if isinstance(arms, str):
        return not_tested("C8", evidence.source, arms)
    places = {place for rows in arms.values() for place in rows["place"]}
    fixed = (
        "the lesion is at a fixed place, where a map shows position and not pathology (phantom: lesion.place random)"
        if "fixed" in places
        else ""
    )
    findings = []
    for method in METHODS:
        maps = {name: _by_item(rows, method) for name, rows in arms.items()}
        for other, role in (("single", GAIN), ("duplicate", OVER_DUPLICATE)):
            if other in maps:
                found, context = _lesion_gain(maps["pair"], maps[other]), ""
                if role == GAIN:
                    share = _share_on_references(arms["pair"], method)
                    context = f"by {METHODS[method]} {share} of the pair's attribution falls on the reference"
                findings.append(ClaimFinding.of(found, part=method, role=role, context=context, lacking=fixed))
    return Verdict("C8", evidence.source, criterion_of("C8", evidence.source), tuple(findings))


def _share_on_references(rows: pd.DataFrame, method: str) -> str:
    """Mean share of the attribution on the reference, with its interval over trainings and patients."""
    chosen = rows[rows["method"] == method]
    table = chosen.pivot(index=["item_id", "patient_id"], columns="train_seed", values="reference_share").dropna()
    found = _mean_contrast([table], np.ones(len(table))) if len(table) > 1 else no_estimate("no shares", "share")
    if found.reason:
        return f"{table.to_numpy().mean():.2f} in every map" if len(table) > 1 else "an unknown share"
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"


def _by_item(rows: pd.DataFrame, method: str) -> pd.DataFrame:
    """Share beyond chance: a row per item (with its patient and whether the place is sham), a column per training.

    Without positive attribution, a lesion gets 0 and a sham place the chance level.
    """
    chosen = rows[rows["method"] == method]
    share = chosen["share"].where(chosen["share"].notna(), np.where(chosen["lesion"] == "sham", chosen["expected"], 0.0))
    table = chosen.assign(excess=share - chosen["expected"])
    return table.pivot(index=["item_id", "patient_id", "lesion", "mask_of"], columns="train_seed", values="excess").sort_index()


def _lesion_gain(pair: pd.DataFrame, other: pd.DataFrame) -> Estimate:
    """Share on the lesion minus share on the sham place, beyond chance, of one arm minus another's."""
    if not (pair.index.equals(other.index) and pair.notna().all(axis=None) and other.notna().all(axis=None)):
        raise InputError(f"{FOLDER}/**/{ATTRIBUTION.file}: the arms are not about the same items, each by {' and '.join(METHODS)}")
    kinds = pair.index.get_level_values("lesion")
    if not {"real", "sham"} <= set(kinds):
        return no_estimate("no sham place of healthy queries; make it again with 'see-in-pairs analyse attribution'", "share")
    found = _mean_contrast([pair, other], np.where(kinds == "real", 1.0, -1.0))
    few = min(pair.index[kinds == kind].get_level_values("patient_id").nunique() for kind in ("real", "sham"))
    if few < FEWEST_PATIENTS:
        words = f"{few} patients of a class are too few for an interval; analyse at least {FEWEST_PATIENTS}"
        return replace(found, inadmissible=words)
    return found


def _mean_contrast(arms: list[pd.DataFrame], signs: np.ndarray) -> Estimate:
    """Mean of items of sign 1 minus mean of those of sign -1, of the first arm minus that of the second; trainings and patients random."""
    patients = arms[0].index.get_level_values("patient_id").to_numpy()
    classes = [members for sign in (1, -1) if (members := signs == sign).any()]
    groups = []
    for table, weight in zip(arms, (1.0, -1.0), strict=False):
        values = table.to_numpy().T  # (trainings, items)
        merit, influence = np.zeros(len(values)), np.zeros(values.shape)
        for members in classes:
            mean, share = values[:, members].mean(axis=1), weight * signs[members][0]
            merit += share * mean
            influence[:, members] = share * (values[:, members] - mean[:, None]) / members.sum()
        groups.append((merit, influence))
    try:
        found = influences_contrast(groups, classes, patients, LEVEL)
    except NotEstimable as error:  # the same everywhere
        return no_estimate(str(error), "share")
    trainings = min(table.shape[1] for table in arms)
    return Estimate(
        found.estimate, *found.interval, found.p, "share", "trainings and patients random at once, t", len(patients),
        len(np.unique(patients)), "", found.se, found.df, trainings,
    )  # fmt: skip
