"""The command ``study``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from see_in_pairs.console import Changes, Config, Out, Quiet, Workers, log_result
from see_in_pairs.packaged import find_config

CONFIGS = Path(__file__).parents[1] / "study" / "configs"


def study(
    config: Config,
    out: Out,
    changes: Changes = None,
    workers: Workers = 1,
    seed: Annotated[
        int | None,
        typer.Option("--seed", metavar="N", min=0, max=2**32 - 1, help="Seed of the phantoms; a block names those of its trainings."),
    ] = None,
    part: Annotated[str | None, typer.Option("--part", metavar="NAME", help="Run this part only; the config's blocks name them.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list the parts: cells, trainings, how many are finished.")] = False,
    quiet: Quiet = False,
) -> None:
    """Run a training study: arms, numbers of patients, seeds.

    Finetunes and evaluates every combination that the config asks for, and compares arms. Run again to resume or extend. With --part the
    named part alone is run; tables have what is finished so far. On one GPU leave --workers at 1.
    """
    from paper_figures.study import StudyConfig
    from paper_figures.study import study as run
    from paper_figures.study.parts import PartTimes, blocks_of, part_of_blocks
    from see_in_pairs.configs import load_config

    changes = [*(changes or []), *([] if seed is None else [f"phantom_seed={seed}"])]
    settings = load_config(StudyConfig, find_config(config, CONFIGS, "study"), changes)
    if dry_run:
        wanted = {part_of_blocks(settings)[number] for number in blocks_of(settings, part)}
        table = PartTimes(settings, out).table()
        print(table[table["part"].isin(wanted)].to_string(index=False))
        return
    run(settings, out, part=part, workers=workers, quiet=quiet)
    log_result(_comparisons(out), ["methods", out], quiet)


def _comparisons(out: Path) -> list[str]:
    """The study's comparisons of arms, one line each, if there are any."""
    from see_in_pairs.files import read_table

    path = out / "comparisons.csv"
    if not path.is_file() or not path.read_text(encoding="utf-8").strip():  # a study may have none
        return []
    table = read_table(path)
    interval = [f"{row.difference:+.3f} [{row.low:+.3f}, {row.high:+.3f}]" for row in table.itertuples()]
    shown = table.assign(arms=table["a"] + " minus " + table["b"], difference=interval, patients=table["n_train"])
    return shown[["cohort", "arms", "kind", "patients", "seeds", "difference"]].to_string(index=False).splitlines()
