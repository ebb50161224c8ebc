"""What every reader of image sets does: read a table, look at each image once, put a cohort together."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from empirical.cohorts.cohort import COLUMNS, TEXT_COLUMNS, Cohort, CohortInfo
from empirical.cohorts.images import open_rgb
from see_in_pairs.console import progress
from see_in_pairs.errors import InputError, first_few

if TYPE_CHECKING:
    import pandas as pd

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")


def require_folder(root: Path | str) -> Path:
    """Make sure that a folder is there.

    Parameters
    ----------
    root : Path or str
        The folder.

    Returns
    -------
    Path
        Its absolute path.

    Raises
    ------
    InputError
        When it is missing, or a file.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"--root {root}: {'is a file, not a folder' if root.exists() else 'no such folder'}")
    return root.resolve()


def read_csv(path: Path, columns: Sequence[str], key: str) -> pd.DataFrame:
    """Read a CSV table as text.

    Parameters
    ----------
    path : Path
        The file; a byte-order mark is allowed.
    columns : sequence of str
        Columns that must be there.
    key : str
        The column that must be unique and filled.

    Returns
    -------
    pandas.DataFrame
        Text in every column, ``''`` where empty, blanks around it removed.

    Raises
    ------
    InputError
        When the file is missing or broken, lacks a column, has no row, or repeats a key.
    """
    import pandas as pd

    if not path.is_file():
        raise InputError(f"{path}: no such table")
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (ValueError, UnicodeDecodeError) as error:  # pandas' parser errors are ValueErrors
        raise InputError(f"{path}: cannot be read as CSV ({str(error).splitlines()[0]})") from None
    missing = [column for column in columns if column not in table.columns]
    if missing:
        hint = "; are the columns separated by commas?" if len(table.columns) == 1 else f" (found: {first_few(list(table.columns), 6)})"
        raise InputError(f"{path}: has no column {first_few(missing)}{hint}")
    table = table.apply(lambda column: column.str.strip())
    if table.empty:
        raise InputError(f"{path}: has no rows")
    bad = table[key].duplicated() | (table[key] == "")
    if bad.any():
        raise InputError(f"{path}: '{key}' is empty or repeated in {int(bad.sum())} rows: {first_few(list(table.loc[bad, key].unique()))}")
    return table


def keep_present(table: pd.DataFrame, present: pd.Series, only_present: bool, what: str) -> pd.DataFrame:
    """Keep the rows that have an image, or stop.

    Parameters
    ----------
    table : pandas.DataFrame
        Rows with a column ``item_id``.
    present : pandas.Series of bool
        Which of them have an image.
    only_present : bool
        Whether the user allowed rows without one.
    what : str
        Where the images were looked for.

    Returns
    -------
    pandas.DataFrame
        The rows that have one.

    Raises
    ------
    InputError
        When rows have none and that was not allowed, or when no row has one.
    """
    missing = list(table.loc[~present, "item_id"])
    if missing and not only_present:
        raise InputError(
            f"{what}: {len(missing)} of {len(table)} rows have no image: {first_few(missing)}; add them, or pass --only-present"
        )
    if not present.any():
        raise InputError(f"{what}: none of the {len(table)} rows has an image there")
    return table[present].reset_index(drop=True)


def look_at_images(root: Path, names: Sequence[str], quiet: bool = False) -> pd.DataFrame:
    """Open every image once: hash, size, and whether it can be read at all.

    Parameters
    ----------
    root : Path
        The folder that names are relative to.
    names : sequence of str
        Image paths.
    quiet : bool, default False
        When true, no progress bar.

    Returns
    -------
    pandas.DataFrame
        Columns ``sha256, width, height``, in the order of `names`.

    Raises
    ------
    InputError
        Naming the first few that cannot be read.
    """
    import pandas as pd

    with ThreadPoolExecutor(max_workers=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()) as pool:
        facts = list(progress(pool.map(_facts, [root / name for name in names]), len(names), "images", quiet))
    broken = [problem for _, _, _, problem in facts if problem]
    if broken:
        rest = f" ({len(broken)} such files)" if len(broken) > 1 else ""
        raise InputError(f"{broken[0]}{rest}; replace it, or take it away")
    return pd.DataFrame([fact[:3] for fact in facts], columns=["sha256", "width", "height"])


def assemble(out: Path | str, info: CohortInfo, table: pd.DataFrame) -> Cohort:
    """Fill what a reader does not know, and save.

    Parameters
    ----------
    out : Path or str
        The cohort's folder.
    info : CohortInfo
        Its facts.
    table : pandas.DataFrame
        Items with some of a cohort's columns.

    Returns
    -------
    Cohort
        The saved cohort.
    """
    missing = {column: "" for column in TEXT_COLUMNS if column not in table} | ({} if "age" in table else {"age": float("nan")})
    table = table.assign(**missing)
    ordered = [*COLUMNS, *(column for column in table.columns if column not in COLUMNS)]
    cohort = Cohort(Path(out), info, table[ordered].reset_index(drop=True))
    cohort.save()
    return cohort


def _facts(path: Path) -> tuple[str, int, int, str]:
    try:
        width, height = open_rgb(path).size
        return hashlib.sha256(path.read_bytes()).hexdigest(), width, height, ""
    except InputError as error:
        return "", 0, 0, str(error)
