"""Numbers as figures, tables, verdicts and the report write them."""

from __future__ import annotations

from collections.abc import Sequence

DIGITS = 3
"""Digits after the point of an AUROC, a difference of two, a ratio, and of their intervals, in figures, report and pages of studies.

One number for all of them: where the same estimate stood in one place with two digits and in another with three, 0.996 was read
beside 1.00 as another number."""

MAX_DIGITS = 4
"""Largest number of digits after the point in an interval."""


def short(value: float, digits: int = 2) -> str:
    """Write a number with a fixed number of digits and a true minus sign: '–' for NaN, '∞' for an unbounded end of an interval.

    A number that would be shown as 0 gets one significant digit, down to 0.0001, so that the sign of an interval's end
    can be read.

    Examples
    --------
    >>> short(-0.126), short(-0.00047)
    ('−0.13', '−0.0005')
    """
    if value != value:
        return "–"
    if abs(value) == float("inf"):
        return "∞" if value > 0 else "−∞"
    text = f"{value:.{digits}f}"
    if float(text) == 0 and abs(value) >= 1e-4:
        text = f"{value:.1g}"
    return ("0." + "0" * digits if float(text) == 0 else text).replace("-", "−")


def with_interval(estimate: float, low: float, high: float, digits: int = DIGITS) -> str:
    """Write an estimate with its interval.

    Examples
    --------
    >>> with_interval(0.9964, 0.9921, 1)
    '0.996 [0.992, 1.000]'
    """
    return f"{short(estimate, digits)} [{short(low, digits)}, {short(high, digits)}]"


def number(value: float | None, digits: int = DIGITS) -> str:
    """Write a number, or a dash if there is none.

    Examples
    --------
    >>> number(None), number(-0.12345)
    ('–', '−0.123')
    """
    return "–" if value is None else short(float(value), digits)


def interval(ends: Sequence[float | None] | None, digits: int = DIGITS) -> str:
    """Write an interval, '' if there is none; an end that is None in JSON was infinite.

    Examples
    --------
    >>> interval([0.1, None])
    '[0.100, ∞]'
    """
    if ends is None or all(end is None or end != end for end in ends):
        return ""
    low, high = (float(sign + "inf") if end is None else float(end) for end, sign in zip(ends, ("-", "+"), strict=True))
    return f"[{short(low, digits)}, {short(high, digits)}]"


def digits_between(ends: Sequence[float | None] | None, least: int = DIGITS) -> int:
    """Count the digits after the point that tell the ends of an interval apart, `MAX_DIGITS` at most.

    Examples
    --------
    >>> digits_between([0.1, 0.2]), digits_between([0.9981, 0.9984]), digits_between([0.5, 0.5])
    (3, 4, 3)
    """
    enough = [digits for digits in range(least, MAX_DIGITS + 1) if len(set(interval(ends, digits)[1:-1].split(", "))) > 1]
    return enough[0] if enough else least


def p_value(value: float | None) -> str:
    """Write a p-value with two significant digits.

    Examples
    --------
    >>> p_value(0.0312), p_value(1e-9), p_value(None)
    ('0.031', '< 0.0001', '–')
    """
    if value is None or value != value:
        return "–"
    return "< 0.0001" if value < 1e-4 else f"{value:.2g}"
