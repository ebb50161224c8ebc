"""The command ``observers``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from see_in_pairs.console import Changes, Json, Out, Quiet, Seed, emit_json, log
from see_in_pairs.packaged import find_config

if TYPE_CHECKING:
    from empirical.cohorts import Cohort
    from paper_figures.observers.config import AnswersConfig, ObserversConfig

CONFIGS = Path(__file__).parents[1] / "observers" / "configs"


def observers(
    cohort: Annotated[Path, typer.Argument(metavar="COHORT", help="Folder of the cohort.")],
    out: Out,
    config: Annotated[
        str, typer.Option("--config", metavar="CONFIG", help="Channels, observers, references, numbers of patients: a file, or a name.")
    ] = "known-place",
    changes: Changes = None,
    json: Json = None,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Measure what linear observers learn from a cohort.

    They are between the ideal observer, who knows everything, and a finetuned model, which learns everything; each sees the query alone,
    the query minus its reference, or both images. Writes observers.csv (AUROC with intervals), gains.csv (over the single image),
    trainings.csv, and figures/observers.png with .pdf and .csv; alignment.csv where references are aligned. A config with strategies
    (inserted-lesions) compares ways to choose references at the places of inserted lesions, and writes strategies.csv and
    figures/strategies.png. The config several-findings asks ideal observers the questions of a phantom with several findings, and writes
    answers.csv and figures/answers.png.
    """
    from empirical.cohorts import Cohort
    from paper_figures.observers.config import ObserversConfig
    from paper_figures.observers.figure import save_ladder
    from paper_figures.observers.ladder import build_ladder, study_table
    from paper_figures.results.ideal_answers import refuse_findings
    from see_in_pairs.configs import load_config
    from see_in_pairs.files import write_text
    from see_in_pairs.runs import RunFolder

    loaded = Cohort.load(cohort)
    settings = load_config(ObserversConfig, find_config(config, CONFIGS, "observers"), changes or ())
    inputs = [cohort / "cohort.parquet"]
    if settings.answers is not None:
        return _answers(loaded, settings.answers, out, json, seed, quiet)
    refuse_findings(cohort)
    if settings.strategies:
        return _strategies(loaded, settings, out, json, seed, quiet)
    if settings.study is not None:
        inputs.append(study_table(settings.study))
    with RunFolder(out, "observers", _identity(settings, loaded), seed=seed, inputs=inputs) as run:
        ladder = build_ladder(loaded, settings, seed, quiet)
        run.count("left_out", ladder.left_out)
        if len(ladder.alignment):
            write_text(run.path / "alignment.csv", ladder.alignment.to_csv(index=False))
            run.count("not_aligned_as_asked", int((ladder.alignment["reached"] != ladder.alignment["asked"]).sum()))
        for name, table in {"observers": ladder.areas, "gains": ladder.gains, "trainings": ladder.trainings}.items():
            write_text(run.path / f"{name}.csv", table.to_csv(index=False))
        save_ladder(ladder, run.path, f"What observers learn: {loaded.info.name}", seed)
    if json is not None:
        emit_json({"areas": ladder.areas.to_dict("records"), "gains": ladder.gains.to_dict("records")}, json)
    else:
        shown, what = (ladder.gains, "gain in AUROC over the single image") if len(ladder.gains) else (ladder.areas, "AUROC")
        print(f"{what}, with 95 % intervals")
        print(shown[["source", "observer", "train_patients", "value", "low", "high"]].round(3).to_string(index=False))
    log(f"written: {out / 'observers.csv'}, {out / 'gains.csv'}, {out / 'figures' / 'observers.png'}", quiet)


def _identity(settings: ObserversConfig, cohort: Cohort) -> dict[str, Any]:
    """What decides the result; the key of other observers is left out, so that earlier folders stay valid."""
    return settings.model_dump(mode="json", exclude={"answers"}) | {"cohort": cohort.hash}


def _answers(cohort: Cohort, settings: AnswersConfig, out: Path, json: str | None, seed: int, quiet: bool) -> None:
    """Ask ideal observers the questions of a phantom with several findings."""
    from paper_figures.observers.answers_figure import save_answers
    from paper_figures.results.ideal_answers import NOTHING, ideal_answers
    from see_in_pairs.files import write_text
    from see_in_pairs.runs import RunFolder

    identity = {"answers": settings.model_dump(mode="json"), "cohort": cohort.hash}
    with RunFolder(out, "observers", identity, seed=seed, inputs=[cohort.folder / "cohort.parquet"]) as run:
        table = ideal_answers(cohort.folder, settings.rho, settings.replicates, seed, quiet)
        run.count("rows", len(table))
        write_text(run.path / "answers.csv", table.to_csv(index=False, float_format="%.6g"))
        save_answers(table, run.path, seed)
    if json is not None:
        emit_json({"answers": table.to_dict("records")}, json)
    else:
        print("ideal observers who know nothing but the images and the phantom's truth: query alone, and gain with its relative")
        joint = table[(table["observer"] == "joint") & (table["knows"] == NOTHING)]
        shown = joint.assign(single=joint["value"] - joint["gain"])[
            ["question", "answers", "measure", "rho", "single", "gain", "gain_mcse"]
        ]
        print(shown.round(4).to_string(index=False, na_rep=""))
    log(f"written: {out / 'answers.csv'}, {out / 'figures' / 'answers.png'}", quiet)


def _strategies(cohort: Cohort, settings: ObserversConfig, out: Path, json: str | None, seed: int, quiet: bool) -> None:
    """Compare ways to choose references on a cohort of inserted lesions."""
    from paper_figures.observers.strategies import compare_strategies
    from paper_figures.observers.strategies_figure import save_strategies
    from see_in_pairs.files import write_text
    from see_in_pairs.runs import RunFolder

    identity, inputs = _identity(settings, cohort), [cohort.folder / "cohort.parquet"]
    with RunFolder(out, "observers", identity, seed=seed, inputs=inputs) as run:
        table = compare_strategies(cohort, settings, seed, quiet)
        write_text(run.path / "strategies.csv", table.to_csv(index=False, float_format="%.6g"))
        save_strategies(table, run.path, cohort.info.name, seed)
    if json is not None:
        emit_json({"strategies": table.to_dict("records")}, json)
    else:
        print(
            "gain in AUROC over the single image, with 95 % intervals, and share of the variance at the lesion that the reference explains"
        )
        shown = ["strategy", "observer", "gain", "gain_low", "gain_high", "verdict", "explained", "explained_low", "explained_high"]
        print(table[shown].round(3).to_string(index=False, na_rep=""))
    log(f"written: {out / 'strategies.csv'}, {out / 'figures' / 'strategies.png'}", quiet)
