"""Reader of DICOM files: labels from folders or a table, all other facts from the headers."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from empirical.cohorts.cohort import Cohort
from empirical.cohorts.csv_io import parse_number, refuse_two_spellings
from empirical.cohorts.dicom_pixels import malformed, open_dataset
from empirical.cohorts.images import is_dicom
from empirical.cohorts.importing import CohortDraft, finish_import, require_folder
from empirical.cohorts.readers.findings import merge_positive
from empirical.cohorts.readers.folder import FilePatterns, files_below, keep_labels, list_files, path_below
from empirical.cohorts.readers.labelled_tables import (
    OURS,
    LabelledTableSettings,
    import_settings,
    number_columns,
    read_labelled,
    tidy_facts,
)
from empirical.cohorts.schema import CohortInfo
from see_in_pairs.console import progress
from see_in_pairs.errors import InputError, first_few

if TYPE_CHECKING:
    import pandas as pd

HEADER = {  # our column: the element of the header
    "instance": "SOPInstanceUID",
    "patient_id": "PatientID",
    "sex": "PatientSex",
    "age": "PatientAge",
    "view": "ViewPosition",
    "site": "InstitutionName",
    "study_date": "StudyDate",
    "birth_date": "PatientBirthDate",
    "manufacturer": "Manufacturer",
    "model": "ManufacturerModelName",
    "technique": "Modality",
    "bits": "BitsStored",
}


def import_dicom(
    root: Path | str,
    out: Path | str,
    *,
    healthy: str,
    positive: Sequence[str] = (),
    table: Path | str | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    name: str = "",
    modality: str = "medical image",
    finding: str = "",
    **settings: Unpack[LabelledTableSettings],
) -> Cohort:
    """Import DICOM files, labelled by folders or by a table.

    Patient, age (``045Y``, or from the dates of birth and study), sex, view, institution (as the site), date of the study, maker and model
    of the device come from the header, unless the table has them. A table without labels adds these facts to files in folders of labels.
    `include` and `exclude` are patterns of files. A file without a patient counts as a separate patient, with a warning.
    """
    root = require_folder(root)
    patterns = FilePatterns(root, include, exclude)
    options: dict[str, Any] = {"table": None}
    if table is None:
        rows, chosen, counts = _list_by_folder(root, healthy, positive, settings, patterns)
    else:
        rows, chosen, counts, options = _list_by_table(root, table, healthy, positive, settings, patterns)
    headers = _read_headers(root, rows["image"], bool(settings.get("quiet", False)))
    counts["headers_not_understood"] = int(headers.pop("damaged").sum())
    rows = _fill(rows, headers, counts)
    rows = _tidy(rows, counts, options["table"] or str(root))
    refuse_two_spellings(rows["patient_id"], str(root))
    info = CohortInfo(name or root.name, "dicom", healthy, chosen, modality, finding or " or ".join(chosen))
    options |= {"include": list(include), "exclude": list(exclude)}
    return finish_import(CohortDraft(root, info, rows, counts, options, "headers without a PatientID"), out, **import_settings(settings))


def _list_by_folder(
    root: Path, healthy: str, positive: Sequence[str], settings: LabelledTableSettings, patterns: FilePatterns
) -> tuple[pd.DataFrame, list[str], dict[str, int]]:
    rows, counts = list_files(root, is_dicom, ".dcm, or a --table with a label for each", patterns)
    rows, chosen = keep_labels(rows, healthy, positive, counts, str(root))
    if merged := settings.get("positive_name"):
        rows["label"], chosen = merge_positive(rows["label"], chosen, healthy, merged)
    return rows, chosen, counts


def _list_by_table(
    root: Path, table: Path | str, healthy: str, positive: Sequence[str], settings: LabelledTableSettings, patterns: FilePatterns
) -> tuple[pd.DataFrame, list[str], dict[str, int], dict[str, Any]]:
    """Join the files with the rows of a table, by the kind of image name that fits most rows."""
    import pandas as pd

    # several rows of an image (one per box, as in some challenges) give one label, unless they differ
    said = read_labelled(root, table, healthy, positive, {"aggregate": "all", **settings}, needs_label=False)
    counts, chosen, source = said.counts, said.positive, said.options["table"]
    if said.disagree and "aggregate" not in settings:
        raise InputError(
            f"{source}: {len(said.disagree)} images have two labels: {first_few(said.disagree)}; --aggregate any|all|majority decides"
        )
    facts = number_columns(said.rows.rename(columns={name: f"other_{name}" for name in HEADER if name not in OURS}))
    facts["named"] = facts["image"].str.replace("\\", "/")  # a table from Windows
    names = {name.replace("\\", "/") for name in said.names}
    if "label" in facts:
        files = [file for file in files_below(root) if file != Path(source).resolve() and patterns.keep(file)]
        found = pd.DataFrame({"image": [path_below(root, file) for file in files if is_dicom(file)]})
        if found.empty:
            raise InputError(f"{root}: no DICOM file found")
        counts |= {"other_files": len(files) - len(found), **patterns.counts()}
    else:
        found, chosen, more = _list_by_folder(root, healthy, positive, settings, patterns)
        counts |= more
    found["named"] = _best_names(root, found["image"], names)
    unlisted = int((~found["named"].isin(names)).sum())
    if "label" in facts:
        counts["files_without_label"] = unlisted
        rows = facts.drop(columns="image").merge(found, how="left", on="named").fillna({"image": ""})
        same, own = rows["item_id"] == facts["image"], (rows["patient_id"] == rows["item_id"]) if "patient_id" in rows else None
        rows["item_id"] = rows["item_id"].mask(same & (rows["image"] != ""), rows["image"])
        rows = rows if own is None else rows.assign(patient_id=rows["patient_id"].mask(own, rows["item_id"]))
        rows = rows if "split" in rows else rows.assign(split="")
    else:
        counts |= {"files_without_row": unlisted, "rows_without_file": int((~facts["named"].isin(found["named"])).sum())}
        found = found.drop(columns="split") if "split" in facts else found
        rows = found.merge(facts.drop(columns=["image", "item_id"]), how="left", on="named")
        texts = rows.columns.difference(facts.select_dtypes("number").columns)
        rows[texts] = rows[texts].fillna("")
    return rows.drop(columns="named"), chosen, counts, said.options


def _best_names(root: Path, files: pd.Series, wanted: set[str]) -> pd.Series:
    """Name each file as the table does: by path, name, stem or instance."""
    simple = [files, files.map(lambda file: Path(file).name), files.map(lambda file: Path(file).stem)]
    best = max(simple, key=lambda names: int(names.isin(wanted).sum()))
    if not best.isin(wanted).any():
        best = _read_headers(root, files, quiet=True)["instance"]
    twice = list(best[best.isin(wanted) & best.duplicated()])
    if twice:
        raise InputError(f"{root}: several files have the name {first_few(twice)}; give paths below the root in the table")
    return best


def _read_headers(root: Path, images: pd.Series, quiet: bool) -> pd.DataFrame:
    import pandas as pd

    def _read(image: str) -> dict[str, Any]:
        facts: dict[str, Any] = dict.fromkeys(HEADER, "") | {"damaged": False}
        if not image:  # a table row without a file
            return facts
        try:
            dataset = open_dataset(root / image, list(HEADER.values()))
        except InputError:
            return facts  # reported when its pixels are read
        for column, element in HEADER.items():
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # as in `open_dataset`: elements are parsed when they are read
                    facts[column] = _text(dataset.get(element))
            except malformed():  # the pixels may still be good
                facts["damaged"] = True
        return facts

    with ThreadPoolExecutor() as pool:
        return pd.DataFrame(list(progress(pool.map(_read, images), len(images), "headers", quiet)), columns=[*HEADER, "damaged"])


def _fill(rows: pd.DataFrame, headers: pd.DataFrame, counts: dict[str, int]) -> pd.DataFrame:
    """Add the facts of the headers to those of the table, which take precedence."""
    for name in headers:
        given = rows[name] if name in rows else headers[name]
        if name == "patient_id" and name in rows:
            other = (given != headers[name]) & (given != "") & (headers[name] != "")
            counts["patients_other_than_in_headers"] = int(other.sum())
        rows[name] = given.mask(given == "", headers[name])
    return rows


def _tidy(rows: pd.DataFrame, counts: dict[str, int], source: str) -> pd.DataFrame:
    import pandas as pd

    nameless = rows["patient_id"] == ""
    rows["patient_id"] = rows["patient_id"].mask(nameless, rows["item_id"])
    rows = tidy_facts(rows, counts, source)
    born, seen = (pd.to_datetime(rows[column], format="%Y%m%d", errors="coerce") for column in ("birth_date", "study_date"))
    age = rows["age"].fillna((seen - born).dt.days / 365.25)
    rows["age"] = age.where(age >= 0)
    rows["follow_up"] = parse_number(rows["study_date"])  # orders the images of a patient
    rows["bits"] = parse_number(rows["bits"])
    return rows.drop(columns=["birth_date", "study_date"])


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()
