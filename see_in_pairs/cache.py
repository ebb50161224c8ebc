"""A folder of finished parts of a long computation, so that a killed run loses only one part and a rerun gives the same result.

Each part is a file, written atomically, with a key (a hash of its inputs). A part that is damaged, or has another key, is made again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from see_in_pairs.console import log
from see_in_pairs.errors import InputError
from see_in_pairs.files import read_json, read_table, write_json, write_parquet

if TYPE_CHECKING:
    import pandas as pd

KEY = "key"
"""Column of a stored table: the key of each row."""


def cache_folder() -> Path:
    """Find the folder for data that can be computed again: ``$SEE_IN_PAIRS_CACHE``, or ``see-in-pairs`` under the user's cache folder."""
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "see-in-pairs"
    return Path(os.environ.get("SEE_IN_PAIRS_CACHE", default))


@dataclass(frozen=True)
class PartCache:
    """Finished parts in one folder: tables as Parquet, records as JSON."""

    folder: Path
    quiet: bool = False
    again: str = "made again"  # words of the log line for a part that is damaged or has another key

    def table(self, name: str, key: str | Sequence[str], make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """Read a table, or make and keep it; `key` is that of the whole table, or one for each row.

        A new table is read back, so that it is the same to the last bit whether it was made now or before.
        """
        file = self.folder / f"{name}.parquet"
        if (found := self._read_table(file, key)) is None:
            write_parquet(file, make().assign(**{KEY: key}))
            found = read_table(file)
        return found.drop(columns=KEY)

    def _read_table(self, file: Path, key: str | Sequence[str]) -> pd.DataFrame | None:
        if not file.is_file():
            return None
        try:
            table = read_table(file)
            keys = list(table[KEY])
        except (InputError, KeyError):
            log(f"{file}: damaged; {self.again}", self.quiet)
            return None
        if keys == ([key] * max(1, len(keys)) if isinstance(key, str) else list(key)):
            return table
        log(f"{file}: made from other inputs; {self.again}", self.quiet)
        return None

    def record(self, name: str, key: Mapping[str, Any]) -> dict[str, Any] | None:
        """Read a record that contains all of `key`; None where there is none."""
        file = self.folder / f"{name}.json"
        if not file.is_file():
            return None
        try:
            content = read_json(file)
        except InputError:
            content = None
        if isinstance(content, dict) and all(content.get(field) == value for field, value in key.items()):
            return content
        log(f"{file}: damaged, or made from other inputs; {self.again}", self.quiet)
        return None

    def keep_record(self, name: str, key: Mapping[str, Any], content: Mapping[str, Any]) -> None:
        """Write a record, with its key among its fields."""
        write_json(self.folder / f"{name}.json", {**key, **content})
