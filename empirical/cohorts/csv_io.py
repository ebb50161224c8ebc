"""Reading other people's tables: as text, with one clear line for every way in which they can be wrong."""

from __future__ import annotations

import ast
import gzip
import io
import json
import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from empirical.cohorts.images import is_safe_path, is_text
from see_in_pairs.console import log
from see_in_pairs.errors import InputError, first_few, first_line
from see_in_pairs.files import read_table, refuse_wide

if TYPE_CHECKING:
    import pandas as pd

SEXES = {"f": "F", "female": "F", "m": "M", "male": "M"}
NESTED = (list, tuple, dict, set, bytes, np.ndarray)
LONGEST_LITERAL = 20_000  # characters of a cell that is a list
MOST_UNPACKED = 2**31  # bytes of a table packed as .gz
DELIMITERS = {";": "';'", "\t": "a tab", "|": "'|'"}


def read_csv(path: Path, columns: Sequence[str], key: str | None = None, delimiter: str = ",", header: Sequence[str] = ()) -> pd.DataFrame:
    """Read a CSV table as text, ``''`` where empty, without blanks around it; `header` names the columns of one whose first row is data.

    Everything is read as text because pandas would make numbers of ids, and one patient of ``7`` and ``007``.
    """
    import pandas as pd

    if not path.is_file():
        raise InputError(f"{path}: no such table")
    delimiter = "\t" if delimiter == "\\t" else delimiter
    if len(delimiter) != 1 or delimiter in '"\r\n\0' or not is_text(delimiter):  # pandas takes a longer one for a regular expression
        raise InputError(f"--delimiter {delimiter[:20]!a}: must be one character that separates columns, such as ';' or '\\t'")
    words: dict[str, Any] = {"dtype": str, "keep_default_na": False, "encoding": "utf-8-sig", "sep": delimiter}
    try:
        refuse_wide(path, delimiter)
        first = [name.strip() for name in pd.read_csv(_content(path), header=None, nrows=1, **words).iloc[0]]
        if header and len(first) != len(header):
            raise InputError(f"{path}: --header names {len(header)} columns, its first row has {len(first)} fields ({first_few(first, 6)})")
        table = pd.read_csv(_content(path), **words | ({"header": None, "names": list(header)} if header else {}))
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8 text; save the table as UTF-8") from None
    except (ValueError, EOFError, OSError, zlib.error) as error:  # pandas' parser errors are ValueErrors; the others are of damaged .gz
        raise error if isinstance(error, InputError) else InputError(f"{path}: cannot be read as CSV ({first_line(error)})") from None
    twice = [name for name, count in Counter(header or first).items() if name and count > 1]
    if twice:
        raise InputError(f"{path}: has two columns called {first_few(twice)}; rename one, for it is not clear which is meant")
    table = table.rename(columns=str.strip) if all(isinstance(name, str) for name in table.columns) else table
    table = _unshift(table, path)
    require_columns(table, columns, str(path))
    table = table.apply(lambda column: column.str.strip())
    if table.empty:
        raise InputError(f"{path}: has no rows")
    if key is not None:
        refuse_repeated(table[key], str(path))
    return table


def _content(path: Path) -> Path | io.BytesIO:
    """Unpack a table that is packed as ``.gz``, up to a bound: a few kilobytes can hold terabytes."""
    if path.suffix != ".gz":
        return path
    with gzip.open(path) as stream:
        content = stream.read(MOST_UNPACKED + 1)
    if len(content) > MOST_UNPACKED:
        raise InputError(f"{path}: unpacks to more than {MOST_UNPACKED:,} bytes; is it the right file?")
    return io.BytesIO(content)


def _unshift(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Put columns back under their names where rows end in a delimiter and the header does not; pandas shifts them by one, unsaid."""
    import pandas as pd

    if isinstance(table.index, pd.RangeIndex):
        return table
    extra = table.index.nlevels
    names = [*table.columns, *range(extra)]
    shifted = table.reset_index().set_axis(names, axis="columns")
    if (shifted[list(range(extra))].fillna("").map(str.strip) != "").any(axis=None):
        raise InputError(f"{path}: rows have {extra} field{'s' * (extra > 1)} more than the header; name every column, or quote the commas")
    return shifted[list(table.columns)].fillna("")


def read_any_table(path: Path, delimiter: str = ",", header: Sequence[str] = (), lists: Sequence[str] = ()) -> pd.DataFrame:
    """Read a CSV, TSV (both may be packed as ``.gz``) or Parquet table as text.

    Whole numbers of a Parquet table are written without ``.0``, cells of the columns `lists` as JSON.
    """
    kind = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if path.suffix != ".parquet":
        return read_csv(path, (), delimiter="\t" if kind == ".tsv" else delimiter, header=header)
    if header:
        raise InputError(f"--header: {path} names its columns itself; leave it out (--column takes other names)")
    table = read_table(path).rename(columns=str)
    if table.empty:
        raise InputError(f"{path}: has no rows")
    for name in set(lists) & set(table.columns):
        table[name] = [json.dumps(list(cell), default=str) if isinstance(cell, (list, tuple, np.ndarray)) else cell for cell in table[name]]
    return table.apply(lambda column: as_text(column, str(path)))


def as_text(values: pd.Series, source: str) -> pd.Series:
    """Write a column as text: ``''`` where missing, 3.0 as ``'3'``.

    Examples
    --------
    >>> import pandas as pd
    >>> list(as_text(pd.Series([1.0, None, 2.5]), "example"))
    ['1', '', '2.5']
    """
    import pandas as pd

    nested = [type(value).__name__ for value in values[values.notna()] if isinstance(value, NESTED)] if values.dtype == object else []
    if nested:
        raise InputError(
            f"{source}: column '{values.name}' holds lists, structures or bytes ({nested[0]}); a table needs one text or number in each "
            "cell: write images as files and their paths into the column, or leave it out"
        )
    kinds = {"text" if isinstance(value, str) else "number" for value in values[values.notna()].unique()}
    if len(kinds) > 1:
        raise InputError(f"{source}: column '{values.name}' mixes numbers with text; write all of it as text")

    def _write(value: object) -> str:
        if isinstance(value, (float, np.floating)) and float(value).is_integer():
            return str(int(value))
        return str(value).strip()

    written = {value: _write(value) for value in values[values.notna()].unique()}
    return pd.Series([written.get(value, "") for value in values], index=values.index, name=values.name, dtype=str)


def require_columns(table: pd.DataFrame, columns: Sequence[str], source: str) -> None:
    """Refuse a table that lacks columns; where another delimiter seems to be the reason, the error names it."""
    missing = [column for column in columns if column not in table.columns]
    if missing:
        header = str(table.columns[0])
        others = [name for delimiter, name in DELIMITERS.items() if len(table.columns) == 1 and delimiter in header]
        found = f" (found: {first_few(list(table), 6)})"
        hint = f"; its columns seem to be separated by {others[0]}: save it with commas, or pass --delimiter" if others else found
        raise InputError(f"{source}: has no column {first_few(missing)}{hint}")


def say_absent(table: pd.DataFrame, columns: Sequence[str], source: str, quiet: bool) -> None:
    """Log which of the optional columns of a reader are missing."""
    absent = [column for column in columns if column not in table]
    if absent:
        log(f"{source}: has no column {first_few(absent, 8)}, and is read without them", quiet)


def refuse_repeated(keys: pd.Series, source: str) -> None:
    """Refuse keys that are empty or occur twice."""
    bad = keys.duplicated() | (keys == "")
    if bad.any():
        raise InputError(f"{source}: '{keys.name}' is empty or repeated in {int(bad.sum())} rows: {first_few(list(keys[bad].unique()))}")


def refuse_two_spellings(ids: pd.Series, source: str) -> None:
    """Refuse ids that write one number in several ways, since one patient could then count as two."""
    import pandas as pd

    spellings = pd.Series(ids.unique())
    numbers = spellings[spellings.str.fullmatch(r"\d+(\.0*)?")]
    same = numbers.str.replace(r"\.0*$", "", regex=True).str.lstrip("0")
    twice = numbers[same.duplicated(keep=False)]
    if len(twice):
        first = list(twice[same[twice.index] == same[twice.index[0]]])
        raise InputError(f"{source}: '{ids.name}' writes one number in several ways ({first_few(first)}); write each id in one way only")


def refuse_labels_alike(labels: pd.Series, source: str) -> None:
    """Refuse labels that differ only in case, in blanks or in the way a number is written, since one class could then count as two."""
    spellings: dict[str, list[str]] = {}
    for label in labels.unique():
        spellings.setdefault(plain_label(str(label)), []).append(str(label))
    twice = [names for names in spellings.values() if len(names) > 1]
    if twice:
        names = first_few([f"'{name}'" for name in sorted(twice[0])])
        raise InputError(f"{source}: '{labels.name}' writes one label in several ways ({names}); write each label in one way only")


def plain_label(label: str) -> str:
    """Normalise a label: case, blanks, zeros around a whole number."""
    plain = " ".join(unicodedata.normalize("NFKC", label).casefold().split())
    number = re.fullmatch(r"\+?(-?)0*(\d+)(?:\.0*)?", plain)
    return number[1] + number[2] if number else plain


def refuse_unsafe_names(names: pd.Series) -> None:
    """Refuse file names that are paths."""
    unsafe = [name for name in names if "/" in name or "\\" in name or not is_safe_path(name)]
    if unsafe:
        raise InputError(f"{names.name}: {len(unsafe)} are not plain file names: {first_few(unsafe)}")


def parse_literal(text: str) -> Any:
    """Read a cell that is written as a list or mapping of JSON or of Python; None where it is neither, or too long to be one."""
    if len(text) > LONGEST_LITERAL:
        return None
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return None


def parse_number(texts: pd.Series) -> pd.Series:
    """Read numbers; NaN where there is no number, or an infinite one."""
    import pandas as pd

    numbers = pd.to_numeric(texts, errors="coerce").astype(float)
    return numbers.where(np.isfinite(numbers))


def parse_age(texts: pd.Series) -> pd.Series:
    """Read ages written as ``58``, ``058Y``, ``006M``, ``003W`` or ``012D``, in years; NaN where there is no number."""
    parts = texts.str.extract(r"^0*(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[YMWD]?)$")
    years = parts["unit"].map({"": 1.0, "Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25})
    return parse_number(parts["number"]) * years


def parse_sex(texts: pd.Series, spellings: Mapping[str, str] = SEXES) -> pd.Series:
    """Read sexes written as ``F``, ``female``, ``M``, ``male``, in any case, as ``'F'``, ``'M'`` or ``''``."""
    return texts.str.lower().map(spellings).fillna("")
