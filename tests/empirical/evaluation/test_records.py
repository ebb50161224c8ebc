from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from empirical.evaluation.records import COLUMNS, Records, concatenate, read_records, write_records
from see_in_pairs.errors import InputError


def one_row(**changes: object) -> dict[str, object]:
    row: dict[str, object] = dict.fromkeys(COLUMNS, "")
    row |= {"run_id": "r", "arm": "pair", "item_id": "i", "train_seed": 0, "n_train": 5, "seed": 0, "label": "nodule"}
    row |= {"reference_ids": ["a", "b"], "reference_patient_ids": ["p", "q"], "logp": {"yes": -0.5, "no": -1.0}}
    return row | {"p_positive": 0.6, "mass_outside": 0.0, "score_seconds": 0.1, "generated": None, "parsed": None} | changes


def records(*rows: dict[str, object]) -> Records:
    return Records(pd.DataFrame(list(rows)), ("nodule",), "healthy")


def test_records_survive_the_file_with_lists_maps_and_class_names(tmp_path: Path) -> None:
    before = records(one_row(), one_row(item_id="j", reference_ids=[], reference_patient_ids=[], label="healthy"))
    write_records(tmp_path / "records.parquet", before)
    after = read_records(tmp_path)
    assert after.positive == ("nodule",) and after.healthy == "healthy"
    assert after.table["reference_ids"].tolist() == [["a", "b"], []]
    assert after.table["logp"].iloc[0] == {"yes": -0.5, "no": -1.0}
    assert after.is_positive().tolist() == [True, False]
    assert list(after.table.columns) == list(COLUMNS)


def test_a_row_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="occur twice"):
        write_records(tmp_path / "r.parquet", records(one_row(), one_row()))


def test_missing_files_columns_and_rows_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such records file"):
        read_records(tmp_path / "none.parquet")
    pd.DataFrame({"item_id": ["a"]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(InputError, match="do not have the column"):
        read_records(tmp_path / "other.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        read_records(tmp_path / "broken.parquet")
    with pytest.raises(InputError, match="no record with arm 'single'"):
        records(one_row()).of(arm="single")


def test_runs_about_other_classes_are_not_mixed() -> None:
    other = Records(records(one_row()).table, ("pneumonia",), "healthy")
    with pytest.raises(InputError, match="different classes"):
        concatenate([records(one_row()), other])


def changed(path: Path, column: str, values: list[object]) -> None:
    """Write a file of records in which a column is of another kind."""
    table = pq.read_table(path)
    place = table.schema.get_field_index(column)
    pq.write_table(table.set_column(place, column, pa.array(values)), path)


def test_a_file_whose_columns_are_of_another_kind_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "records.parquet"
    for column, values in (("item_id", [["i"]]), ("logp", [0.5]), ("logp", ["yes"]), ("train_seed", ["x"]), ("reference_ids", [1])):
        write_records(path, records(one_row()))
        changed(path, column, values)
        with pytest.raises(InputError, match=r"columns or class names|cannot be read as Parquet"):
            read_records(path)


def test_a_file_whose_names_are_no_text_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "records.parquet"
    write_records(path, records(one_row()))
    path.write_bytes(path.read_bytes().replace(b"e", b"\xe9"))
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        read_records(path)
    write_records(path, records(one_row()))
    table = pq.read_table(path)
    for names in (b"{", b"[]", b'{"positive": 3, "healthy": ""}'):
        pq.write_table(table.replace_schema_metadata({b"see_in_pairs": names}), path)
        with pytest.raises(InputError, match="columns or class names"):
            read_records(path)
