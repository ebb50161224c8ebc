"""The base of every result: immutable, readable at the prompt, a row of a table."""

from __future__ import annotations

from see_in_pairs.display import Result

__all__ = ["Interval", "Result"]

Interval = tuple[float, float]
