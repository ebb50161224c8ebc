"""Shared by several commands: packaged configs, and a seed that changes a config."""

from __future__ import annotations

from pathlib import Path

from see_in_pairs.packaged import find_config

CONFIGS = Path(__file__).parents[1] / "configs"


def config_path(word: str, command: str) -> Path:
    """Find the config of a command by its packaged name or its path."""
    return find_config(word, CONFIGS, command)


def with_seed(changes: list[str] | None, seed: int | None) -> list[str]:
    """Changes of a config, including that of its seed."""
    return [*(changes or []), *([] if seed is None else [f"seed={seed}"])]
