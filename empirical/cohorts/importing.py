"""The last steps of every import: filter, open each image once, split, save, and count the items left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from empirical.cohorts.cohort import Cohort
from empirical.cohorts.filters import keep_where
from empirical.cohorts.image_scan import mask_suspects, scan_images
from empirical.cohorts.images import is_text
from empirical.cohorts.perceptual_hash import save_signatures
from empirical.cohorts.readers.asked import YES_NO, ask_column, ask_items
from empirical.cohorts.schema import COLUMNS, TEXT_COLUMNS, CohortInfo
from empirical.cohorts.splits import DEFAULT_FRACTIONS, Fractions, split_by_patient
from empirical.prompts.templates import QUESTION
from see_in_pairs.console import log
from see_in_pairs.errors import InputError, did_you_mean, first_few

if TYPE_CHECKING:
    import pandas as pd

MOST_STRATA = 8  # distinct values of a column to stratify by; a large set may have more


class ImportSettings(TypedDict, total=False):
    """Options that every reader takes besides its own; see `finish_import`."""

    fractions: Fractions
    seed: int
    where: Sequence[str]
    stratify: Sequence[str]
    resplit: bool
    skip_broken: bool
    frame: int
    ask: Sequence[str]
    quiet: bool


class TableImportSettings(ImportSettings, total=False):
    """Further options of readers of a table, whose rows may have no image."""

    only_present: bool


@dataclass(frozen=True)
class CohortDraft:
    """Result of a reader before any image is opened."""

    root: Path  # the folder that image paths are relative to
    info: CohortInfo  # names and words; ``image_root``, ``counts`` and ``parameters`` are filled in by `finish_import`
    # items with ``item_id, label, patient_id, image`` (``''`` where there is none) and other known columns; ``split`` where given
    table: pd.DataFrame
    counts: dict[str, int]  # how many rows were left out so far, by reason
    options: dict[str, Any] = field(default_factory=dict)  # the reader's own options, to be recorded
    no_patients: str = ""  # why images that count as separate patients may share a patient; `finish_import` counts them and warns
    questions: pd.DataFrame | None = None  # what is asked about the items (`empirical.cohorts.questions`); None for the one question


def finish_import(
    draft: CohortDraft,
    out: Path | str,
    *,
    fractions: Fractions = DEFAULT_FRACTIONS,
    seed: int = 0,
    where: Sequence[str] = (),
    stratify: Sequence[str] = (),
    resplit: bool = False,
    only_present: bool = False,
    skip_broken: bool = False,
    frame: int = 0,
    ask: Sequence[str] = (),
    quiet: bool = False,
) -> Cohort:
    """Make a cohort from a reader's result and save it, with signatures of its images, and ``broken.csv`` if images were skipped.

    `fractions` are the shares of patients for the splits, `where` the conditions on items (`empirical.cohorts.filters`), `stratify` the
    columns whose shares are the same in every split. `resplit` ignores the splits of the set itself. Rows without an image stop the import
    unless `only_present`, unreadable images unless `skip_broken`; both are counted. `frame` is the picture to take from files with several
    pictures, counted from 1, where the table has no column ``frame``. `ask` names columns whose value is asked for, too.
    """
    for what, text in {
        "--root": str(draft.root),
        "--name": draft.info.name,
        "--finding": draft.info.finding,
        "--modality": draft.info.modality,
    }.items():
        if not is_text(text):
            raise InputError(f"{what} {text}: is not UTF-8, so it cannot be recorded; rename it")
    table, left_out = keep_where(draft.table, where)
    counts = draft.counts | left_out | {"rows_without_image": int((table["image"] == "").sum())}
    table = keep_present(table, table["image"] != "", only_present, str(draft.root))
    table = _frames(table, frame)
    scan = scan_images(draft.root, list(table["image"]), quiet, list(table["frame"]) if "frame" in table else None)
    table = table.join(scan.facts)[scan.readable]
    signatures = scan.signatures[scan.readable]
    if scan.problems and not skip_broken:
        more = f" ({len(scan.problems)} such files)" if len(scan.problems) > 1 else ""
        raise InputError(f"{scan.problems[0]}{more}; replace it, take it away, or pass --skip-broken")
    counts["unreadable_images"] = len(scan.problems)
    if "given_reference" in table:
        lost = (table["given_reference"] != "") & ~table["given_reference"].isin(table["item_id"])
        counts |= {"given_references_left_out": int(lost.sum())} if lost.any() else {}
    useful = _with_queries(table)
    table, signatures = table[useful].reset_index(drop=True), signatures[useful]
    counts |= {"priors_without_query": int((~useful).sum())} if (~useful).any() else {}
    questions = _asked(draft, table, ask, counts)
    if questions is None:
        _refuse_empty_class(table, draft.info)
    else:
        kept = questions["item_id"].isin(table["item_id"])
        questions = questions[kept].reset_index(drop=True)
        counts |= {"questions_of_left_out_items": int((~kept).sum())} if not kept.all() else {}
    table["split"] = _splits(table, draft.info.healthy, fractions, seed, stratify, resplit, quiet)
    own_patient = int((table["patient_id"] == table["item_id"]).sum()) if draft.no_patients else 0
    counts |= {"files_taken_as_patients": own_patient} if own_patient else {}
    settings = {"fractions": list(fractions), "seed": seed, "where": list(where), "stratify": list(stratify)}
    settings |= {"ask": list(ask)} if ask else {}
    settings |= {"resplit": resplit, "only_present": only_present, "skip_broken": skip_broken} | ({"frame": frame} if frame else {})
    info = replace(draft.info, image_root=str(draft.root), counts=counts, parameters=draft.options | settings)
    cohort = assemble(out, info, table, questions)
    save_signatures(cohort.folder, list(table["sha256"]), signatures)
    scan.write_problems(cohort.folder)
    if not any(letter.isalpha() for letter in info.finding):
        log(f"warning: prompts will ask for '{info.finding}', which is only a number; name what to look for with --finding")
    for warning in _doubts(cohort.table, info.healthy):
        log(f"warning: {warning}")
    if own_patient:
        log(f"warning: {draft.no_patients}, so each of {own_patient} files counts as a patient of its own")
    log("; ".join(f"{name.replace('_', ' ')}: {number}" for name, number in counts.items()), quiet)
    return cohort


def _asked(draft: CohortDraft, table: pd.DataFrame, columns: Sequence[str], counts: dict[str, int]) -> pd.DataFrame | None:
    """The questions of a draft, and those for the values of columns; beside these the one question of a draft without any is asked, too."""
    import pandas as pd

    if not columns:
        return draft.questions
    info, known = draft.info, draft.questions
    if known is None:
        positive = table["label"].isin(info.positive).map({True: YES_NO[0], False: YES_NO[1]})
        words = QUESTION.replace("{finding}", info.finding)
        known = ask_items(table["item_id"], positive, "finding", words, YES_NO, "binary", info.finding)
    columns = list(dict.fromkeys(columns))
    if twice := sorted(set(columns) & set(known["question_id"])):
        raise InputError(f"--ask {twice[0]}: the cohort already has a question of this name; leave it out, or rename the column")
    return pd.concat([known, *(ask_column(table, column, counts) for column in columns)], ignore_index=True)


def _doubts(table: pd.DataFrame, healthy: str) -> list[str]:
    """Warn about images that may not show a patient, or are not stored like the others, and where none can be a healthy reference."""
    doubts, masks = [], mask_suspects(table)
    if not (table["label"] == healthy).any():
        doubts.append(f"no image has the label '{healthy}', so no healthy reference can be chosen, only one that comes with the set")
    if masks.any():
        shown = first_few(list(table.loc[masks, "item_id"]))
        doubts.append(f"{int(masks.sum())} images may be masks, by 1 bit per pixel or by name ({shown}); leave them out (--exclude)")
    modes = table["mode"].value_counts()
    if len(modes) > 1:
        stored = first_few([f"{mode} ({number})" for mode, number in modes.items()], 6)
        doubts.append(f"images have several pixel formats: {stored}; a format that goes with a class gives the class away")
    return doubts


def _frames(table: pd.DataFrame, frame: int) -> pd.DataFrame:
    """Record which picture is taken from each file; a file gives only one, since all stored data are found by the file's hash."""
    if frame < 0:
        raise InputError(f"--frame {frame}: pictures are counted from 1")
    table = table.assign(frame=frame) if frame and "frame" not in table else table
    if "frame" in table and (again := table["image"].duplicated()).any():
        raise InputError(
            f"{first_few(list(table.loc[again, 'image'].unique()))}: gives several items; save each picture as a separate file"
        )
    return table


def require_folder(root: Path | str) -> Path:
    """Resolve the folder of an image set, and refuse a missing one."""
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"--root {root}: {'is a file, not a folder' if root.exists() else 'no such folder'}")
    return root.resolve()


def keep_present(table: pd.DataFrame, present: pd.Series, only_present: bool, what: str) -> pd.DataFrame:
    """Keep the rows that have an image; stop if some have none, unless `only_present`."""
    missing = [name or "(a row without a name)" for name in table.loc[~present, "item_id"]]
    if missing and not only_present:
        raise InputError(
            f"{what}: {len(missing)} of {len(table)} rows have no image: {first_few(missing)}; add them, or pass --only-present"
        )
    if not present.any():
        raise InputError(f"{what}: none of the {len(table)} rows has an image there")
    return table[present].reset_index(drop=True)


def assemble(out: Path | str, info: CohortInfo, table: pd.DataFrame, questions: pd.DataFrame | None = None) -> Cohort:
    """Fill the columns that a reader does not know, and save."""
    missing = {column: "" for column in TEXT_COLUMNS if column not in table} | ({} if "age" in table else {"age": float("nan")})
    table = table.assign(**missing)
    ordered = [*COLUMNS, *(column for column in table.columns if column not in COLUMNS)]
    cohort = Cohort(Path(out), info, table[ordered].reset_index(drop=True), questions)
    cohort.save()
    return cohort


def _splits(
    table: pd.DataFrame, healthy: str, fractions: Fractions, seed: int, stratify: Sequence[str], resplit: bool, quiet: bool
) -> pd.Series:
    """Keep the splits of the set itself if they include train and test; else split by patient. A prior stays beside its patient."""
    if "split" in table and {"train", "test"} <= set(table["split"]) and not resplit:
        return table["split"]
    if "split" in table and (table["split"] != "").any():
        log("split anew by patient", quiet)
    strata = _strata(table, stratify) if stratify else None
    split = split_by_patient(table["patient_id"], table["label"] != healthy, fractions, seed, strata)
    if len(fractions) == 4 and fractions[3] > 0 and not (split == "reference").any():
        raise InputError("--fractions: no patient is left for references; these must be patients with healthy images only")
    return split.mask(table["serves"] == "prior", "reference") if "serves" in table else split


def _strata(table: pd.DataFrame, columns: Sequence[str]) -> pd.Series:
    for column in columns:
        if column not in table.columns:
            raise InputError(
                f"--stratify {column}: no such column (there are {first_few(list(table.columns), 15)}){did_you_mean(column, table.columns)}"
            )
        if table[column].nunique() > max(MOST_STRATA, table["patient_id"].nunique() / 20):  # strata of one or two patients cannot be split
            raise InputError(f"--stratify {column}: has {table[column].nunique()} different values; choose a column with fewer values")
    return table[list(columns)].astype(str).agg("\x1f".join, axis=1)


def _with_queries(table: pd.DataFrame) -> NDArray[np.bool_]:
    """Find the items that can be used: a prior can be used only for its own patient's queries."""
    prior = table["serves"] == "prior" if "serves" in table else table["item_id"] == ""
    return np.asarray(~prior | table["patient_id"].isin(table.loc[~prior, "patient_id"]))


def _refuse_empty_class(table: pd.DataFrame, info: CohortInfo) -> None:
    queries = table[table["serves"] != "prior"] if "serves" in table else table
    for label in (*info.positive, info.healthy):
        if not (queries["label"] == label).any():
            raise InputError(f"no image of class '{label}' is left; both classes are needed")
