"""The command ``see-in-pairs``: mounts the commands of theory, empirical and paper_figures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from empirical.commands.analyse import app as analyse
from empirical.commands.benchmark import app as benchmark
from empirical.commands.cohort import app as cohort
from empirical.commands.models import ListingArms, doctor, evaluate, finetune, pretrain, pretrain_grid
from empirical.commands.references import references
from paper_figures.commands.bridge import bridge
from paper_figures.commands.compare import compare
from paper_figures.commands.components import components, variation
from paper_figures.commands.configs import app as configs
from paper_figures.commands.observers import observers
from paper_figures.commands.outputs import claims, figures, methods, report, verify
from paper_figures.commands.plan import plan
from paper_figures.commands.study import study
from paper_figures.commands.sweep_plot import plot
from see_in_pairs import __version__
from see_in_pairs.console import Commands, Out, Quiet, Seed, Workers, log, new_app, run_app
from theory.cli import app as theory
from theory.sweeps.cli import app as sweep

START, THEORY, IMAGES, MODELS = "Start here", "Theory and simulation", "Images and references", "Models"
STATISTICS, RESULTS = "Statistics and planning", "Claims, figures, report"


class Program(Commands):
    """The whole command line."""

    headings = (START, THEORY, IMAGES, MODELS, STATISTICS, RESULTS)


app = new_app("Does showing a vision-language model a healthy reference image beside the query help, when, and why?", completion=True)
app.info.cls = Program


def _print_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit()


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")] = False,
) -> None:
    """Does showing a vision-language model a healthy reference image beside the query help, when, and why?"""


def reproduce(
    out: Out = Path("out/reproduce"),
    smoke: Annotated[
        bool, typer.Option("--smoke", help="The whole chain at toy size, in about a minute; its numbers mean nothing.")
    ] = False,
    workers: Workers = 2,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Run the whole chain on the bundled default. Run again to resume.

    Theory, phantom cohorts, finetuning, evaluation, tests, claims, figures and report. Each of the workers takes one core.
    """
    from paper_figures.reproduce import reproduce as run

    size = "at toy size, about a minute" if smoke else "about 11 minutes on 2 cores"
    log(f"theory, phantom cohorts, finetuning, evaluation, tests, claims, figures, report into {out} ({size})", quiet)
    run(out, smoke=smoke, seed=seed, workers=workers, quiet=quiet)


sweep.command()(plot)
analyse.command()(components)
analyse.command()(variation)
cohort.command("references")(references)

app.command(rich_help_panel=START)(reproduce)
app.add_typer(configs, name="configs", rich_help_panel=START)
app.add_typer(theory, name="theory", rich_help_panel=THEORY)
app.add_typer(sweep, name="sweep", rich_help_panel=THEORY)
app.add_typer(cohort, name="cohort", rich_help_panel=IMAGES)
app.command(rich_help_panel=IMAGES)(observers)
app.command(rich_help_panel=MODELS)(doctor)
for trained in (finetune, evaluate):
    app.command(cls=ListingArms, rich_help_panel=MODELS)(trained)
for grid in (study, bridge):
    app.command(rich_help_panel=MODELS)(grid)
app.add_typer(analyse, name="analyse", rich_help_panel=MODELS)
app.add_typer(benchmark, name="benchmark", rich_help_panel=MODELS)
app.command(rich_help_panel=MODELS)(pretrain)
app.command("pretrain-grid", rich_help_panel=MODELS)(pretrain_grid)
for counted in (compare, plan):
    app.command(rich_help_panel=STATISTICS)(counted)
for written in (claims, figures, report, methods, verify):
    app.command(rich_help_panel=RESULTS)(written)


def main() -> None:
    """Run the command line."""
    sys.exit(run_app(app))


if __name__ == "__main__":
    main()
