"""The command ``study``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from see_in_pairs.console import Quiet


def study(
    config: Annotated[Path, typer.Argument(help="The study as YAML.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for everything.")],
    changes: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; may be repeated.")] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Finetunings at a time; on one GPU, 1.")] = 1,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Of the phantoms; a block names those of its trainings.")] = None,
    quiet: Quiet = False,
) -> None:
    """Finetune and evaluate over cohorts, arms, numbers of patients and seeds, and compare. Run again to resume or extend."""
    from paper_figures.study import StudyConfig
    from paper_figures.study import study as run
    from see_in_pairs.configs import load_config

    changes = [*(changes or []), *([] if seed is None else [f"phantom_seed={seed}"])]
    run(load_config(StudyConfig, config, changes), out, workers=workers, quiet=quiet)
