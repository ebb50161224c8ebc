"""Files that a crash can never leave half written: write to a temporary name, then rename."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from see_in_pairs.errors import InputError, write_failure

if TYPE_CHECKING:
    import pandas as pd


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`, renamed onto it when the block ends well.

    Returns the temporary file (same suffix, same folder), removed when the block raises.
    """
    path = Path(path)
    temporary = _temporary(path)
    try:
        yield temporary
        temporary.chmod(0o644)  # mkstemp makes files private; results are for sharing
        temporary.replace(path)
    except Exception as error:
        if what := write_failure(error):
            raise InputError(f"{path}: {what}") from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _temporary(path: Path) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    except OSError as error:
        if what := write_failure(error):
            raise InputError(f"{path}: {what}") from error
        raise
    os.close(handle)
    return Path(name)


def write_text(path: Path | str, text: str) -> None:
    """Write text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, content: Any) -> None:
    """Write JSON atomically, with NaN and infinities as null so that any reader accepts it."""
    write_text(path, to_json(content) + "\n")


def to_json(content: Any, indent: int | None = 2) -> str:
    """Render strict JSON: NaN and infinities become null, numpy scalars numbers.

    Examples
    --------
    >>> to_json({"p": float("nan")}, indent=None)
    '{"p": null}'
    """
    return json.dumps(_plain(content), indent=indent, allow_nan=False, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if hasattr(value, "__dataclass_fields__") and not isinstance(value, type):
        value = {name: getattr(value, name) for name in value.__dataclass_fields__}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):  # numpy arrays and scalars, without importing numpy here
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if value is None or isinstance(value, (str, int, bool)):
        return value
    return str(value)


def read_json(path: Path | str) -> Any:
    """Read a JSON file, or say in one line why not."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid JSON ({error})") from None


def write_parquet(path: Path | str, table: pd.DataFrame) -> None:
    """Write a table as Parquet, atomically."""
    with atomic_path(path) as temporary:
        table.to_parquet(temporary, index=False)


def read_table(path: Path | str, as_text: bool = False) -> pd.DataFrame:
    """Read a Parquet or CSV table, or say in one line why not."""
    import pandas as pd

    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        words: dict[str, Any] = {"dtype": str, "keep_default_na": False, "na_values": [""]} if as_text else {}
        return pd.read_csv(path, sep="\t" if path.suffix == ".tsv" else ",", encoding="utf-8-sig", **words)
    except Exception as error:  # pandas and pyarrow raise many kinds for a broken file; all mean the same to the user
        raise InputError(f"{path}: cannot be read as a table ({str(error).splitlines()[0]})") from None


def sha256(path: Path | str) -> str:
    """Hash a file's bytes."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def content_hash(content: Any) -> str:
    """Hash any JSON-able content, independent of the order of keys.

    Returns the first 16 hexadecimal digits of the SHA-256 of its canonical JSON.
    """
    text = json.dumps(_plain(content), sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
