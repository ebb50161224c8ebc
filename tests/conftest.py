"""The order of the tests."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put long modules first.

    Workers take whole modules in this order (``--no-loadscope-reorder``); one that begins a long one at the end keeps all others waiting.
    """
    long = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long)
