"""The tables of arms and of strategies, so that a new one needs no line on any page."""

from __future__ import annotations

from collections.abc import Iterable


def arms() -> str:
    """List every arm: what it shows, what it isolates, and when a gain is expected."""
    from empirical.arms import ARMS

    rows = ((f"`{arm.name}`", arm.shows, arm.isolates, arm.expects) for arm in ARMS.values())
    return _table(("arm", "the model is shown", "isolates", "a gain over `single` is expected"), rows)


def strategies() -> str:
    """List every strategy: which reference it takes, and the settings that it reads."""
    from empirical.references.config import STRATEGIES

    rows = ((f"`{name}`", item.takes, ", ".join(f"`{key}`" for key in item.settings)) for name, item in STRATEGIES.items())
    return _table(("strategy", "the reference is", "settings"), rows)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
