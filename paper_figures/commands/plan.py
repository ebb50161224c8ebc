"""The command ``see-in-pairs plan``: theory's, which knows no records and no figures, given a reader of pilots and a plot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from see_in_pairs.errors import InputError, first_few
from theory.power.cli import plan_command

if TYPE_CHECKING:
    from paper_figures.results.runs import Run, RunResults
    from theory.power.outcome import PlanReport
    from theory.power.pilot import Pilot

LEFT_OUT = "images without a score in both arms"


def read_pilot(path: Path, arm_single: str | None, arm_pair: str | None, seed: int) -> tuple[Pilot, dict[str, int]]:
    """Read the two arms of a pilot from records.

    Returns the pilot, from log-odds of the positive answer clustered by patient, and the count of images that are left out because an arm
    has no finite score for them.
    """
    import numpy as np

    from paper_figures.results.runs import RunResults
    from theory.power.pilot import pilot

    if not path.is_dir() and (path.name != "records.parquet" or not path.is_file()):
        raise InputError(f"--records {path}: give a records.parquet, or a folder that holds one")
    results = RunResults(path if path.is_dir() else path.parent)
    single, pair = results.aligned([_run(results, arm_single, "single"), _run(results, arm_pair, "pair")])
    usable = np.isfinite(single.logit) & np.isfinite(pair.logit)
    if not usable.any():
        raise InputError(f"{path}: no image has a score in both runs")
    found = pilot(single.logit[usable], pair.logit[usable], single.positive[usable], single.patients[usable], seed=seed)
    return found, {LEFT_OUT: int((~usable).sum())}


def _run(results: RunResults, run_id: str | None, arm: str) -> Run:
    """The run of this id, or the only one of the arm."""
    option, known = f"--arm-{arm}", {run.run_id: run for run in results.runs}
    if run_id is None:
        of_arm = [run for run in results.runs if run.arm == arm]
        if len(of_arm) == 1:
            return of_arm[0]
        raise InputError(f"{option}: {len(of_arm)} runs are of arm '{arm}'; choose one of {first_few(list(known), 12)}")
    if run_id not in known:
        raise InputError(f"{option} {run_id}: no such run; there are {first_few(list(known), 12)}")
    return known[run_id]


def draw_plan(outcome: PlanReport, folder: Path, seed: int) -> Path:
    """Save the figure of a plan and return ``plan.png``."""
    from paper_figures.plotting.plan import save_plan

    return save_plan(outcome, folder, seed)


plan = plan_command(read_pilot, draw_plan)
