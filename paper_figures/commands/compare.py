"""The command ``see-in-pairs compare``: every paired test of two arms, as a table and as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from see_in_pairs import console
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from paper_figures.comparison.adjusted_block import AdjustedBlock
    from paper_figures.comparison.arm_rows import ArmRows
    from paper_figures.comparison.families.several_arms import SeveralArms
    from paper_figures.comparison.families.task_family import TaskFamily, TwoArms
    from paper_figures.comparison.item_table import ArmPair, ComparisonSettings
    from paper_figures.comparison.pairing import Aligned
    from paper_figures.comparison.score_tables import ArmScores

_INPUT = "records.parquet, a folder with one, a table with item_id,label,score or item_id,correct, or a harness's log."
_TASK = "Tasks of a harness's folder to compare, as one declared family; default all."
_ITEMS = "A table with item_id and further columns, for example patient_id, for all arms."
_METRIC = "Metric of an item in a log or table (acc; exact_match,strict-match; f1); of several the first that a file has."
_MORE = "Further arms: every pair is compared, and all arms together."
_ARM = "Instead of --arm-a and --arm-b: the arm of each input, in their order; of one input, the arms to compare."
_RUN = "Run(s) of arm {}; several for several training seeds."
_MRMC = "Also the published multireader multicase analyses; trainings or readers are the readers."
_FIGURE = "Draw ROC curves with bands and net benefit of two arms as FILE: PNG, PDF and CSV. --out draws them too."
_CLUSTER = "Cluster column, up to two; default patient_id where there is one."
_MARGIN = "Difference that would not matter, of every measure or of one (auroc=.02); may be repeated."
_QUESTION = "Only this question of the records; without it right and wrong answers to all are compared."
_FIXED = "A factor whose levels are fixed, not random: readers, cases, references or wordings; may be repeated."
_ADJUST = "Also the AUROC within site and adjusted for these columns (age,sex,site), of --cohort, --items or the records."
_COHORT = "The cohort of the items, for --adjust; alone it adjusts for age, sex and site, as far as they differ."
_PAIRED = "Training seed s is the same model, or the same training sample, in both arms; else trainings are independent."


def compare(
    records_a: Annotated[Path, typer.Argument(metavar="RECORDS_A", help=_INPUT)],
    records_b: Annotated[Path | None, typer.Argument(metavar="RECORDS_B", help="The same for arm B; it may be the same file.")] = None,
    more: Annotated[list[Path] | None, typer.Argument(metavar="[RECORDS_C ...]", help=_MORE)] = None,
    arm_a: Annotated[str | None, typer.Option("--arm-a", metavar="ARM", help="Arm A, if the file has several.")] = None,
    arm_b: Annotated[str | None, typer.Option("--arm-b", metavar="ARM", help="Arm B, if the file has several.")] = None,
    arm: Annotated[list[str] | None, typer.Option("--arm", metavar="ARM", help=_ARM)] = None,
    run_a: Annotated[list[str] | None, typer.Option("--run-a", metavar="RUN", help=_RUN.format("A"))] = None,
    run_b: Annotated[list[str] | None, typer.Option("--run-b", metavar="RUN", help=_RUN.format("B"))] = None,
    cluster: Annotated[list[str] | None, typer.Option("--cluster", metavar="COLUMN", help=_CLUSTER)] = None,
    items: Annotated[Path | None, typer.Option("--items", metavar="TABLE", help=_ITEMS)] = None,
    metric: Annotated[list[str] | None, typer.Option("--metric", metavar="NAME", help=_METRIC)] = None,
    task: Annotated[list[str] | None, typer.Option("--task", metavar="TASK", help=_TASK)] = None,
    threshold: Annotated[
        float | None, typer.Option("--threshold", metavar="X", help="A score at or above it is positive; default 0.5.")
    ] = None,
    positive: Annotated[
        list[str] | None, typer.Option("--positive", metavar="LABEL", help="Label(s) to detect; default as the records say, or 1.")
    ] = None,
    question: Annotated[str | None, typer.Option("--question", metavar="ID", help=_QUESTION)] = None,
    margin: Annotated[list[str] | None, typer.Option("--margin", metavar="[MEASURE=]X", help=_MARGIN)] = None,
    fixed: Annotated[list[str] | None, typer.Option("--fixed", metavar="FACTOR", help=_FIXED)] = None,
    paired_seeds: Annotated[bool, typer.Option("--paired-seeds", help=_PAIRED)] = False,
    specificity: Annotated[
        float, typer.Option("--specificity", metavar="X", help="Specificity at which sensitivities are compared.", min=0, max=1)
    ] = 0.9,
    resamples: Annotated[int | None, typer.Option("--resamples", metavar="N", help="Bootstrap resamples; default 2,000.", min=100)] = None,
    mrmc: Annotated[bool, typer.Option("--mrmc", help=_MRMC)] = False,
    mrmc_covariance: Annotated[
        str, typer.Option("--mrmc-covariance", metavar="WAY", help="How covariances are estimated: delong, jackknife or unbiased.")
    ] = "delong",
    adjust: Annotated[str | None, typer.Option("--adjust", metavar="COLUMN,...", help=_ADJUST)] = None,
    cohort: Annotated[Path | None, typer.Option("--cohort", metavar="COHORT", help=_COHORT)] = None,
    json: console.Json = None,
    figure: Annotated[Path | None, typer.Option("--figure", metavar="FILE", help=_FIGURE)] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Also write JSON, CSV, text and a manifest here.")] = None,
    seed: console.Seed = 0,
    quiet: console.Quiet = False,
) -> None:
    """Compare arms on the same items by every paired test.

    Says which test to report. Of three or more arms, every pair is compared, and all arms together.
    """
    from paper_figures.comparison.adjusted_block import adjusted_block, covariate_table
    from paper_figures.comparison.arm_rows import crossed
    from paper_figures.comparison.families.several_arms import compare_aligned, compare_several
    from paper_figures.comparison.families.task_family import compare_tasks
    from paper_figures.comparison.families.two_tables import told_apart
    from paper_figures.comparison.item_table import ComparisonSettings
    from paper_figures.comparison.mrmc_block import mrmc_block
    from paper_figures.comparison.pairing import align
    from paper_figures.comparison.score_tables import input_file, read_arm, task_logs, with_items
    from paper_figures.statistics.multireader.merits import COVARIANCES

    if threshold is not None and not threshold == threshold:
        raise InputError("--threshold: not a number")
    if mrmc_covariance not in COVARIANCES or (mrmc_covariance != "delong" and not mrmc):
        raise InputError(f"--mrmc-covariance: give one of {', '.join(COVARIANCES)}, together with --mrmc")
    beside = None if figure is None else (figure.parent / f"{figure.stem}.csv").resolve()
    if beside is not None and beside in {path.resolve() for path in (records_a, records_b, items, *(more or ())) if path is not None}:
        raise InputError(f"--figure {figure}: its table would overwrite an input, {beside.name}; choose another name")
    paths, chosen = _inputs([records_a, *([] if records_b is None else [records_b]), *(more or ())], arm, (arm_a, arm_b), (run_a, run_b))
    runs: Sequence[list[str] | None] = (run_a, run_b) if len(paths) == 2 else (None,) * len(paths)
    settings = ComparisonSettings(
        threshold=0.5 if threshold is None else threshold, threshold_given=threshold is not None, margin=_margins(margin or ()),
        specificity=specificity, resamples=resamples, seed=seed, fixed=tuple(fixed or ()), paired_seeds=paired_seeds,
    )  # fmt: skip

    def read(files: Sequence[Path]) -> list[ArmScores]:
        found = [
            read_arm(path, name, run or (), tuple(positive or ()), tuple(metric or ()), question=question)
            for path, name, run in zip(files, chosen, runs, strict=True)
        ]
        if metric and not any(one.metric for one in found):
            raise InputError(f"--metric {metric[0]}: no file is a log or has this column; leave it out")
        if not found[0].has_scores and (threshold, specificity) != (None, 0.9):
            raise InputError("--threshold and --specificity: the files contain right and wrong or a metric, no scores; leave them out")
        if 200_000 < len(found[0].table) <= 500_000:
            console.log(f"comparing {len(found[0].table)} items: the bootstrap takes a minute or so", quiet)
        return found if items is None else [with_items(one, items) for one in found]

    own: list[pd.DataFrame] = []  # the rows of arm A, with the columns of --items

    def of_two(a: Path, b: Path, names: tuple[str, str] | None = None) -> tuple[TwoArms, Aligned]:
        arms = read([a, b])
        own.append(arms[0].table)
        aligned = align(arms[0], arms[1], cluster or ())
        if figure is not None and (names or aligned.metric or aligned.side_by_side is None or not arms[0].has_scores):
            raise InputError("--figure needs two arms with scores and labels of the same items, row by row; leave it out")
        names = names or told_apart(arms[0].name, arms[1].name, (run_a, run_b))
        return compare_aligned(aligned, replace(settings, arms=names)), aligned

    logs = [task_logs(path, task or ()) for path in paths]
    comparison: TwoArms | SeveralArms | TaskFamily
    rows: Sequence[tuple[str, ArmRows]] = ()
    more_content: dict[str, Any] = {}
    drawable: ArmPair | None = None
    adjusting = adjust is not None or cohort is not None
    block: AdjustedBlock | None = None
    if adjusting and (len(paths) > 2 or max(map(len, logs)) > 1):
        raise InputError("--adjust and --cohort work with two arms and one task; leave them out")
    if len(paths) == 2 and max(map(len, logs)) > 1:
        if mrmc:
            raise InputError("--mrmc works with one task; name it with --task")
        names = told_apart(paths[0].name, paths[1].name, (None, None))
        comparison = compare_tasks((paths[0], paths[1]), (logs[0], logs[1]), names, lambda a, b: of_two(a, b, names))
        paths = [log for found in logs for log in found.values()]
    else:
        paths = [input_file(path, task or ()) for path in paths]
        if len(paths) > 2:
            if figure is not None:
                raise InputError("--figure works with two arms; leave it out")
            comparison, rows = compare_several(read(paths), cluster or (), settings)
        else:
            comparison, aligned = of_two(paths[0], paths[1])
            more_content = {"cluster_columns": list(aligned.cluster_columns)}
            rows = list(zip(comparison.arms, (aligned.a, aligned.b), strict=True))
            drawable = None if aligned.metric or aligned.a.labels is None else aligned.side_by_side
            if adjusting:
                columns = [name.strip() for name in (adjust or "").split(",") if name.strip()]
                covariates = covariate_table(cohort, own[0], columns)
                names = (comparison.arms[0], comparison.arms[1])
                block = adjusted_block(
                    crossed(aligned.a, aligned.b), covariates, names, settings.level, paired_seeds or aligned.same_models
                )
    content = comparison.to_dict() | more_content | {"threshold": settings.threshold, "seed": seed}
    if getattr(comparison, "accuracy", ...) is None:
        content["threshold"] = None
    text = repr(comparison)
    if mrmc:
        readers = mrmc_block(rows, settings, mrmc_covariance, getattr(comparison, "metric", ""))
        content, text = content | {"mrmc": readers.to_dict()}, f"{text}\n\n{readers!r}"
    if block is not None:
        content, text = content | {"adjusted": block.to_dict() | {"cohort": cohort and str(cohort)}}, f"{text}\n\n{block!r}"
    if drawable is not None and figure is not None:
        _draw(drawable, replace(settings, arms=(comparison.arms[0], comparison.arms[1])), figure, paths, quiet)
    if out is not None:
        choices = {
            "arms": chosen, "runs": list(runs), "positive": positive, "metric": metric, "cluster": cluster, "tasks": task, "mrmc": mrmc,
            "mrmc_covariance": mrmc_covariance, "adjust": adjust, "items": items and str(items), "cohort": cohort and str(cohort),
        }  # fmt: skip
        choices |= {} if question is None else {"question": question}
        tables = [table for table in (items, cohort and cohort / "cohort.parquet") if table is not None]
        _write(out, comparison, content, text, paths, tables, choices, settings)
        if drawable is not None:
            _draw(drawable, replace(settings, arms=(comparison.arms[0], comparison.arms[1])), out / "diagnostic.png", paths, quiet)
    if json == "-":
        console.log(text, quiet)
    else:
        print(text)
    if json is not None:
        console.emit_json(content, json)
    if out is not None:
        console.log_result([], ["methods", out], quiet)
    else:
        console.log("next: the same command with --out DIR keeps the tables and the text", quiet)


def _inputs(
    paths: list[Path], arm: list[str] | None, two: tuple[str | None, str | None], runs: tuple[list[str] | None, list[str] | None]
) -> tuple[list[Path], list[str | None]]:
    """The inputs, and the arm of each; one input is repeated for each named arm."""
    if arm and any(two):
        raise InputError("--arm replaces --arm-a and --arm-b; give one kind")
    if len(paths) == 1 and len(arm or ()) > 1:
        paths = paths * len(arm or ())
    if len(paths) == 1:
        raise InputError("give two inputs or more, or one with several arms and --arm for each of them")
    if arm and len(arm) != len(paths):
        raise InputError(f"--arm: {len(arm)} arms for {len(paths)} inputs; give one for each, in their order")
    if len(paths) > 2 and (any(two) or any(runs)):
        raise InputError("--arm-a, --arm-b, --run-a and --run-b work with two inputs; with more give --arm for each")
    return paths, [*arm] if arm else [*two] if len(paths) == 2 else [None] * len(paths)


def _draw(pair: ArmPair, settings: ComparisonSettings, path: Path, sources: Sequence[Path], quiet: bool) -> None:
    """Draw the figure; if there is no ROC curve, say why."""
    from paper_figures.plotting.comparison import save_comparison
    from paper_figures.statistics.validation import NotEstimable
    from see_in_pairs.files import content_hash

    files = [source / "records.parquet" if source.is_dir() else source for source in sources]
    try:
        drawn = save_comparison(pair, settings, path.parent, path.stem, files, content_hash(settings))
    except NotEstimable as error:
        console.log(f"no figure: {error}", quiet)
    else:
        console.log(f"figure: {drawn}", quiet)


def _margins(given: Sequence[str]) -> float | dict[str, float] | None:
    """One margin for all measures, or one for each named measure."""
    found: dict[str, float] = {}
    for text in given:
        measure, _, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = -1.0
        if not 0 < value < (math.inf if measure == "mean" else 1) or measure not in ("", "accuracy", "auroc", "mean"):
            raise InputError(f"--margin {text}: give a number between 0 and 1, or accuracy=NUMBER, auroc=NUMBER, mean=NUMBER of a metric")
        found |= {measure: value}
    every = found.pop("", None)
    return every if not found else ({} if every is None else dict.fromkeys(("accuracy", "auroc", "mean"), every)) | found


def _write(
    out: Path,
    comparison: TwoArms | SeveralArms | TaskFamily,
    content: dict[str, Any],
    text: str,
    sources: Sequence[Path],
    tables: Sequence[Path],
    choices: dict[str, Any],
    settings: ComparisonSettings,
) -> None:
    from see_in_pairs.files import write_json, write_text
    from see_in_pairs.runs import RunFolder

    files = list(dict.fromkeys(path / "records.parquet" if path.is_dir() else path for path in (*sources, *tables)))
    options = {
        "inputs": [str(path) for path in sources], "threshold": settings.threshold, "margin": settings.margin,
        "resamples": settings.resamples, "specificity": settings.specificity, "fixed": list(settings.fixed),
        "paired_seeds": settings.paired_seeds,
    }  # fmt: skip
    with RunFolder(out, "compare", choices | options, content["seed"], files) as run:
        write_json(run.path / "comparison.json", content)
        write_text(run.path / "comparison.csv", comparison.to_frame().to_csv(index=False))
        write_text(run.path / "comparison.txt", text + "\n")
