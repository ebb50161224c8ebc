"""The two ways a command can fail on purpose, and their exit codes."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

CANNOT_WRITE = {getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EROFS", "EIO", "EFBIG") if hasattr(errno, name)}


class InputError(ValueError):
    """The user's input is wrong: one line that says what is wrong and what to do. Exit code 2."""


class CheckFailed(RuntimeError):
    """A check of the command failed. Exit code 1."""


def first_few(names: Sequence[object], limit: int = 3) -> str:
    """Name the first few of many things, for an error line.

    Examples
    --------
    >>> first_few(["a", "b", "c", "d"], limit=2)
    'a, b and 2 more'
    """
    shown = ", ".join(str(name) for name in names[:limit])
    rest = len(names) - limit
    return f"{shown} and {rest} more" if rest > 0 else shown


def did_you_mean(word: object, known: Iterable[object]) -> str:
    """Suggest the most similar name at the end of an error line about an unknown name; nothing where none is similar.

    Examples
    --------
    >>> "no statement 'T18'" + did_you_mean("T18", ["T1", "T9"])
    "no statement 'T18'; did you mean 'T1'?"
    """
    meant = close_name(word, known)
    return f"; did you mean '{meant}'?" if meant else ""


def close_name(word: object, known: Iterable[object]) -> str | None:
    """Find the most similar known name; case, and hyphen or underscore, do not matter."""
    spelled = {_plain(name): str(name) for name in known}
    wanted = _plain(word)
    # short names need a low threshold: the similarity of 'gian' and 'gain' is .75, of 'T18' and 'T1' .8
    close = get_close_matches(wanted, spelled, n=1, cutoff=0.6)
    starts = [plain for plain in spelled if wanted and plain.startswith(wanted)]
    return spelled[close[0]] if close else spelled[starts[0]] if len(starts) == 1 else None


def _plain(name: object) -> str:
    return str(name).lower().replace("_", "-")


def write_failure(error: BaseException) -> str | None:
    """Say what is wrong and what to do if an error means that the disk is full or not writable; None for any other error."""
    text = str(error)
    number = error.errno if isinstance(error, OSError) else None
    if number is None and type(error).__name__ == "SafetensorError" and "os error" in text:
        number = next((known for known in CANNOT_WRITE if f"(os error {known})" in text), None)
    if number is not None and number in CANNOT_WRITE:
        return f"{os.strerror(number)}; make room, then run the same command again"
    if isinstance(error, RuntimeError) and ("PytorchStreamWriter" in text or ("inline_container" in text and "Reader" not in text)):
        return "a file could not be written completely (is the disk full?); make room, then run the same command again"
    return None


def is_panic(error: BaseException) -> bool:
    """Whether a library written in Rust (tokenizers, safetensors) failed; its exception is not an `Exception` and cannot be imported."""
    return type(error).__name__ == "PanicException"


def first_line(error: BaseException) -> str:
    """Give the first line of a library's error, which may be pages long; two lines if the first ends with a colon."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    kind = type(error).__name__
    said = " ".join(lines[: 2 if lines and lines[0].endswith(":") else 1])[:200] or kind  # 'Error(s) in loading:' alone says nothing
    return f"{kind}: {said}" if isinstance(error, (LookupError, TypeError, AttributeError)) else said  # 'vision_config' alone says little
