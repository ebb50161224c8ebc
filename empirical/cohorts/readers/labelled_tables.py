"""Tables of images and labels, as the readers `table` and `dicom` take them: joined, renamed, one row for each image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from empirical.cohorts.csv_io import (
    parse_age,
    parse_sex,
    read_any_table,
    refuse_labels_alike,
    refuse_repeated,
    refuse_two_spellings,
    require_columns,
)
from empirical.cohorts.importing import TableImportSettings
from empirical.cohorts.readers.asked import OTHER
from empirical.cohorts.readers.findings import LabelSettings, finding_questions, label_items, mentions
from empirical.cohorts.readers.folder import SPLIT_NAMES
from see_in_pairs.console import log
from see_in_pairs.errors import InputError, did_you_mean, first_few

if TYPE_CHECKING:
    import pandas as pd

ONE_EACH = ("image", "patient_id", "family", "site", "split", "sex", "age", "view", "frame")  # an image has one of each
OURS = ("item_id", "label", *ONE_EACH, "reader")
FILLED = ("mask", "serves", "sha256", "width", "height", "mode")  # columns that the import itself fills


class LabelledTableSettings(TableImportSettings, LabelSettings, total=False):
    """Options for reading a table of images; with those for its labels, and those common to all readers of tables."""

    columns: Mapping[str, str]  # our column: the table's
    delimiter: str
    header: Sequence[str]  # names for a table without a header row
    join: Sequence[str]  # files of further tables
    join_on: Sequence[str]  # their keys: one for all tables, or one for each
    unnamed_patients: bool  # rows without a patient count as separate patients


class LabelledRows(NamedTuple):
    """The content of a table: one row for each image with a wanted label, everything as text."""

    rows: pd.DataFrame
    positive: list[str]
    counts: dict[str, int]
    options: dict[str, Any]  # to be recorded
    disagree: list[str]  # the items whose rows disagree
    names: frozenset[str]  # of all images in the table
    questions: pd.DataFrame | None = None  # whether each finding is there, where findings are asked for


def read_labelled(
    root: Path,
    table: Path | str,
    healthy: str,
    positive: Sequence[str],
    settings: LabelledTableSettings,
    needs_label: bool = True,
    findings: Sequence[str] = (),
) -> LabelledRows:
    """Read a table and the tables joined to it, and decide the label of each image; a table without labels gives only facts."""
    import pandas as pd

    path = find_table(root, table)
    source = str(path)
    columns, delimiter = dict(settings.get("columns", {})), settings.get("delimiter", ",")
    lists = [columns.get("label", "label")] if settings.get("label_list") else []
    entries = read_any_table(path, delimiter, settings.get("header", ()), lists)
    counts = {"rows_in_table": len(entries)}
    options: dict[str, Any] = {"table": source, "delimiter": delimiter} | {key: settings[key] for key in OPTIONS if key in settings}  # type: ignore[literal-required]
    entries = _joined(root, entries, settings, lists, counts)
    labelled = needs_label or bool(settings.get("label_columns")) or columns.get("label", "label") in entries
    rows = _ours(entries, columns, settings, source, labelled)
    names = frozenset(rows["image"])
    chosen, disagree, questions = list(positive), list[str](), None
    if labelled:
        _refuse_clash(settings)
        said = mentions(rows, settings, healthy, source)
        if not settings.get("label_columns") and not settings.get("label_list"):
            refuse_labels_alike(rows["label"], source)
        readers = rows["reader"] if "reader" in rows else pd.Series(range(len(rows)), dtype=str)
        how = settings | {"positive_name": OTHER} if findings else settings
        labels, chosen, more, disagree = label_items(said, rows["item_id"], readers, healthy, positive, how, source)  # type: ignore[arg-type]
        counts |= more
        if findings:
            labels = labels.replace("", OTHER)
            counts.pop("items_of_other_labels", None)
            questions = finding_questions(said, rows["item_id"], readers, healthy, findings, settings, counts)
        used = {*settings.get("label_columns", ()), settings.get("healthy_column", "")}
        rows = rows.drop(columns=[name for name in rows if name in used])
    if settings.get("aggregate"):
        rows = _one_row_each(rows, counts, source)
    if labelled:
        rows["label"] = labels.to_numpy()
        rows = rows[rows["label"] != ""].reset_index(drop=True)
    return LabelledRows(rows, chosen, counts, options, disagree, names, questions)


OPTIONS = tuple(key for key in LabelledTableSettings.__annotations__ if key not in TableImportSettings.__annotations__)


def import_settings(settings: LabelledTableSettings) -> TableImportSettings:
    """Select the options of `finish_import`."""
    return cast("TableImportSettings", {key: value for key, value in settings.items() if key in TableImportSettings.__annotations__})


def find_table(root: Path, table: Path | str, option: str = "--table") -> Path:
    """Find a table by its path, or by its path below the root."""
    found = [path for path in (Path(table), root / table) if path.is_file()]
    if not found:
        raise InputError(f"{option} {table}: no such file, neither here nor in {root}")
    return found[0]


def tidy_facts(rows: pd.DataFrame, counts: dict[str, int], source: str) -> pd.DataFrame:
    """Read ages, sexes and splits."""
    if "age" in rows:
        ages = parse_age(rows["age"].str.replace(r"\.0+$", "", regex=True))
        counts["ages_not_understood"] = int((ages.isna() & (rows["age"] != "")).sum())
        rows["age"] = ages
    if "sex" in rows:
        sexes = parse_sex(rows["sex"])
        counts["sexes_not_understood"] = int(((sexes == "") & (rows["sex"] != "")).sum())
        rows["sex"] = sexes
    if "frame" in rows:
        odd = rows.loc[~rows["frame"].str.fullmatch(r"[1-9]\d{0,5}|0?"), "frame"]
        if len(odd):
            raise InputError(
                f"{source}: 'frame' holds {first_few([repr(text) for text in odd.unique()])}; pictures of a file are counted from 1"
            )
        rows["frame"] = rows["frame"].replace("", "0").astype(int)
    if "split" in rows:
        rows["split"] = _splits(rows["split"], source)
    return rows


def number_columns(rows: pd.DataFrame) -> pd.DataFrame:
    """Convert the table's own columns to numbers where all values are numbers; ids such as 007 stay text."""
    import pandas as pd

    for column in rows.columns.difference([*OURS, *FILLED]):
        texts = rows[column]
        numbers = pd.to_numeric(texts.where(texts != ""), errors="coerce")
        ids = texts.str.fullmatch(r"0\d+").any()  # 007 is an id, not a number
        if not ids and not (numbers.isna() & (texts != "")).any() and numbers.notna().any():
            rows[column] = numbers
    return rows


def _joined(
    root: Path, entries: pd.DataFrame, settings: LabelledTableSettings, lists: Sequence[str], counts: dict[str, int]
) -> pd.DataFrame:
    """Join further tables to a table by their keys; rows without a match stay, with empty cells, and are counted."""
    files, keys = list(settings.get("join", ())), list(settings.get("join_on", ()))
    if bool(files) != bool(keys) or len(keys) not in (1, len(files), 0):
        raise InputError(f"--join: {len(files)} tables and {len(keys)} keys; give --join-on KEY once for all tables, or once for each")
    for file, key in zip(files, keys * len(files) if len(keys) == 1 else keys, strict=True):
        path = find_table(root, file, "--join")
        pairs = [part.partition("=") for part in key.split(",")]
        ours, theirs = [left.strip() for left, _, _ in pairs], [(right if equals else left).strip() for left, equals, right in pairs]
        other = read_any_table(path, settings.get("delimiter", ","), lists=lists)
        require_columns(entries, ours, f"--join-on {key}: the table")
        require_columns(other, theirs, f"--join-on {key}: {path}")
        entries = _join_one(entries, other, ours, theirs, path, bool(settings.get("aggregate")), counts)
    return entries


def _join_one(
    entries: pd.DataFrame, other: pd.DataFrame, ours: list[str], theirs: list[str], path: Path, several: bool, counts: dict[str, int]
) -> pd.DataFrame:
    keys = other.set_index(theirs).index
    if keys.has_duplicates and not several:
        raise InputError(
            f"{path}: several rows have the key {first_few(list(keys[keys.duplicated()].unique()))}; "
            "join by a key that tells them apart, or let --aggregate make one label of them"
        )
    marked = other.rename(columns={theirs[k]: ours[k] for k in range(len(ours))}).assign(**{"\x1f": "x"})
    same = [name for name in other if name not in theirs and name in entries.columns]
    joined = entries.merge(marked, how="left", on=ours, suffixes=("", "\x1f"))
    matched = joined.pop("\x1f").notna()
    for name in same:
        differs = matched & (joined[name] != joined[f"{name}\x1f"])
        if differs.any():
            raise InputError(
                f"{path}: column '{name}' differs from the table in {int(differs.sum())} rows; rename one of them, or add it to --join-on"
            )
        joined = joined.drop(columns=f"{name}\x1f")
    if not matched.any():
        raise InputError(
            f"{path}: no row fits the table by {', '.join(ours)} (there {first_few(list(keys.unique()))}; in the table "
            f"{first_few(list(entries.set_index(ours).index.unique()))}); name another key, for example --join-on OURS=THEIRS"
        )
    found = entries.set_index(ours).index
    counts[f"rows_without_match_in_{path.name}"] = int((~matched).sum())
    counts[f"rows_of_{path.name}_not_used"] = int((~keys.isin(found)).sum())
    return joined.fillna("")


def _refuse_clash(settings: LabelledTableSettings) -> None:
    if settings.get("label_list") and settings.get("label_columns"):
        raise InputError("--label-list with --label-columns: the labels are either in one column or in several; give only one of the two")


def _rename(table: pd.DataFrame, columns: Mapping[str, str], source: str) -> pd.DataFrame:
    """Rename a table's columns to ours; another column that already has our name is renamed to ``other_NAME``."""
    unknown = [ours for ours in columns if ours not in OURS]
    if unknown:
        raise InputError(f"--column {unknown[0]}=...: not one of ours ({', '.join(OURS)}){did_you_mean(unknown[0], OURS)}")
    require_columns(table, list(columns.values()), source)
    chosen = {theirs: ours for ours, theirs in columns.items()}
    others = {
        column: f"other_{column}"
        for column in table.columns
        if (column in columns or column in (*FILLED, "frame")) and column not in chosen
    }
    return table.rename(columns=others | chosen)


def _ours(table: pd.DataFrame, columns: dict[str, str], settings: LabelledTableSettings, source: str, labelled: bool) -> pd.DataFrame:
    spread = {*settings.get("label_columns", ()), settings.get("healthy_column", "")}
    twice = [theirs for theirs in columns.values() if list(columns.values()).count(theirs) > 1 or theirs in spread]
    for theirs in dict.fromkeys(twice):  # for example, the same column may be both item and patient
        require_columns(table, [theirs], source)
        for ours in [ours for ours, name in columns.items() if name == theirs][0 if theirs in spread else 1 :]:
            table, columns[ours] = table.assign(**{f"{theirs} as {ours}": table[theirs]}), f"{theirs} as {ours}"
    rows = _rename(table, columns, source)
    needed = ("image", "label") if labelled and not settings.get("label_columns") else ("image",)
    require_columns(rows, needed, f"{source} (name yours with {', '.join(f'--column {name}=NAME' for name in needed)})")
    if "item_id" not in rows:
        rows = rows.assign(item_id=rows["image"])
        again = rows.loc[rows["image"].duplicated() & (rows["image"] != ""), "image"]
        if labelled and not settings.get("aggregate") and len(again):
            raise InputError(
                f"{source}: {again.nunique()} images stand in several rows ({first_few(list(again.unique()))}); "
                "if these are readings of one image, let --aggregate any|all|majority make one label of them; "
                "if they are items, give them ids (--column item_id=NAME)"
            )
    if labelled and not settings.get("aggregate"):
        refuse_repeated(rows["item_id"], source)
    elif (rows["item_id"] == "").any():
        raise InputError(f"{source}: {int((rows['item_id'] == '').sum())} rows name no image; fill the column, or leave them out")
    for column in ("item_id", "patient_id", "family"):
        if column in rows:
            refuse_two_spellings(rows[column], source)
    if "patient_id" in rows and (nameless := rows["patient_id"] == "").any():
        if not settings.get("unnamed_patients"):
            raise InputError(
                f"{source}: {int(nameless.sum())} rows name no patient; fill the column, leave them out, or let each count as a patient of "
                "its own (--unnamed-patients)"
            )
        rows["patient_id"] = rows["patient_id"].mask(nameless, rows["item_id"])
    return rows


def _one_row_each(rows: pd.DataFrame, counts: dict[str, int], source: str) -> pd.DataFrame:
    """Keep the first row of each item; other columns that differ between its rows are left out, with a message."""
    import pandas as pd

    first = rows.drop_duplicates("item_id")
    position = first.set_index("item_id").index.get_indexer(pd.Index(rows["item_id"]))
    differs = {name: rows[name].to_numpy() != first[name].to_numpy()[position] for name in rows.columns.difference(["label", "reader"])}
    differ = [name for name, rows_differ in differs.items() if rows_differ.any()]
    for name in [name for name in ONE_EACH if name in differ]:
        odd = rows.loc[differs[name], "item_id"]
        raise InputError(f"{source}: the rows of {first_few(list(odd.unique()))} disagree in '{name}', but an image has only one value")
    counts["repeated_rows"] = len(rows) - len(first)
    if differ:
        log(f"{source}: {first_few(differ, 8)} differ between the rows of an image, and are left out")
        counts["columns_that_differ_between_rows"] = len(differ)
    return first.drop(columns=[*differ, *({"reader"} & set(rows))], errors="ignore").reset_index(drop=True)


def _splits(texts: pd.Series, source: str) -> pd.Series:
    known = SPLIT_NAMES | {"reference": "reference", "": ""}
    splits = texts.str.lower().map(known)
    if splits.isna().any():
        raise InputError(
            f"{source}: unknown splits {first_few(list(texts[splits.isna()].unique()))} (known: {', '.join(filter(None, known))})"
        )
    if {"train", "test"} <= set(splits) and (splits == "").any():
        raise InputError(f"{source}: {int((splits == '').sum())} rows have no split; fill the column, or remove it")
    return splits
