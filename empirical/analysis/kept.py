"""Parts of an analysis that are kept as soon as they are done, so that a kill costs one part and a rerun ends in the same table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from see_in_pairs.console import log
from see_in_pairs.errors import InputError
from see_in_pairs.files import read_table, write_parquet

if TYPE_CHECKING:
    import pandas as pd

KEY = "key"


def cached_parts(file: Path, key: str, make: Callable[[], pd.DataFrame], quiet: bool = False) -> pd.DataFrame:
    """Read a finished part, or make and keep it.

    Returns the part, to the last bit the same whether it was made now or before.
    """
    table = _whole(file)
    if table is None or not table[KEY].eq(key).all():
        if file.is_file():
            log(f"{file}: {'damaged' if table is None else 'made from other images, masks, prompts or weights'}; made again", quiet)
        write_parquet(file, make().assign(**{KEY: key}))
        table = read_table(file)
    return table.drop(columns=KEY)


def _whole(file: Path) -> pd.DataFrame | None:
    try:
        table = read_table(file) if file.is_file() else None
    except InputError:
        return None
    return table if table is not None and KEY in table.columns and len(table) else None
