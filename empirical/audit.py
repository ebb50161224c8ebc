"""Checks of a cohort before anyone believes a result: leakage stops a run, confounds and doubtful labels warn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from empirical.cohorts import QUERY_SPLITS, Cohort
from empirical.cohorts.cohort import TEXT_COLUMNS
from empirical.cohorts.metadata_auc import metadata_auc
from see_in_pairs.errors import CheckFailed, first_few

if TYPE_CHECKING:
    import pandas as pd

    from empirical.references import Assignment

Severity = Literal["error", "warn"]
MIXED = "used in several splits"
NOT_METADATA = ("item_id", "image", "mask", "label", "patient_id", "family", "split", "serves", "sha256")
Z_99 = 2.5758293035489004  # a column is reported when the 99 % interval of its AUROC lies above one half


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or may be.

    Parameters
    ----------
    name : str
        Short name, the same in every report.
    severity : str
        ``'error'``: leakage, or nothing can be learned; it stops a run. ``'warn'``: a confound or doubt that belongs in the report.
    message : str
        What was found, one line, with its uncertainty where it is a number.
    rows : tuple of str
        The items concerned.
    advice : str
        What to do about it.
    """

    name: str
    severity: Severity
    message: str
    rows: tuple[str, ...]
    advice: str


def audit(cohort: Cohort, seed: int = 0) -> list[Finding]:
    """Check a cohort.

    Parameters
    ----------
    cohort : Cohort
        What to check.
    seed : int, default 0
        Of the folds in which metadata predict the class, and of the one item taken of each patient.

    Returns
    -------
    list of Finding
        Errors first; empty when nothing was found.
    """
    table = cohort.table.assign(home=home_split(cohort.table))
    findings = [finding for check in CHECKS for finding in check(cohort, table)] + list(_confounds(cohort, seed))
    return sorted(findings, key=lambda finding: finding.severity)  # 'error' comes before 'warn'


def stop_on_errors(findings: Iterable[Finding], allow: Sequence[str] = ()) -> None:
    """Stop when a finding forbids going on.

    Parameters
    ----------
    findings : iterable of Finding
        From `audit` or `audit_references`.
    allow : sequence of str
        Names of findings to let pass.

    Raises
    ------
    CheckFailed
        Naming the errors.
    """
    errors = [finding for finding in findings if finding.severity == "error" and finding.name not in allow]
    if errors:
        more = f" (and {first_few([finding.name for finding in errors[1:]], 5)})" if len(errors) > 1 else ""
        raise CheckFailed(f"audit: {errors[0].name}: {errors[0].message}; {errors[0].advice}{more}")


def audit_references(cohort: Cohort, split: str, assignment: Assignment) -> list[Finding]:
    """Check references against the rules that no strategy may break.

    Parameters
    ----------
    cohort : Cohort
        The cohort.
    split : str
        The queries' split.
    assignment : Assignment
        Their references.

    Returns
    -------
    list of Finding
        One for each rule broken: a reference of the query's patient, one that is not healthy, one from where evaluated items come.
    """
    items = cohort.table.set_index("item_id")
    query = items.loc[assignment.table["item_id"]].reset_index()
    reference = items.loc[assignment.table["reference_id"]].reset_index()
    allowed = (reference["split"].eq("reference") & reference["serves"].isin([split, ""])) | reference["split"].eq("train")
    rules = {
        "reference_of_same_patient": (query["patient_id"] == reference["patient_id"], "of the query's own patient"),
        "reference_not_healthy": (reference["label"] != cohort.info.healthy, f"not {cohort.info.healthy}"),
        "reference_from_evaluation": (~allowed, "validation or test items, or reserved for another split"),
    }
    return [
        Finding(name, "error", f"{int(bad.sum())} references are {what}", tuple(query.loc[bad, "item_id"]), "choose the references again")
        for name, (bad, what) in rules.items()
        if bad.any()
    ]


def home_split(table: pd.DataFrame) -> pd.Series:
    """Tell in which split an item is used.

    Parameters
    ----------
    table : pandas.DataFrame
        Items.

    Returns
    -------
    pandas.Series of str
        A query's split; for a reference the split it serves, ``''`` when it serves any.
    """
    return table["serves"].where(table["split"] == "reference", table["split"])


def _across_splits(column: str, name: str, what: str, advice: str) -> Callable[[Cohort, pd.DataFrame], Iterator[Finding]]:
    """Make a check that no value of a column (a patient, a family, a hash) is used in more than one split."""

    def check(cohort: Cohort, table: pd.DataFrame) -> Iterator[Finding]:
        known = table[table[column] != ""]
        homes = known[known["home"] != ""].groupby(column)["home"].nunique()
        bad = known[column].isin(homes.index[homes > 1])
        if bad.any():
            values = list(known.loc[bad, column].unique())
            message = f"{len(values)} {what} {MIXED}: {first_few([str(value)[:24] for value in values])}"
            yield Finding(name, "error", message, tuple(known.loc[bad, "item_id"]), advice)

    return check


def _classes(cohort: Cohort, table: pd.DataFrame) -> Iterator[Finding]:
    queries = table[table["split"] != "reference"]
    for split in (split for split in QUERY_SPLITS if split != "val" or (queries["split"] == "val").any()):
        rows = queries[queries["split"] == split]
        if rows.empty:
            yield Finding("empty_split", "error", f"split '{split}' has no item", (), "give it a share when making the cohort")
            continue
        if rows["label"].eq(cohort.info.healthy).nunique() < 2:
            message = f"every item of split '{split}' is '{rows['label'].iloc[0]}'"
            yield Finding("one_class", "error", message, (), "both classes are needed; import more, or split again")
        if rows["patient_id"].nunique() < 2:
            message = f"split '{split}' has one patient only"
            yield Finding("one_patient", "error", message, tuple(rows["item_id"]), "inference is over patients, so several are needed")


def _duplicates_within(cohort: Cohort, table: pd.DataFrame) -> Iterator[Finding]:
    known = table[table["sha256"] != ""]
    twice = known[known.duplicated("sha256", keep=False)]
    per_hash = twice.groupby("sha256")
    contradictory = twice["sha256"].isin(per_hash["label"].nunique().loc[lambda count: count > 1].index)
    if contradictory.any():
        rows = tuple(twice.loc[contradictory, "item_id"])
        message = f"{len(rows)} items are the same image under different labels: {first_few(rows)}"
        yield Finding("contradictory_duplicates", "error", message, rows, "find out which label is right, or leave them out")
    if len(twice):
        message = f"{len(twice)} items share their image with another: {first_few(list(twice['item_id']))}"
        yield Finding("duplicates", "warn", message, tuple(twice["item_id"]), "they count twice; leave one out")


def _mixed_labels(cohort: Cohort, table: pd.DataFrame) -> Iterator[Finding]:
    labels = table.groupby("patient_id")["label"].nunique()
    patients = list(labels.index[labels > 1])
    if patients:
        rows = tuple(table.loc[table["patient_id"].isin(patients), "item_id"])
        message = f"{len(patients)} patients have both healthy and diseased images: {first_few(patients)}"
        yield Finding("mixed_labels", "warn", message, rows, "they may have fallen ill or recovered, or the labels are noisy; look at some")


def _missing_files(cohort: Cohort, table: pd.DataFrame) -> Iterator[Finding]:
    absent = tuple(item for item, image in zip(table["item_id"], table["image"], strict=True) if not (cohort.root / image).is_file())
    if absent:
        message = f"{len(absent)} of {len(table)} images are not under {cohort.root}: {first_few(absent)}"
        yield Finding("missing_files", "error", message, absent, "put them back, or import again with --only-present")


def _missing_values(cohort: Cohort, table: pd.DataFrame) -> Iterator[Finding]:
    """Warn of columns that are filled for some items only; a column that nobody fills is just not there."""
    columns = [column for column in (*TEXT_COLUMNS, "age") if column not in ("mask", "family", "serves")]
    for column in columns:
        empty = table[column].isna() if column == "age" else table[column] == ""
        if empty.any() and not empty.all():
            message = f"{int(empty.sum())} of {len(table)} items have no {column}"
            yield Finding("missing_values", "warn", message, tuple(table.loc[empty, "item_id"]), "such items cannot be matched on it")


def _confounds(cohort: Cohort, seed: int) -> Iterator[Finding]:
    """Warn of columns that tell the classes apart on their own, patients of all splits together."""
    queries = cohort.table[cohort.table["split"] != "reference"]
    one_each = queries.groupby("patient_id").sample(n=1, random_state=seed)
    diseased = one_each["label"].ne(cohort.info.healthy).to_numpy()
    for column in (column for column in queries.columns if column not in NOT_METADATA):
        found = metadata_auc(one_each, diseased, column, seed)
        if found is not None and found.interval(Z_99)[0] > 0.5:
            low, high = found.interval()
            limits = f"95 % interval {low:.2f} to {high:.2f}, {found.patients} patients"
            message = f"'{column}' alone predicts the class: AUROC {found.auc:.2f} ({limits})"
            advice = f"match references on {column}, and report results within its levels"
            yield Finding("metadata_predicts_class", "warn", message, (), advice)


SPLIT_AGAIN = "split again by patient; results on such splits are worthless"
CHECKS: tuple[Callable[[Cohort, pd.DataFrame], Iterator[Finding]], ...] = (
    _across_splits("patient_id", "patient_in_two_splits", "patients are", SPLIT_AGAIN),
    _across_splits("family", "family_in_two_splits", "families are", "keep each family in one split"),
    _across_splits("sha256", "duplicate_across_splits", "identical images are", "leave out all but one of each, then split again"),
    _classes,
    _duplicates_within,
    _mixed_labels,
    _missing_files,
    _missing_values,
)


def summary(findings: Sequence[Finding]) -> str:
    """Put findings into lines for a person.

    Parameters
    ----------
    findings : sequence of Finding
        From `audit`.

    Returns
    -------
    str
        One line each, errors first, and a last line that counts.
    """
    lines = [f"{finding.severity.upper():5}  {finding.name}: {finding.message}. {finding.advice.capitalize()}." for finding in findings]
    counts = np.bincount([finding.severity == "warn" for finding in findings], minlength=2)
    return "\n".join([*lines, f"audit: {counts[0]} error(s), {counts[1]} warning(s)"])
