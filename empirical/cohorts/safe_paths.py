"""Paths in a table of somebody else's: relative, and inside their folder."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from see_in_pairs.errors import InputError


def is_safe_path(path: str) -> bool:
    """Tell whether a path is relative and does not climb.

    Examples
    --------
    >>> is_safe_path("images/a.png"), is_safe_path("../../etc/passwd"), is_safe_path("/etc/passwd")
    (True, False, False)
    """
    parts = PurePosixPath(path.replace("\\", "/")).parts
    return bool(parts) and parts[0] != "/" and ".." not in parts and ":" not in parts[0]


def inside(root: Path, relative: str) -> Path:
    """Join a path to its root, and make sure that it stays there.

    Returns the file, whether or not it exists.
    """
    path = root / relative
    try:
        stays = path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # a loop of symbolic links
        raise InputError(f"{path}: is a symbolic link that leads in a circle; replace it by the file") from None
    if not stays:
        raise InputError(f"{path}: leads out of {root}; put the file there, or name the folder where it really is")
    return path
