"""Reader of DICOM files: labels from folders or a table, everything else from the headers."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from empirical.cohorts.cohort import Cohort
from empirical.cohorts.csv_io import parse_age, parse_number, parse_sex, read_any_table, refuse_two_spellings, require_columns
from empirical.cohorts.dicom_pixels import malformed, open_dataset
from empirical.cohorts.images import is_dicom
from empirical.cohorts.importing import CohortDraft, TableImportSettings, finish_import, require_folder
from empirical.cohorts.readers.folder import FilePatterns, files_below, keep_labels, list_files, path_below
from empirical.cohorts.readers.table import find_table, rename_columns
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
    columns: Mapping[str, str] | None = None,
    delimiter: str = ",",
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    name: str = "",
    modality: str = "medical image",
    finding: str = "",
    **settings: Unpack[TableImportSettings],
) -> Cohort:
    """Import DICOM files, labelled by folders or by a table.

    Patient, age (``045Y``, or from the dates of birth and study), sex, view, institution (as the site), date of the study, maker and model
    of the device come from the header; `include` and `exclude` are patterns of files. A file without a patient counts as a patient of its
    own, and a warning says so.
    """
    root = require_folder(root)
    patterns = FilePatterns(root, include, exclude)
    if table is None:
        rows, counts = list_files(root, is_dicom, ".dcm", patterns)
    else:
        rows, counts = _list_by_table(root, find_table(root, table), dict(columns or {}), delimiter, patterns)
    rows, chosen = keep_labels(rows, healthy, positive, counts, str(root))
    headers = _read_headers(root, rows["image"], bool(settings.get("quiet", False)))
    counts["headers_not_understood"] = int(headers.pop("damaged").sum())
    rows = rows.drop(columns="instance", errors="ignore").join(headers)
    rows = _tidy(rows, counts)
    refuse_two_spellings(rows["patient_id"], str(root))
    info = CohortInfo(name or root.name, "dicom", healthy, chosen, modality, finding or " or ".join(chosen))
    options: dict[str, Any] = {"table": None if table is None else str(table), "columns": dict(columns or {}), "delimiter": delimiter}
    options |= {"include": list(include), "exclude": list(exclude)}
    return finish_import(CohortDraft(root, info, rows, counts, options, "headers without a PatientID"), out, **settings)


def _list_by_table(
    root: Path, path: Path, columns: dict[str, str], delimiter: str, patterns: FilePatterns
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Join the files with the labels of a table, by whichever name of an image fits most rows."""
    import pandas as pd

    entries = rename_columns(read_any_table(path, delimiter), columns, ("image", "label"), str(path))
    require_columns(entries, ("image", "label"), f"{path} (name yours with --column image=NAME, --column label=NAME)")
    labels = entries[["image", "label"]].drop_duplicates()
    both = labels["image"].duplicated(keep=False)
    if both.any():
        raise InputError(
            f"{path}: {labels.loc[both, 'image'].nunique()} images have two labels: {first_few(list(labels.loc[both, 'image']))}"
        )
    files = [file for file in files_below(root) if file != path.resolve() and patterns.keep(file)]
    left_out = patterns.counts()
    found = pd.DataFrame({"image": [path_below(root, file) for file in files if is_dicom(file)]})
    if found.empty:
        raise InputError(f"{root}: no DICOM file found")
    names = _best_names(root, found["image"], set(labels["image"]))
    label_of = dict(zip(labels["image"], labels["label"], strict=True))
    unlabelled = ~names.isin(label_of.keys())
    absent = labels[~labels["image"].isin(set(names))].assign(item_id=lambda rows: rows["image"], image="")
    rows = found[~unlabelled].assign(item_id=found["image"], label=names.map(label_of), split="")
    counts = {
        "rows_in_table": len(entries),
        "repeated_rows": len(entries) - len(labels),
        "other_files": len(files) - len(found),
        "files_without_label": int(unlabelled.sum()),
        **left_out,
    }
    return pd.concat([rows, absent], ignore_index=True).fillna({"split": ""}), counts


def _best_names(root: Path, files: pd.Series, wanted: set[str]) -> pd.Series:
    """Name each file as the table does: by path, name, stem or instance."""
    simple = [files, files.map(lambda file: Path(file).name), files.map(lambda file: Path(file).stem)]
    best = max(simple, key=lambda names: int(names.isin(wanted).sum()))
    if best.isin(wanted).any():
        if best[best.isin(wanted)].duplicated().any():
            twice = list(best[best.isin(wanted) & best.duplicated()])
            raise InputError(f"{root}: several files have the name {first_few(twice)}; let the table give paths below the root")
        return best
    return _read_headers(root, files, quiet=True)["instance"]


def _read_headers(root: Path, images: pd.Series, quiet: bool) -> pd.DataFrame:
    import pandas as pd

    def _read(image: str) -> dict[str, Any]:
        facts: dict[str, Any] = dict.fromkeys(HEADER, "") | {"damaged": False}
        if not image:  # a row of the table without a file
            return facts
        try:
            dataset = open_dataset(root / image, list(HEADER.values()))
        except InputError:
            return facts  # reported when its pixels are read
        for column, element in HEADER.items():
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # as when it was opened: elements are parsed when they are looked at
                    facts[column] = _text(dataset.get(element))
            except malformed():  # the pixels may be good all the same
                facts["damaged"] = True
        return facts

    with ThreadPoolExecutor() as pool:
        return pd.DataFrame(list(progress(pool.map(_read, images), len(images), "headers", quiet)), columns=[*HEADER, "damaged"])


def _tidy(rows: pd.DataFrame, counts: dict[str, int]) -> pd.DataFrame:
    import pandas as pd

    nameless = rows["patient_id"] == ""
    rows["patient_id"] = rows["patient_id"].mask(nameless, rows["item_id"])
    born, seen = (pd.to_datetime(rows[column], format="%Y%m%d", errors="coerce") for column in ("birth_date", "study_date"))
    age = parse_age(rows["age"]).fillna((seen - born).dt.days / 365.25)
    counts["ages_not_understood"] = int((age.isna() & (rows["age"] != "")).sum())
    rows["age"] = age.where(age >= 0)
    rows["sex"] = parse_sex(rows["sex"])
    rows["follow_up"] = parse_number(rows["study_date"])  # orders the images of a patient
    rows["bits"] = parse_number(rows["bits"])
    return rows.drop(columns=["birth_date", "study_date"])


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()
