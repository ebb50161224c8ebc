"""Reading tables that people and spreadsheets write: as text without surrounding blanks, with one clear line for each error."""

from __future__ import annotations

import importlib.util
import lzma
import re
import zipfile
import zlib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from see_in_pairs.errors import InputError, first_few, first_line
from see_in_pairs.files import read_table, refuse_wide

if TYPE_CHECKING:
    import pandas as pd

WORKBOOKS = (".xlsx", ".xlsm", ".xls", ".ods")
# errors of openpyxl and zipfile for damaged files (300 were tried); SyntaxError comes from XML
_BROKEN_WORKBOOK = (
    ValueError, LookupError, TypeError, AttributeError, OSError, SyntaxError, RuntimeError, EOFError, zlib.error, zipfile.BadZipFile
)  # fmt: skip


def read_item_table(path: Path) -> pd.DataFrame:
    """Read a CSV, TSV or Parquet table, or the first sheet of a workbook, as `trimmed` says."""
    suffix = path.suffix.lower()
    table = read_table(path) if suffix == ".parquet" else _read_workbook(path) if suffix in WORKBOOKS else _read_text(path)
    return trimmed(table)


def trimmed(table: pd.DataFrame) -> pd.DataFrame:
    """The table with text cells and column names without surrounding blanks, missing if empty; lists as text, except references."""
    table = table.rename(columns={column: str(column).strip() for column in table.columns})
    import pandas as pd

    for number, (name, kind) in enumerate(table.dtypes.items()):
        if isinstance(kind, pd.StringDtype):  # text without surrogates or lists: a million cells at once
            stripped = table.iloc[:, number].str.strip()
            table.isetitem(number, stripped.where(stripped != "").array)
        elif kind.kind == "O":
            table.isetitem(number, [_trimmed_cell(cell, name == "reference_ids") for cell in table.iloc[:, number].tolist()])
    return table


def _trimmed_cell(cell: Any, list_kept: bool) -> Any:
    if isinstance(cell, str):
        cell.isascii() or cell.encode()  # fails on a lone surrogate, which JSON may contain
        return cell.strip() or None
    return cell if list_kept or not hasattr(cell, "__len__") else str(cell)


def rows_table(rows: list[dict[str, Any]], path: Path) -> pd.DataFrame:
    """A table of JSON objects, one per row; numbers stay numbers."""
    import pandas as pd

    if not rows:
        raise InputError(f"{path}: no items")
    return trimmed(pd.DataFrame(rows, dtype=object))


def _read_workbook(path: Path) -> pd.DataFrame:
    import pandas as pd

    advice = "save its sheet as 'CSV UTF-8' and name that"
    if path.suffix.lower() not in (".xlsx", ".xlsm") or importlib.util.find_spec("openpyxl") is None:
        more = ", or install openpyxl, which reads it" if path.suffix.lower() in (".xlsx", ".xlsm") else ""
        raise InputError(f"{path}: is a workbook; {advice}{more}")
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        return pd.read_excel(path, dtype=str, keep_default_na=False, na_values=[""])
    except _BROKEN_WORKBOOK as error:
        raise InputError(f"{path}: cannot be read as a workbook ({first_line(error)}); {advice}") from None


def _read_text(path: Path) -> pd.DataFrame:
    import pandas as pd

    if not path.is_file():  # nor a pipe or a device
        raise InputError(f"{path}: no such file" if not path.exists() else f"{path}: is not a regular file; name a file")
    delimiter = "\t" if path.name.lower().endswith((".tsv", ".tsv.gz")) else ","
    words: dict[str, Any] = {"sep": delimiter, "encoding": "utf-8-sig", "dtype": str, "keep_default_na": False, "na_values": [""]}
    try:
        refuse_wide(path, delimiter)
        header = [str(name).strip() for name in pd.read_csv(path, header=None, nrows=1, **words).fillna("").iloc[0]]
        _check_header(header, path)
        table = pd.read_csv(path, **words)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8 (in a spreadsheet 'CSV UTF-8')") from None
    except pd.errors.ParserError as error:
        found = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
        said = "line {1} has {2} fields, the header {0}; quote cells that contain commas" if found else first_line(error)
        raise InputError(f"{path}: {said.format(*found.groups()) if found else said}") from None
    except (ValueError, OSError, EOFError, zlib.error, zipfile.BadZipFile, lzma.LZMAError) as error:
        raise error if isinstance(error, InputError) else InputError(f"{path}: cannot be read as CSV ({first_line(error)})") from None
    return _without_index(table, header, path)


def _check_header(header: list[str], path: Path) -> None:
    if len(header) == 1 and header[0].count(";") > 0:
        raise InputError(f"{path}: its columns are separated by ';'; save it with commas between columns and a point in numbers")
    twice = [name for name, count in Counter(header).items() if name and count > 1]
    if twice:
        raise InputError(f"{path}: the column {twice[0]!r} occurs twice in the header (blanks around names do not count); remove one")


def _without_index(table: pd.DataFrame, header: list[str], path: Path) -> pd.DataFrame:
    """Undo pandas' reading of rows longer than the header: the first column as an index, and every name one column too far right."""
    import pandas as pd

    if isinstance(table.index, pd.RangeIndex):
        return table
    cells = table.reset_index()
    extra = cells.iloc[:, len(header) :].notna().any(axis=1)
    if extra.any():
        row = int(extra.argmax()) + 1
        more = f"row {row} has {cells.shape[1]} fields, the header {len(header)} ({first_few(header, 6)})"
        raise InputError(f"{path}: {more}; name every column, and quote cells that contain commas")
    return cells.iloc[:, : len(header)].set_axis(header, axis=1)  # a comma at the end of every row
