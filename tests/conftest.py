"""The order of the tests, and those that run only when they are asked for."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put long modules first, and leave what is marked `reliability` to ``make reliability``.

    Workers take whole modules in this order (``--no-loadscope-reorder``); one that begins a long one at the end keeps all others waiting.
    """
    if "reliability" not in config.option.markexpr:
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("reliability")])
        items[:] = [item for item in items if not item.get_closest_marker("reliability")]
    long = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long)
