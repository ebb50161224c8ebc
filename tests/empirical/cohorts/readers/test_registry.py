"""What holds for the reader of every kind: how it is called, and that the page explains it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.main import get_command

from empirical.cohorts.readers.registry import KINDS, _options, import_kind
from empirical.commands.cohort import app
from see_in_pairs.errors import InputError

PAGE = Path(__file__).parents[4] / "docs" / "reference" / "cohort_readers.md"


@pytest.mark.parametrize("kind", KINDS)
def test_every_reader_takes_a_label_to_detect_and_the_options_of_all_imports(kind: str) -> None:
    assert {"positive", "fractions", "seed", "where", "stratify", "resplit", "skip_broken", "quiet"} <= _options(kind).keys()
    assert f"| `{kind}` |" in PAGE.read_text(encoding="utf-8")


def test_the_page_names_every_option_of_an_import() -> None:
    known = {option for parameter in get_command(app).commands["import"].params for option in parameter.opts}  # type: ignore[attr-defined]
    page = PAGE.read_text(encoding="utf-8")
    assert [option for option in sorted(known) if f"`{option}" not in page and f" {option} " not in page] == ["--quiet", "--seed"]


def test_only_readers_of_tables_may_leave_out_rows_without_an_image() -> None:
    takes = {kind: "only_present" in _options(kind) for kind in ("nih", "table", "dicom", "folder", "medmnist")}
    assert takes == {"nih": True, "table": True, "dicom": True, "folder": False, "medmnist": False}


def test_an_unknown_kind_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must be one of nih, chexpert"):
        import_kind("xray", tmp_path, tmp_path / "out", {})
