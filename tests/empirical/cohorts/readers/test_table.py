"""Plain tables: names of columns, ids, splits, other columns kept, and every way in which a table is hostile."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from empirical.cohorts import Cohort
from empirical.cohorts.readers.table import import_table
from see_in_pairs.errors import InputError


def pictures(root: Path, names: list[str]) -> None:
    for seed, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(seed).integers(0, 255, (8, 8), dtype=np.uint8)).save(root / name)


def entries(**changes: object) -> pd.DataFrame:
    rows = {
        "file": [f"a/{k}.png" for k in range(8)],
        "dx": ["ill", "well"] * 4,
        "person": [f"p{k // 2}" for k in range(8)],
        "years": ["45", "45.0", "", "030Y", "x", "51", "52", "53"],
        "gender": ["Female", "m", "", "F", "male", "other", "F", "M"],
        "scanner": list("AABBAABB"),
        "dose": [1.5, 2, None, 4, 5, 6, 7, 8],
    }
    return pd.DataFrame(rows | changes)


COLUMNS = {"image": "file", "label": "dx", "patient_id": "person", "age": "years", "sex": "gender", "site": "scanner"}


def imported(
    tmp_path: Path, table: pd.DataFrame, name: str = "table.csv", columns: dict[str, str] | None = None, **options: object
) -> Cohort:
    root = tmp_path / "set"
    pictures(root, [f"a/{k}.png" for k in range(8)])
    table.to_parquet(root / name) if name.endswith("parquet") else table.to_csv(root / name, index=False, encoding="utf-8-sig")
    settings = {"healthy": "well", "columns": COLUMNS if columns is None else columns, "quiet": True} | options
    return import_table(root, tmp_path / "out", table=name, **settings)


@pytest.mark.parametrize("name", ["table.csv", "table.parquet"])
def test_columns_are_taken_by_name_and_the_others_kept(name: str, tmp_path: Path) -> None:
    cohort = imported(tmp_path, entries(), name)
    table = cohort.table.set_index("item_id")
    np.testing.assert_array_equal(table["age"], [45, 45, np.nan, 30, np.nan, 51, 52, 53])
    assert table["sex"].tolist() == ["F", "M", "", "F", "M", "", "F", "M"]
    assert table["site"].tolist() == list("AABBAABB")
    assert table["dose"].dtype == float
    assert (cohort.info.counts["ages_not_understood"], cohort.info.counts["sexes_not_understood"]) == (1, 1)
    assert (table.groupby("patient_id")["split"].nunique() == 1).all()
    assert Cohort.load(tmp_path / "out").image("a/3.png").size == (8, 8)


def test_our_names_need_no_mapping_and_one_column_may_serve_twice(tmp_path: Path) -> None:
    table = entries().rename(columns={"file": "image", "dx": "label"})
    cohort = imported(tmp_path, table, columns={"item_id": "image", "image": "image", "patient_id": "person"})
    assert cohort.table["item_id"].tolist() == cohort.table["image"].tolist() == [f"a/{k}.png" for k in range(8)]


def test_the_ending_of_images_may_be_missing_and_absolute_paths_below_the_root_are_taken(tmp_path: Path) -> None:
    root = tmp_path / "set"
    cohort = imported(tmp_path, entries(file=[f"{root if k else ''}/a/{k}".lstrip("/" if not k else "") for k in range(8)]))
    assert cohort.table["image"].tolist() == [f"a/{k}.png" for k in range(8)]


def test_without_patients_a_warning_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cohort = imported(tmp_path, entries(), columns={"image": "file", "label": "dx"})
    assert cohort.table["patient_id"].is_unique
    assert "warning: no column for the patient" in capsys.readouterr().err


def test_given_splits_are_kept_and_references_are_set_aside(tmp_path: Path) -> None:
    splits = ["Train", "train", "train", "reference", "valid", "valid", "test", "test"]
    cohort = imported(tmp_path, entries(part=splits), columns=COLUMNS | {"split": "part"})
    assert cohort.table["split"].tolist() == ["train", "train", "train", "reference", "val", "val", "test", "test"]
    anew = imported(tmp_path, entries(part=splits), columns=COLUMNS | {"split": "part"}, resplit=True)
    assert (anew.table.groupby("patient_id")["split"].nunique() == 1).all()


def test_rows_without_image_stop_unless_allowed(tmp_path: Path) -> None:
    table = entries(file=["a/none.png", *(f"a/{k}.png" for k in range(1, 8))])
    with pytest.raises(InputError, match=r"1 of 8 rows have no image: a/none\.png"):
        imported(tmp_path, table)
    assert imported(tmp_path, table, only_present=True).info.counts["rows_without_image"] == 1


HOSTILE = {
    "path traversal": ({"file": ["../../etc/passwd", *(f"a/{k}.png" for k in range(1, 8))]}, {}, "1 image paths lead out of"),
    "absolute path": ({"file": ["/etc/passwd", *(f"a/{k}.png" for k in range(1, 8))]}, {}, "1 image paths lead out of"),
    "duplicated ids": ({"file": ["a/1.png"] * 2 + [f"a/{k}.png" for k in range(2, 8)]}, {}, "1 images stand in several rows"),
    "one number in two spellings": ({"person": ["7", "7.0", "007", "8", "9", "10", "11", "12"]}, {}, "writes one number in several ways"),
    "no patient in a row": ({"person": ["", *"abcdefg"]}, {}, "1 rows name no patient"),
    "unknown split": ({"part": ["dev", "holdout", *["train"] * 6]}, {"columns": COLUMNS | {"split": "part"}}, "unknown splits holdout"),
    "half a split": ({"part": ["", "test", *["train"] * 6]}, {"columns": COLUMNS | {"split": "part"}}, "1 rows have no split"),
    "no such column": ({}, {"columns": COLUMNS | {"view": "projection"}}, "has no column projection"),
    "not our column": ({}, {"columns": COLUMNS | {"pixels": "file"}}, "--column pixels=...: not one of ours"),
    "no label column": ({}, {"columns": {"image": "file"}}, "has no column label"),
    "no such label": ({}, {"healthy": "fine"}, "no image of label 'fine' .found: ill, well"),
    "wrong delimiter": ({}, {"delimiter": ";"}, "has no column file"),
    "no such table": ({}, {"table": "other.csv"}, "--table other.csv: no such file"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_tables_are_one_line(case: str, tmp_path: Path) -> None:
    changes, options, words = HOSTILE[case]
    with pytest.raises(InputError, match=words) as caught:
        if "table" in options:
            import_table(tmp_path, tmp_path / "out", healthy="well", **options)
        imported(tmp_path, entries(**changes), **options)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_semicolons_are_recognised_and_may_be_asked_for(tmp_path: Path) -> None:
    root = tmp_path / "set"
    pictures(root, [f"a/{k}.png" for k in range(8)])
    entries().to_csv(root / "table.csv", index=False, sep=";")
    with pytest.raises(InputError, match=r"seem to be separated by ';': save it with commas, or pass --delimiter"):
        import_table(root, tmp_path / "out", table="table.csv", healthy="well", columns=COLUMNS, quiet=True)
    assert (
        len(import_table(root, tmp_path / "out", table="table.csv", healthy="well", columns=COLUMNS, delimiter=";", quiet=True).table) == 8
    )


def test_mixed_types_and_other_encodings_are_one_line(tmp_path: Path) -> None:
    import pickle

    root = tmp_path / "set"
    root.mkdir()
    (root / "latin.csv").write_bytes("file,dx\nä.png,well\n".encode("latin-1"))
    (root / "broken.parquet").write_bytes(pickle.dumps("not parquet"))
    (root / "empty.csv").write_text("")
    for name, words in (
        ("latin.csv", "not UTF-8"),
        ("broken.parquet", "cannot be read as a table"),
        ("empty.csv", "cannot be read as CSV"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            import_table(root, tmp_path / "out", table=name, healthy="well", columns=COLUMNS, quiet=True)
        assert "\n" not in str(caught.value)


def test_a_column_that_mixes_numbers_and_text_is_refused() -> None:
    from empirical.cohorts.csv_io import as_text

    assert as_text(pd.Series([7, 8.0, None, 2.5], name="person"), "t").tolist() == ["7", "8", "", "2.5"]
    with pytest.raises(InputError, match="column 'person' mixes numbers with text"):
        as_text(pd.Series([7, "7"], name="person", dtype=object), "t")
