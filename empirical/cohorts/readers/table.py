"""Reader of a plain CSV or Parquet table with named columns, for every set without a reader of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from empirical.cohorts.cohort import Cohort
from empirical.cohorts.csv_io import parse_age, parse_sex, read_any_table, refuse_repeated, refuse_two_spellings, require_columns
from empirical.cohorts.images import is_safe_path, spellings
from empirical.cohorts.importing import CohortDraft, TableImportSettings, finish_import, require_folder
from empirical.cohorts.readers.folder import SPLIT_NAMES, keep_labels
from empirical.cohorts.schema import CohortInfo
from see_in_pairs.errors import InputError, first_few

if TYPE_CHECKING:
    import pandas as pd

OURS = ("item_id", "image", "label", "patient_id", "family", "site", "split", "sex", "age", "view")
FILLED = ("mask", "serves", "sha256", "width", "height", "mode")  # columns that the import itself fills


def import_table(
    root: Path | str,
    out: Path | str,
    *,
    table: Path | str,
    healthy: str,
    positive: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
    delimiter: str = ",",
    name: str = "",
    modality: str = "medical image",
    finding: str = "",
    **settings: Unpack[TableImportSettings],
) -> Cohort:
    """Import the images that a table lists, in the table's splits where it has both train and test, else split by patient."""
    root = require_folder(root)
    path = find_table(root, table)
    rows = _ours(read_any_table(path, delimiter), dict(columns or {}), str(path))
    counts = {"rows_in_table": len(rows)}
    rows, chosen = keep_labels(rows, healthy, positive, counts, str(path))
    rows["image"] = _find_images(root, rows["image"], str(path))
    rows = rows if "patient_id" in rows else rows.assign(patient_id=rows["item_id"])
    rows = _tidy(rows, counts, str(path))
    info = CohortInfo(name or root.name, "table", healthy, chosen, modality, finding or " or ".join(chosen))
    options = {"table": str(path), "columns": dict(columns or {}), "delimiter": delimiter}
    return finish_import(
        CohortDraft(root, info, rows, counts, options, "no column for the patient (--column patient_id=NAME)"), out, **settings
    )


def find_table(root: Path, table: Path | str) -> Path:
    """Find a table by its path, or by its path below the root."""
    found = [path for path in (Path(table), root / table) if path.is_file()]
    if not found:
        raise InputError(f"--table {table}: no such file, neither here nor in {root}")
    return found[0]


def rename_columns(table: pd.DataFrame, columns: Mapping[str, str], known: Sequence[str], source: str) -> pd.DataFrame:
    """Rename a table's columns to ours; one that had our name but was not chosen for it is called ``other_NAME``."""
    unknown = [ours for ours in columns if ours not in known]
    if unknown:
        raise InputError(f"--column {unknown[0]}=...: not one of ours ({', '.join(known)})")
    require_columns(table, list(columns.values()), source)
    chosen = {theirs: ours for ours, theirs in columns.items()}
    others = {column: f"other_{column}" for column in table.columns if (column in columns or column in FILLED) and column not in chosen}
    return table.rename(columns=others | chosen)


def _ours(table: pd.DataFrame, columns: dict[str, str], source: str) -> pd.DataFrame:
    twice = [theirs for theirs in columns.values() if list(columns.values()).count(theirs) > 1]
    for theirs in dict.fromkeys(twice):  # the same column may serve as item and as patient, for example
        require_columns(table, [theirs], source)
        for ours in [ours for ours, name in columns.items() if name == theirs][1:]:
            table, columns[ours] = table.assign(**{f"{theirs} as {ours}": table[theirs]}), f"{theirs} as {ours}"
    rows = rename_columns(table, columns, OURS, source)
    require_columns(rows, ("image", "label"), f"{source} (name yours with --column image=NAME, --column label=NAME)")
    rows = rows if "item_id" in rows else rows.assign(item_id=rows["image"])
    refuse_repeated(rows["item_id"], source)
    for column in ("item_id", "patient_id", "family"):
        if column in rows:
            refuse_two_spellings(rows[column], source)
    if "patient_id" in rows and (rows["patient_id"] == "").any():
        raise InputError(f"{source}: {int((rows['patient_id'] == '').sum())} rows name no patient; fill the column, or leave them out")
    return rows


def _tidy(rows: pd.DataFrame, counts: dict[str, int], source: str) -> pd.DataFrame:
    import pandas as pd

    if "age" in rows:
        ages = parse_age(rows["age"].str.replace(r"\.0+$", "", regex=True))
        counts["ages_not_understood"] = int((ages.isna() & (rows["age"] != "")).sum())
        rows["age"] = ages
    if "sex" in rows:
        sexes = parse_sex(rows["sex"])
        counts["sexes_not_understood"] = int(((sexes == "") & (rows["sex"] != "")).sum())
        rows["sex"] = sexes
    if "split" in rows:
        rows["split"] = _splits(rows["split"], source)
    for column in rows.columns.difference([*OURS, *FILLED]):
        numbers = pd.to_numeric(rows[column].where(rows[column] != ""), errors="coerce")
        if not (numbers.isna() & (rows[column] != "")).any() and numbers.notna().any():
            rows[column] = numbers
    return rows


def _splits(texts: pd.Series, source: str) -> pd.Series:
    known = SPLIT_NAMES | {"reference": "reference", "": ""}
    splits = texts.str.lower().map(known)
    if splits.isna().any():
        raise InputError(
            f"{source}: unknown splits {first_few(list(texts[splits.isna()].unique()))} (known: {', '.join(filter(None, known))})"
        )
    if {"train", "test"} <= set(splits) and (splits == "").any():
        raise InputError(f"{source}: {int((splits == '').sum())} rows have no split; fill the column, or take it away")
    return splits


def _find_images(root: Path, names: pd.Series, source: str) -> pd.Series:
    """Find each image below the root; an absolute path must lead there, and the table may leave out the suffix."""

    def _below(name: str) -> str:
        return Path(name).relative_to(root).as_posix() if Path(name).is_absolute() and Path(name).is_relative_to(root) else name

    relative = names.map(_below)
    unsafe = [name for name in relative if name and not is_safe_path(name)]
    if unsafe:
        raise InputError(f"{source}: {len(unsafe)} image paths lead out of {root}: {first_few(unsafe)}; paths must be relative to --root")

    def _find(name: str) -> str:
        names = spellings(name) if name else []
        return next((path for path in names if (root / path).is_file() or (root / path).is_symlink()), "")

    return relative.map(_find)
