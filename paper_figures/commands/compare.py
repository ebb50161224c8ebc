"""The command ``see-in-pairs compare``: every paired test of two arms, as a table and as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from see_in_pairs import console
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    from paper_figures.comparison.mean_difference import MeanComparison
    from paper_figures.comparison.result import Comparison

_INPUT = "records.parquet, a folder with one, a table with item_id,label,score or item_id,correct, or a harness's log."
_ITEMS = "A table with item_id and further columns, for example patient_id, for both arms."
_METRIC = "Metric of an item in a log or table (acc; exact_match,strict-match; f1); of several the first that a file has."
_RUN = "Run(s) of arm {}; several for several training seeds."
_MRMC = "Also the published multireader multicase analyses; trainings or readers are the readers."
_CLUSTER = "Cluster column, up to two; default patient_id where there is one."


def compare(
    records_a: Annotated[Path, typer.Argument(metavar="RECORDS_A", help=_INPUT)],
    records_b: Annotated[Path, typer.Argument(metavar="RECORDS_B", help="The same for arm B; it may be the same file.")],
    arm_a: Annotated[str | None, typer.Option("--arm-a", metavar="ARM", help="Arm A, where the file holds several.")] = None,
    arm_b: Annotated[str | None, typer.Option("--arm-b", metavar="ARM", help="Arm B, where the file holds several.")] = None,
    run_a: Annotated[list[str] | None, typer.Option("--run-a", metavar="RUN", help=_RUN.format("A"))] = None,
    run_b: Annotated[list[str] | None, typer.Option("--run-b", metavar="RUN", help=_RUN.format("B"))] = None,
    cluster: Annotated[list[str] | None, typer.Option("--cluster", metavar="COLUMN", help=_CLUSTER)] = None,
    items: Annotated[Path | None, typer.Option("--items", metavar="TABLE", help=_ITEMS)] = None,
    metric: Annotated[list[str] | None, typer.Option("--metric", metavar="NAME", help=_METRIC)] = None,
    threshold: Annotated[float, typer.Option("--threshold", help="A score at or above it counts as positive.")] = 0.5,
    positive: Annotated[
        list[str] | None, typer.Option("--positive", metavar="LABEL", help="Label(s) to detect; default as the records say, or 1.")
    ] = None,
    margin: Annotated[float | None, typer.Option("--margin", help="Accuracy difference that would not matter.")] = None,
    specificity: Annotated[float, typer.Option("--specificity", help="Where sensitivities are compared.", min=0, max=1)] = 0.9,
    resamples: Annotated[int | None, typer.Option("--resamples", help="Bootstrap resamples; default 2,000.", min=100)] = None,
    mrmc: Annotated[bool, typer.Option("--mrmc", help=_MRMC)] = False,
    mrmc_covariance: Annotated[str, typer.Option("--mrmc-covariance", metavar="WAY", help="delong, jackknife, unbiased.")] = "delong",
    json: console.Json = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Also write JSON, CSV, text and a manifest here.")] = None,
    seed: console.Seed = 0,
    quiet: console.Quiet = False,
) -> None:
    """Compare two arms on the same items: every paired test, and which one to report."""
    from paper_figures.comparison.compare_arms import compare_pair
    from paper_figures.comparison.item_table import ComparisonSettings
    from paper_figures.comparison.mean_difference import compare_means
    from paper_figures.comparison.mrmc_block import mrmc_block
    from paper_figures.comparison.pairing import align
    from paper_figures.comparison.score_tables import input_file, read_arm, with_items
    from paper_figures.statistics.multireader.merits import COVARIANCES

    if not threshold == threshold:
        raise InputError("--threshold: not a number")
    if mrmc_covariance not in COVARIANCES or (mrmc_covariance != "delong" and not mrmc):
        raise InputError(f"--mrmc-covariance: give one of {', '.join(COVARIANCES)}, together with --mrmc")
    records_a, records_b, labels, metrics = input_file(records_a), input_file(records_b), tuple(positive or ()), tuple(metric or ())
    arms = (read_arm(records_a, arm_a, run_a or (), labels, metrics), read_arm(records_b, arm_b, run_b or (), labels, metrics))
    if metrics and not (arms[0].metric or arms[1].metric):
        raise InputError(f"--metric {metrics[0]}: neither file is a log or has this column; leave it out")
    if not arms[0].has_scores and (threshold, specificity) != (0.5, 0.9):
        raise InputError("--threshold and --specificity: the files hold right and wrong only, no scores; leave them out")
    if items is not None:
        arms = (with_items(arms[0], items), with_items(arms[1], items))
    aligned = align(arms[0], arms[1], cluster or ())
    if len(arms[0].table) > 200_000:
        console.log(f"comparing {len(arms[0].table)} items: the bootstrap takes a minute or so", quiet)
    settings = ComparisonSettings(
        arms=_names(arms[0].name, arms[1].name, run_a, run_b), threshold=threshold, margin=margin, specificity=specificity,
        resamples=resamples, seed=seed,
    )  # fmt: skip
    comparison: Comparison | MeanComparison
    if aligned.metric:
        comparison = compare_means(aligned.pair, aligned.metric, settings, aligned.warnings)
    else:
        comparison = compare_pair(aligned.pair, settings, aligned.warnings)
    content = comparison.to_dict() | {"cluster_columns": list(aligned.cluster_columns), "threshold": threshold, "seed": seed}
    text = repr(comparison)
    if mrmc:
        block = mrmc_block(list(zip(settings.arms, (aligned.a, aligned.b), strict=True)), settings, mrmc_covariance, aligned.metric)
        content, text = content | {"mrmc": block.to_dict()}, f"{text}\n\n{block!r}"
    if out is not None:
        choices = {"arms": [arm_a, arm_b], "runs": [run_a, run_b], "positive": positive, "metric": metric}
        _write(out, comparison, content, text, (records_a, records_b), choices)
    if json == "-":
        console.log(text, quiet)
    else:
        print(text)
    if json is not None:
        console.emit_json(content, json)


def _names(a: str, b: str, run_a: list[str] | None, run_b: list[str] | None) -> tuple[str, str]:
    """Name the arms so that they can be told apart: by run where they are the same arm."""
    if a != b:
        return a, b
    if run_a and run_b and run_a[0] != run_b[0]:
        return run_a[0], run_b[0]
    return f"{a} (first)", f"{b} (second)"


def _write(
    out: Path,
    comparison: Comparison | MeanComparison,
    content: dict[str, Any],
    text: str,
    sources: tuple[Path, Path],
    choices: dict[str, Any],
) -> None:
    from see_in_pairs.files import write_json, write_text
    from see_in_pairs.runs import RunFolder

    files = [path / "records.parquet" if path.is_dir() else path for path in sources]
    equivalence, resamples = content["equivalence"], {name: one["resamples"] for name, one in content.get("bootstrap", {}).items()}
    settings = {
        "inputs": [str(path) for path in sources], "cluster_columns": content["cluster_columns"], "threshold": content["threshold"],
        "margin": equivalence and equivalence["margin"], "resamples": resamples,
    }  # fmt: skip
    with RunFolder(out, "compare", choices | settings, content["seed"], files) as run:
        write_json(run.path / "comparison.json", content)
        write_text(run.path / "comparison.csv", comparison.to_frame().to_csv(index=False))
        write_text(run.path / "comparison.txt", text + "\n")
