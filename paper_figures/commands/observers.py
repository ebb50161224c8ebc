"""The command ``observers``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from see_in_pairs.console import Json, Quiet, Seed, emit_json, log

DEFAULT = Path(__file__).parents[1] / "observers" / "observers.yaml"


def observers(
    cohort: Annotated[Path, typer.Argument(help="Folder of the cohort.", metavar="COHORT")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the result.")],
    config: Annotated[Path | None, typer.Option("--config", help="YAML: channels, observers, references, numbers of patients.")] = None,
    changes: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the config.")] = None,
    json: Json = None,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Measure what linear observers learn from a cohort with and without references.

    They stand between the ideal observer, who knows everything, and a finetuned model, which learns everything. Writes observers.csv (areas
    with intervals), gains.csv (over the single image), trainings.csv, and figures/observers.png with .pdf and .csv.
    """
    from empirical.cohorts import Cohort
    from paper_figures.observers.config import ObserversConfig
    from paper_figures.observers.figure import save_ladder
    from paper_figures.observers.ladder import build_ladder
    from see_in_pairs.configs import load_config
    from see_in_pairs.files import write_text
    from see_in_pairs.runs import RunFolder

    loaded = Cohort.load(cohort)
    settings = load_config(ObserversConfig, config or DEFAULT, changes or ())
    inputs = [cohort / "cohort.parquet"] + ([settings.study / "study.csv"] if settings.study else [])
    with RunFolder(out, "observers", settings.model_dump(mode="json") | {"cohort": loaded.hash}, seed=seed, inputs=inputs) as run:
        ladder = build_ladder(loaded, settings, seed, quiet)
        for name, table in {"observers": ladder.areas, "gains": ladder.gains, "trainings": ladder.trainings}.items():
            write_text(run.path / f"{name}.csv", table.to_csv(index=False))
        save_ladder(ladder, run.path, f"What observers learn: {loaded.info.name}", seed)
    shown = ladder.gains if len(ladder.gains) else ladder.areas
    if json is not None:
        emit_json({"areas": ladder.areas.to_dict("records"), "gains": ladder.gains.to_dict("records")}, json)
    else:
        print("gain in AUROC over the single image" if len(ladder.gains) else "AUROC")
        print(shown.drop(columns=["detectability", "trainings"], errors="ignore").round(3).to_string(index=False))
    log(f"written: {out / 'observers.csv'}, {out / 'gains.csv'}, {out / 'figures' / 'observers.png'}", quiet)
