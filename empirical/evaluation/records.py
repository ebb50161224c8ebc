"""The table of scores: one row per (run, arm, item), the contract between scoring and statistics."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from see_in_pairs.display import html_frame, plural
from see_in_pairs.errors import InputError, first_few, first_line
from see_in_pairs.files import atomic_path

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

COLUMNS = (
    "run_id", "arm", "train_arm", "train_seed", "n_train", "item_id", "patient_id", "site", "label",
    "question_id", "finding", "scale", "answer", "wording",
    "reference_ids", "reference_strategy", "reference_patient_ids", "seed",
    "p_positive", "logp", "mass_outside", "generated", "parsed", "score_seconds",
)  # fmt: skip
MAY_LACK = ("train_seed", "n_train")
"""Whole numbers that are null for an off-the-shelf model, where nothing was trained."""
KEYS = ("run_id", "arm", "item_id", "question_id", "wording", "seed", "train_seed")
EARLIER = {"question_id": "", "finding": "", "scale": "binary", "answer": "", "wording": ""}
"""Columns that earlier versions did not write, with what stands there for their rows."""


@dataclass(frozen=True, repr=False)
class Records:
    """Scores of items, with the names of their classes.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per (run, arm, item, question, wording), with the columns `COLUMNS`. ``answer`` is the true answer; ``label`` is the class
        of the item or, where a cohort asks several questions, the answer again. ``p_positive`` is NaN for questions that are not binary.
        ``train_seed`` and ``n_train`` are null for an off-the-shelf model.
        ``reference_ids`` and ``reference_patient_ids`` contain lists of strings, ``logp`` a dict from each answer to its log-probability
        (natural logarithm); ``p_positive`` is in [0, 1].
    positive : tuple of str
        The label(s) to detect.
    healthy : str
        The label of the healthy class.
    scales : dict of str to tuple of str
        The answers of each ordinal question, from the lowest to the highest, by ``question_id``.
    """

    table: pd.DataFrame
    positive: tuple[str, ...]
    healthy: str
    scales: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __repr__(self) -> str:
        table, positive = self.table, ", ".join(map(repr, self.positive))
        classes = f"{positive} against '{self.healthy}'" if positive else "classes not named"
        sizes = f"{plural(table['item_id'].nunique(), 'item')} of {plural(table['patient_id'].nunique(), 'patient')}"
        arms = ", ".join(map(str, table["arm"].unique()))
        return f"Records: {plural(len(table), 'row')}, {plural(table['run_id'].nunique(), 'run')} ({arms}); {sizes}; {classes}"

    def _repr_html_(self) -> str:
        return html_frame(repr(self), self.summary())

    def summary(self) -> pd.DataFrame:
        """Count the rows, items and patients in the records.

        Returns
        -------
        pandas.DataFrame
            One row per run and arm: ``run_id, arm, trainings, items, patients, positive_items``.
        """
        table = self.table.assign(positive_item=self.table["item_id"].where(self.is_positive()))
        groups = table.groupby(["run_id", "arm"], sort=False)
        return groups.agg(
            trainings=("train_seed", "nunique"), items=("item_id", "nunique"), patients=("patient_id", "nunique"),
            positive_items=("positive_item", "nunique"),
        ).reset_index()  # fmt: skip

    def is_positive(self) -> pd.Series:
        """Mark the rows whose label is one to detect.

        Returns
        -------
        pandas.Series of bool
            One value per row.
        """
        return self.table["label"].isin(self.positive)

    def of(self, **values: object) -> Records:
        """Keep the rows whose columns have these values.

        Parameters
        ----------
        **values : object
            Column name to value, for example ``arm="pair"``.

        Returns
        -------
        Records
            The rows that match, in their order.

        Raises
        ------
        InputError
            When no row matches.
        """
        table = self.table
        for column, value in values.items():
            table = table[table[column] == value]
        if table.empty:
            wanted = ", ".join(f"{column} {value!r}" for column, value in values.items())
            raise InputError(f"no record with {wanted}")
        return Records(table.reset_index(drop=True), self.positive, self.healthy, self.scales)


def write_records(path: Path | str, records: Records) -> None:
    """Write records as Parquet, atomically; the class names go into the file's metadata.

    Parameters
    ----------
    path : Path or str
        The file to (re)place.
    records : Records
        Table and class names; the order of rows is kept.

    Raises
    ------
    InputError
        When columns are missing, or a (run, arm, item, question, wording, seed, training seed) occurs twice.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    records = replace(records, table=_with_earlier(records.table))
    _validate(records.table, source=str(path))
    table = pa.Table.from_pandas(_typed(records.table), schema=_schema(records), preserve_index=False)
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary)


def read_records(path: Path | str) -> Records:
    """Read records.

    Parameters
    ----------
    path : Path or str
        A ``records.parquet``, or a folder that contains one.

    Returns
    -------
    Records
        The table, with the class names from its metadata.

    Raises
    ------
    InputError
        When the file is missing, is not Parquet, or lacks columns.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = Path(path)
    path = path / "records.parquet" if path.is_dir() else path
    if not path.is_file():
        raise InputError(f"{path}: no such records file")
    try:
        table = pq.read_table(path)
        frame = table.to_pandas()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # names and text that are not UTF-8 are found only when they are read
        raise InputError(f"{path}: cannot be read as Parquet ({first_line(error)})") from None
    try:
        names = json.loads((table.schema.metadata or {}).get(b"see_in_pairs", b'{"positive": [], "healthy": ""}'))
        positive, healthy = tuple(names["positive"]), names["healthy"]
        scales = {question: tuple(choices) for question, choices in names.get("scales", {}).items()}
        frame = _with_earlier(frame)
        _validate(frame, source=str(path))
        frame["logp"] = frame["logp"].map(dict)
        for column in ("reference_ids", "reference_patient_ids"):
            frame[column] = [list(ids) for ids in frame[column]]
        return Records(_null_off_the_shelf(frame), positive, healthy, scales)
    except (ValueError, TypeError, KeyError) as error:  # columns or class names of another type
        wrong = f"{path}: its columns or class names are not as 'see-in-pairs evaluate' writes them ({first_line(error)}); write it again"
        raise error if isinstance(error, InputError) else InputError(wrong) from None


def _with_earlier(frame: pd.DataFrame) -> pd.DataFrame:
    """Add the columns that earlier versions did not write."""
    return frame.assign(**{column: value for column, value in EARLIER.items() if column not in frame.columns})


def _null_off_the_shelf(frame: pd.DataFrame) -> pd.DataFrame:
    """Give whole numbers their type, nulls included; where nothing was trained, earlier versions wrote 0 for seed and number."""
    frame = frame.astype(dict.fromkeys(MAY_LACK, "Int64"))
    untrained = (frame["train_arm"] == "") & (frame["n_train"] == 0)
    seeds = untrained & bool((frame.loc[untrained, "train_seed"].fillna(0) == 0).all())  # a study writes the seed of its design there
    frame.loc[untrained, "n_train"] = None
    frame.loc[seeds, "train_seed"] = None
    return frame


def concatenate(parts: Sequence[Records]) -> Records:
    """Put records of several runs into one table."""
    import pandas as pd

    names = {(part.positive, part.healthy) for part in parts}
    if len(names) != 1:
        raise InputError(f"records of different classes cannot be combined: {first_few(sorted(map(str, names)))}")
    (positive, healthy) = names.pop()
    scales: dict[str, tuple[str, ...]] = {}
    for question, choices in (scale for part in parts for scale in part.scales.items()):
        if scales.setdefault(question, choices) != choices:
            raise InputError(f"records with different scales of the question '{question}' cannot be combined")
    return Records(pd.concat([part.table for part in parts], ignore_index=True), positive, healthy, scales)


def _validate(table: pd.DataFrame, source: str) -> None:
    missing = [column for column in COLUMNS if column not in table.columns]
    if missing:
        raise InputError(f"{source}: records do not have the column(s) {first_few(missing)}; write them with 'see-in-pairs evaluate'")
    twice = table.duplicated(list(KEYS))
    if twice.any():
        raise InputError(f"{source}: {int(twice.sum())} records occur twice (item {first_few(list(table.loc[twice, 'item_id']))})")


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    frame = table[list(COLUMNS)].copy()
    frame["logp"] = [list(answers.items()) for answers in frame["logp"]]  # Arrow builds a map from pairs
    return frame


def _schema(records: Records) -> pa.Schema:
    import pyarrow as pa

    text, real, whole, texts = pa.string(), pa.float64(), pa.int64(), pa.list_(pa.string())
    special = {
        "train_seed": whole, "n_train": whole, "seed": whole, "reference_ids": texts, "reference_patient_ids": texts,
        "p_positive": real, "mass_outside": real, "score_seconds": real, "logp": pa.map_(text, real),
    }  # fmt: skip
    schema = pa.schema([(column, special.get(column, text)) for column in COLUMNS])
    names = json.dumps({"positive": list(records.positive), "healthy": records.healthy, "scales": records.scales})
    return schema.with_metadata({"see_in_pairs": names})
