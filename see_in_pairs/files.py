"""Files that a crash cannot leave half written (a temporary name, then a rename), and careful reading of users' files."""

from __future__ import annotations

import fnmatch
import gzip
import hashlib
import json
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from see_in_pairs.errors import InputError, first_line, write_failure

if TYPE_CHECKING:
    import pandas as pd


MOST_BYTES = {"text": 2**22, "YAML": 2**22, "JSON": 2**28}
"""Largest size in bytes of a text written by people, and by programs; a larger file is not of the expected kind."""

TEMPORARY = re.compile(r"\..*-[0-9a-f]{16}(\.[^.]*)?", re.DOTALL)
"""The names of temporary files."""

MOST_COLUMNS = 10_000
"""Most columns of a text table."""

MOST_VALUES = 200_000
"""Most values in a YAML file, counted as often as aliases repeat them: a few lines of aliases can stand for billions."""


@contextmanager
def atomic_path(path: Path | str, *, durable: bool = False) -> Iterator[Path]:
    """Yield a temporary path (same folder, same suffix), renamed to `path` when the block succeeds, else removed.

    With `durable` it is on the disk before it is renamed, so that even a power failure leaves no empty file under the name.
    """
    path = Path(path)
    if path.exists() and not path.is_file() and not path.is_dir():  # a rename would replace a device by a file
        raise InputError(f"{path}: is a device or a pipe; name a file, or print the result and redirect it there")
    temporary = _temporary(path)
    try:
        yield temporary
        if durable:
            with open(temporary, "rb") as stream:
                os.fsync(stream.fileno())
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
        temporary = path.with_name(f".{path.stem[:100]}-{secrets.token_hex(8)}{path.suffix}")
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))  # minus the umask: the user decides who can read results
    except OSError as error:
        if what := write_failure(error):
            raise InputError(f"{path}: {what}") from error
        raise
    return temporary


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that a killed process left in a run's folder, but not in the runs below it, which have their own lock."""
    for place, folders, names in os.walk(folder):
        is_run, top = "manifest.json" in names, Path(place) == folder
        if is_run != top:  # another run, or a folder of the user, however large
            folders.clear()
        if is_run and not top:
            continue
        for name in filter(TEMPORARY.fullmatch, names):
            with suppress(OSError):  # already gone, or no permission to remove it
                Path(place, name).unlink()


def write_text(path: Path | str, text: str, *, durable: bool = False) -> None:
    """Write text atomically; half surrogate pairs (from file names that are not UTF-8) are written as escapes."""
    with atomic_path(path, durable=durable) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: Path | str, content: Any, *, durable: bool = False) -> None:
    """Write JSON atomically, with NaN and infinities as null so that any reader accepts it."""
    write_text(path, to_json(content) + "\n", durable=durable)


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


def read_text(path: Path | str, kind: str = "text") -> str:
    """Read UTF-8 text, a byte-order mark allowed, from a regular file of at most `MOST_BYTES`, or fail with one line."""
    path = Path(path)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # reading a pipe or a device may never end
            raise InputError(f"{path}: {'is a folder' if stat.S_ISDIR(status.st_mode) else 'is not a regular file'}; name a file")
        if status.st_size > MOST_BYTES[kind]:
            raise InputError(f"{path}: has {status.st_size:,} bytes, too many for {kind}; is it the right file?")
        return path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not valid {kind}, not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except (OSError, ValueError) as error:  # no permission, a loop of links, a name with a null byte
        raise error if isinstance(error, InputError) else InputError(f"{path}: cannot be read ({first_line(error)})") from None


def read_json(path: Path | str) -> Any:
    """Read a JSON file, or fail with one line."""
    text = read_text(path, "JSON")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # also integers of thousands of digits and deep nesting
        raise InputError(f"{path}: not valid JSON ({first_line(error)})") from None


def read_json_object(path: Path | str) -> dict[str, Any]:
    """Read a JSON file that contains an object, or fail with one line."""
    content = read_json(path)
    if not isinstance(content, dict):
        raise InputError(f"{path}: contains no JSON object; it is damaged, or the wrong file")
    return content


def read_yaml(path: Path | str) -> Any:
    """Read a YAML file, or fail with one line; a key that occurs twice in a mapping is an error."""
    return parse_yaml(read_text(path, "YAML"), str(path))


def parse_yaml(text: str, source: str) -> Any:
    """Parse YAML as `read_yaml` does; the error line begins with `source`."""
    import yaml

    class Loader(yaml.SafeLoader):  # not the loader in C: deep nesting overflows its stack and ends the process
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            keys = [self.construct_object(key, deep=True) for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
            twice = [key for number, key in enumerate(keys) if key in keys[:number]]
            if twice:
                raise yaml.YAMLError(f"the key '{twice[0]}' occurs twice, line {node.start_mark.line + 1}")
            return super().construct_mapping(node, deep)

    try:
        content = yaml.load(text, Loader)  # noqa: S506 (a safe loader)
        _refuse_expansion(content)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:  # a date such as 2024-13-45, an endless integer, nesting
        raise InputError(f"{source}: not valid YAML ({' '.join(str(error).split())})") from None
    return content


def _refuse_expansion(content: Any) -> None:
    """Refuse content that is much larger than its text, or that contains itself."""
    left, count = [content], 0
    while left:
        value = left.pop()
        count += 1
        if count > MOST_VALUES:
            raise ValueError(f"more than {MOST_VALUES:,} values, aliases counted")
        left.extend([*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, (list, set)) else ())


def files_in(folder: Path | str, pattern: str, *, deep: bool = False) -> list[Path]:
    """Files of a folder (with `deep`, below it) whose names match, sorted; none if the folder does not exist.

    Unlike `Path.glob`, it fails with one line for a folder without read permission, which is not the same as an empty one.
    """

    def refuse(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):  # missing, or removed since it was listed
            raise InputError(f"{error.filename or folder}: cannot be read ({error.strerror or first_line(error)})") from None

    found: list[Path] = []
    for place, folders, names in os.walk(folder, onerror=refuse):
        found += [Path(place) / name for name in fnmatch.filter(names, pattern)]
        if not deep:
            folders.clear()
    return sorted(found)


def write_parquet(path: Path | str, table: pd.DataFrame) -> None:
    """Write a table as Parquet, atomically."""
    with atomic_path(path) as temporary:
        table.to_parquet(temporary, index=False)


def read_table(path: Path | str, as_text: bool = False) -> pd.DataFrame:
    """Read a Parquet or CSV table, or fail with one line."""
    import pandas as pd

    path = Path(path)
    if not path.is_file():  # nor a pipe or a device
        raise InputError(f"{path}: no such file" if not path.exists() else f"{path}: is not a regular file; name a file")
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        refuse_wide(path, "\t" if path.suffix == ".tsv" else ",")
        words: dict[str, Any] = {"dtype": str, "keep_default_na": False, "na_values": [""]} if as_text else {}
        return pd.read_csv(path, sep="\t" if path.suffix == ".tsv" else ",", encoding="utf-8-sig", **words)
    except Exception as error:  # pandas and pyarrow raise many exceptions for a broken file; they all mean the same to the user
        raise error if isinstance(error, InputError) else InputError(f"{path}: cannot be read as a table ({first_line(error)})") from None


def refuse_wide(path: Path, delimiter: str) -> None:
    """Refuse a text (or ``.gz``) whose first row is too long, or has so many fields that pandas would need minutes to hours."""
    with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as stream:
        row = stream.readline(2**24)
    if len(row) == 2**24:
        raise InputError(f"{path}: its first row has more than 16 million bytes; is it the right file?")
    if (fields := row.count(delimiter.encode()) + 1) > MOST_COLUMNS:
        raise InputError(f"{path}: its first row has {fields:,} fields; is it the right file?")


def sha256(path: Path | str) -> str:
    """Hash a file's bytes."""
    if not os.path.isfile(path) and os.path.exists(path):  # a pipe may never end
        raise InputError(f"{path}: is not a regular file; name a file")
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def content_hash(content: Any) -> str:
    """Hash any JSON-able content, independent of the order of keys.

    Returns the first 16 hexadecimal digits of the SHA-256 of its canonical JSON.
    """
    text = json.dumps(_plain(content), sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
