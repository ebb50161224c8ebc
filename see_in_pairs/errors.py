"""The two ways a command can fail on purpose, and their exit codes."""

from __future__ import annotations

from collections.abc import Sequence


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
