"""Numbers as they stand in the report."""

from __future__ import annotations

from collections.abc import Sequence

from paper_figures.plotting.style import short

MOST = 4
"""Digits after the point that an interval is written with at most."""


def number(value: float | None, digits: int = 3) -> str:
    """Write a number, or a dash where there is none.

    Examples
    --------
    >>> number(None), number(-0.12345)
    ('–', '−0.123')
    """
    return "–" if value is None else short(float(value), digits)


def interval(ends: Sequence[float | None] | None, digits: int = 3) -> str:
    """Write an interval; an end that is None in JSON was infinite.

    Returns for example ``'[0.100, 0.200]'``; ``''`` where there is no interval.

    Examples
    --------
    >>> interval([0.1, None])
    '[0.100, ∞]'
    """
    if ends is None or all(end is None or end != end for end in ends):
        return ""
    low, high = (float(sign + "inf") if end is None else float(end) for end, sign in zip(ends, ("-", "+"), strict=True))
    return f"[{short(low, digits)}, {short(high, digits)}]"


def digits_between(ends: Sequence[float | None] | None, least: int = 2) -> int:
    """Tell how many digits it takes to write an interval so that its ends can be told apart.

    Returns digits after the point, `MOST` at most.

    Examples
    --------
    >>> digits_between([0.1, 0.2]), digits_between([0.0081, 0.0124]), digits_between([0.5, 0.5])
    (2, 3, 2)
    """
    enough = [digits for digits in range(least, MOST + 1) if len(set(interval(ends, digits)[1:-1].split(", "))) > 1]
    return enough[0] if enough else least


def p_value(value: float | None) -> str:
    """Write a p-value.

    Returns two significant digits; below 0.0001 as such.

    Examples
    --------
    >>> p_value(0.0312), p_value(1e-9), p_value(None)
    ('0.031', '< 0.0001', '–')
    """
    if value is None or value != value:
        return "–"
    return "< 0.0001" if value < 1e-4 else f"{value:.2g}"


def percent(value: float | None) -> str:
    """Write a share.

    Examples
    --------
    >>> percent(0.1249)
    '12 %'
    """
    return "–" if value is None else f"{100 * value:.0f} %"
