"""The command ``see-in-pairs``: mounts the commands of theory, empirical and paper_figures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from empirical.commands.analyse import app as analyse
from empirical.commands.models import mount
from paper_figures.commands.compare import compare
from paper_figures.commands.components import components
from paper_figures.commands.configs import app as configs
from paper_figures.commands.outputs import claims, figures, methods, report, verify
from paper_figures.commands.plan import plan
from paper_figures.commands.study import study
from paper_figures.commands.sweep_plot import plot
from see_in_pairs import __version__
from see_in_pairs.console import Quiet, Seed, log, new_app, run_app
from theory.cli import app as theory
from theory.sweeps.cli import app as sweep

app = new_app("Does showing a vision-language model a healthy reference image beside the query help, when, and why?")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit()


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")] = False,
) -> None:
    """Does showing a vision-language model a healthy reference image beside the query help, when, and why?"""


@app.command()
def reproduce(
    out: Annotated[Path, typer.Option("--out", help="Folder for everything.")] = Path("out/reproduce"),
    smoke: Annotated[
        bool, typer.Option("--smoke", help="The whole chain at toy size, in under a minute; its numbers mean nothing.")
    ] = False,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Arms trained at the same time, one core each.")] = 2,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Run the whole chain on the bundled default; run again to resume."""
    from paper_figures.reproduce import reproduce as run

    size = "at toy size, under a minute" if smoke else "about 11 minutes on 2 cores"
    log(f"theory, phantom cohorts, finetuning, evaluation, tests, claims, figures, report into {out} ({size})", quiet)
    run(out, smoke=smoke, seed=seed, workers=workers, quiet=quiet)


app.add_typer(theory, name="theory")
sweep.command()(plot)
app.add_typer(sweep, name="sweep")
analyse.command()(components)
mount(app)
app.add_typer(configs, name="configs")
for command in (study, plan, compare, claims, figures, report, methods, verify):
    app.command()(command)


def main() -> None:
    """Run the command line."""
    sys.exit(run_app(app))


if __name__ == "__main__":
    main()
