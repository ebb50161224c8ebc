"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[Path, typer.Argument(help="YAML config.", metavar="CONFIG.yaml")]
Out = Annotated[Path, typer.Option("--out", help="Folder for the result.")]
Changes = Annotated[list[str] | None, typer.Option("--set", help="Change a key of the config: key=value, or outer.inner=value.")]
SeedChange = Annotated[int | None, typer.Option("--seed", min=0, help="Seed; by default the config's.")]


def with_seed(changes: list[str] | None, seed: int | None) -> list[str]:
    """Changes of a config, that of its seed among them."""
    return [*(changes or []), *([] if seed is None else [f"seed={seed}"])]
