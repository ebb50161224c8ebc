"""The tables of arms, of strategies and of claims, so that a new one needs no line on any page."""

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


def claims() -> str:
    """The registry of claims: rule, criteria with their margins, what was tuned, and how it was amended."""
    from paper_figures.claims import registry

    steps = registry.RULE.removeprefix("in this order. ").split(". ")
    lines = [
        "## The rule, step by step\n\nIn this order:\n",
        *(f"{number}. {step}." for number, step in enumerate(steps[:-1], start=1)),
        f"\n{steps[-1]}.\n",
    ]
    lines.append(f"## The criteria\n\nVersion {registry.VERSION} of the registry, hash `{registry.registry_hash()}`.\n")
    for claim in registry.CLAIMS:
        lines.append(f"### {claim.id}: {claim.text}\n")
        rows = [
            (source, one.words, one.measure, f"{one.margin:g} ({one.unit}; no effect is {one.null:g})", str(one.trainings or "-"))
            for source, one in claim.criteria.items()
        ]
        lines.append(_table(("evidence", "what is estimated", "measure", "margin", "trainings an arm"), rows))
    lines.append(f"## What was tuned on which data\n\n{registry.TUNED}\n")
    changes = [(one.date, one.version, ", ".join(one.claims) or "all", one.what) for one in registry.AMENDMENTS]
    lines.append(f"## Amendments\n\n{_table(('date', 'version', 'claims', 'what and why'), changes)}")
    return "\n".join(lines)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
