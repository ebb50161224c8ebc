"""The two ways a command can fail on purpose, and their exit codes."""

from __future__ import annotations

import errno
from collections.abc import Sequence

NO_ROOM = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk quota is used up"}
CANNOT_WRITE = NO_ROOM | {
    errno.EROFS: "the file system is read-only",
    errno.EIO: "the disk does not take what is written",
    errno.EFBIG: "the file is too large",
}


class InputError(ValueError):
    """The user's input is at fault: one line that says what is wrong and what to do. Exit code 2."""


class CheckFailed(RuntimeError):
    """A check that the command ran did not hold. Exit code 1."""


def first_few(names: Sequence[object], limit: int = 3) -> str:
    """Name the first few of many things, for an error line.

    Parameters
    ----------
    names : sequence
        What to name.
    limit : int, default 3
        How many to spell out.

    Returns
    -------
    str
        For example ``'a, b, c and 4 more'``.

    Examples
    --------
    >>> first_few(["a", "b", "c", "d"], limit=2)
    'a, b and 2 more'
    """
    shown = ", ".join(str(name) for name in names[:limit])
    rest = len(names) - limit
    return f"{shown} and {rest} more" if rest > 0 else shown


def write_failure(error: BaseException) -> str | None:
    """Tell whether an error means that the disk did not take what was written; the libraries that write files each have their own.

    Parameters
    ----------
    error : BaseException
        What was raised by Python, pyarrow, safetensors or torch.

    Returns
    -------
    str or None
        What is wrong and what to do; None for any other error.
    """
    text = str(error)
    number = error.errno if isinstance(error, OSError) else None
    if number is None and type(error).__name__ == "SafetensorError" and "os error" in text:
        number = next((known for known in CANNOT_WRITE if f"(os error {known})" in text), None)
    if number in CANNOT_WRITE:
        return f"{CANNOT_WRITE[number]}; make room, then run the same command again"
    if isinstance(error, RuntimeError) and ("PytorchStreamWriter" in text or ("inline_container" in text and "Reader" not in text)):
        return "a file could not be written to its end (is the disk full?); make room, then run the same command again"
    return None
