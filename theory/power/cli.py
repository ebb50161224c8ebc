"""The command ``see-in-pairs plan``. Nothing heavy is imported before it runs.

The reader of records and the plot are arguments of `plan_command`: theory imports neither of its sister packages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from see_in_pairs.console import Json, Quiet, Seed, emit_json, log
from see_in_pairs.errors import InputError
from theory.power.options import GridOptions, LeakReader, Options, Reader, collect
from theory.power.outcome import PlanReport

Drawer = Callable[[PlanReport, Path, int], object]
GridPlanner = Callable[[GridOptions, "str | None", "Path | None", int, bool], None]


def make_report(
    options: Options, design: dict[str, Any], read_pilot: Reader | None, seed: int, read_leak: LeakReader | None = None
) -> PlanReport:
    """Analyse the power of a study from the user's options."""
    from theory.power.analysis import StudyDesign, plan_study

    found = collect(options, read_pilot, seed, read_leak)
    chosen = StudyDesign(**(found.clusters | {name: value for name, value in design.items() if value is not None}))
    inputs = {item.name: value for item in fields(options) if (value := getattr(options, item.name)) is not None}
    return PlanReport(found.evidence, chosen, plan_study(found.evidence, chosen), inputs, found.counts, found.leak)


def plan_command(
    read_pilot: Reader | None = None, draw: Drawer | None = None, grid: GridPlanner | None = None, read_leak: LeakReader | None = None
) -> Callable[..., None]:
    """Make the command from a reader of pilots, a plot, a planner of trainings, patients and references, and a reader of leaks."""

    def plan(
        rho: Annotated[
            float | None, typer.Option("--rho", metavar="X", help="Correlation of query and reference scores, given the label.")
        ] = None,
        d: Annotated[float | None, typer.Option("--d", metavar="X", help="Effect in the single image, in standard deviations.")] = None,
        auc: Annotated[float | None, typer.Option("--auc", metavar="X", help="AUROC of the single image, instead of --d.")] = None,
        m: Annotated[int, typer.Option("--m", metavar="N", help="Number of references.")] = 1,
        rho_rr: Annotated[
            float | None, typer.Option("--rho-rr", metavar="X", help="Correlation of references with each other; default as --rho.")
        ] = None,
        rule: Annotated[str, typer.Option("--rule", metavar="RULE", help="How the reference is used: optimal, or difference.")] = "optimal",
        measured: Annotated[
            tuple[int, int] | None,
            typer.Option("--measured", metavar="N1 N0", help="Numbers of diseased and healthy patients behind rho and d."),
        ] = None,
        rho_interval: Annotated[
            tuple[float, float] | None, typer.Option("--rho-interval", metavar="LOW HIGH", help="95 % interval of rho, from elsewhere.")
        ] = None,
        shared: Annotated[
            float | None, typer.Option("--shared", metavar="X", help="Variance that query and reference share, instead of --rho.")
        ] = None,
        own: Annotated[float | None, typer.Option("--own", metavar="X", help="Variance that is each image's own.")] = None,
        noise: Annotated[float, typer.Option("--noise", metavar="X", help="Variance of the scorer from seed to seed.")] = 0.0,
        components: Annotated[
            str | None, typer.Option("--components", metavar="JSON", help="Variance components P, PR, PS, E of paired logits.")
        ] = None,
        beta: Annotated[float | None, typer.Option("--beta", metavar="X", help="Mean paired logit of diseased minus healthy.")] = None,
        seeds: Annotated[int, typer.Option("--seeds", metavar="N", help="Seeds that the scores are averaged over.")] = 1,
        score_correlation: Annotated[
            float | None, typer.Option("--score-correlation", metavar="X", help="Within-class correlation of single and paired scores.")
        ] = None,
        records: Annotated[
            list[Path] | None,
            typer.Option("--records", metavar="RECORDS", help="records.parquet of a pilot, or its folder; may be repeated."),
        ] = None,
        arm_single: Annotated[str | None, typer.Option("--arm-single", metavar="RUN", help="Run id of its single-image arm.")] = None,
        arm_pair: Annotated[str | None, typer.Option("--arm-pair", metavar="RUN", help="Run id of its paired arm.")] = None,
        leak: Annotated[
            float | None, typer.Option("--leak", metavar="X", help="Share of the signal that references carry (T13). [default: 0]")
        ] = None,
        auc_reference: Annotated[
            float | None,
            typer.Option("--auc-reference", metavar="X", help="AUROC of the reference alone, instead of --leak; .5 is no leak."),
        ] = None,
        leak_interval: Annotated[
            tuple[float, float] | None, typer.Option("--leak-interval", metavar="LOW HIGH", help="95 % interval of --leak.")
        ] = None,
        leak_from: Annotated[
            Path | None,
            typer.Option("--leak-from", metavar="RECORDS", help="Records with arms single and reference_only, to estimate the leak from."),
        ] = None,
        arm_reference: Annotated[
            str | None, typer.Option("--arm-reference", metavar="RUN", help="Run id of their reference alone (with --leak-from).")
        ] = None,
        trainings: Annotated[
            list[int] | None,
            typer.Option(
                "--trainings",
                metavar="N",
                help="Trainings of each arm; may be repeated. Gives power over trainings, patients and references.",
            ),
        ] = None,
        patients: Annotated[
            list[int] | None, typer.Option("--patients", metavar="N", help="Patients of that study; may be repeated.")
        ] = None,
        references: Annotated[
            list[int] | None, typer.Option("--references", metavar="N", help="References that they share; may be repeated; 0: none.")
        ] = None,
        variances: Annotated[
            str | None,
            typer.Option("--variances", metavar="JSON|FILE", help="Components training, patient, rest, reference of the contrast."),
        ] = None,
        effect: Annotated[
            float | None, typer.Option("--effect", metavar="X", help="Contrast to show; by default that of the pilot.")
        ] = None,
        measure: Annotated[
            str | None, typer.Option("--measure", metavar="MEASURE", help="Of the pilot: auroc, or accuracy. [default: auroc]")
        ] = None,
        half_width: Annotated[
            float | None, typer.Option("--half-width", metavar="X", help="Half width of the interval to reach, instead of --power.")
        ] = None,
        paired_seeds: Annotated[bool, typer.Option("--paired-seeds", help="The arms share their trainings, seed by seed.")] = False,
        prevalence: Annotated[
            float | None, typer.Option("--prevalence", metavar="X", help="Share of diseased cases. [default: 0.5]")
        ] = None,
        clusters: Annotated[float | None, typer.Option("--clusters", metavar="X", help="Images per patient. [default: 1]")] = None,
        icc: Annotated[
            float | None, typer.Option("--icc", metavar="X", help="Correlation of differences within a patient. [default: 0]")
        ] = None,
        specificity: Annotated[float, typer.Option("--specificity", metavar="X", help="Where sensitivities are compared.")] = 0.9,
        power: Annotated[float, typer.Option("--power", metavar="X", help="Power to reach.")] = 0.8,
        alpha: Annotated[float, typer.Option("--alpha", metavar="X", help="Two-sided level.")] = 0.05,
        json: Json = None,
        out: Annotated[
            Path | None, typer.Option("--out", metavar="DIR", help="Folder for plan.json, plot and manifest.", show_default=False)
        ] = None,
        seed: Seed = 0,
        quiet: Quiet = False,
    ) -> None:
        """Plan patients: the expected gain, and how many show it.

        How much a reference is expected to add, and how many patients a paired study needs to show it.
        """
        options = Options(
            d, auc, rho, rho_rr, m, rule, measured, rho_interval, shared, own, noise, components, beta, seeds, score_correlation,
            records, arm_single, arm_pair, leak, auc_reference, leak_interval, leak_from, arm_reference,
        )  # fmt: skip
        sizes = GridOptions(
            trainings, patients, references, variances, effect, measure, half_width, paired_seeds,
            records, arm_single, arm_pair, power, alpha,
        )  # fmt: skip
        if sizes.asked:
            if grid is None:
                raise InputError("--trainings, --patients, --references: this program was built without their planner")
            options.refuse_for_a_grid()
            if any(value is not None for value in (prevalence, clusters, icc)):
                raise InputError("--prevalence, --clusters, --icc: the variance components already include them; leave them out")
            grid(sizes, json, out, seed, quiet)
            return
        design = {"prevalence": prevalence, "images_per_patient": clusters, "icc": icc}
        design |= {"specificity": specificity, "power": power, "alpha": alpha}
        report = make_report(options, design, read_pilot, seed, read_leak)
        if out is not None:
            _save(report, out, draw, seed)
        _print(report, json, quiet)

    return plan


def _print(report: PlanReport, json: str | None, quiet: bool) -> None:
    """Print the report; with --json on standard output, print only the JSON."""
    if json != "-":
        print(report.text())
    else:
        log(report.text(), quiet)
    if json is not None:
        emit_json(report.content(), json)


def _save(report: PlanReport, out: Path, draw: Drawer | None, seed: int) -> None:
    from see_in_pairs.files import write_json
    from see_in_pairs.runs import RunFolder

    content = report.content()
    config = {"inputs": content["inputs"], "study": content["study"]}
    leak_from = report.inputs.get("leak_from")
    given = [*report.inputs.get("records", ()), *([] if leak_from is None else [leak_from])]
    sources = [path / "records.parquet" if path.is_dir() else path for path in given]
    with RunFolder(out, "plan", config, seed, sources) as run:
        write_json(run.path / "plan.json", content)
        for name, number in report.counts.items():
            run.count(name, number)
        if draw is not None:
            draw(report, run.path, seed)
