"""The command ``see-in-pairs plan``: the one of theory, with a reader of pilots and a plot, which theory does not have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from see_in_pairs.errors import InputError, did_you_mean, first_few
from theory.power.cli import plan_command

if TYPE_CHECKING:
    from paper_figures.comparison.score_tables import ArmScores
    from paper_figures.results.runs import Run, RunResults
    from paper_figures.statistics.multireader.planning import ContrastVariance
    from theory.power.options import GridOptions, Leak
    from theory.power.outcome import PlanReport
    from theory.power.pilot import Pilot

LEFT_OUT = "images without a score in both arms"


def read_pilot(paths: Sequence[Path], arm_single: str | None, arm_pair: str | None, seed: int) -> tuple[Pilot, dict[str, int]]:
    """Read the two arms of a pilot from records, which may be in a folder each.

    Returns the pilot, from log-odds of the positive answer clustered by patient, and the number of images left out because an arm
    has no finite score for them.
    """
    import numpy as np

    from paper_figures.results.runs import RunResults, check_aligned
    from theory.power.pilot import pilot

    of_run: dict[str, tuple[RunResults, Run]] = {}
    for path in paths:
        if not path.is_dir() and (path.name != "records.parquet" or not path.is_file()):
            raise InputError(f"--records {path}: give a records.parquet, or a folder that contains one")
        results = RunResults(path if path.is_dir() else path.parent)
        for run in results.runs:
            if run.run_id in of_run:
                raise InputError(f"--records {path}: contains run '{run.run_id}', which other records contain too; give each run once")
            of_run[run.run_id] = results, run
    known = {name: run for name, (_, run) in of_run.items()}
    chosen = [_run(known, arm_single, "single"), _run(known, arm_pair, "pair")]
    single, pair = check_aligned([of_run[run.run_id][0].scores(run) for run in chosen])
    number = min(len(single.logit), len(pair.logit))  # trainings side by side: all rows of a patient are in one cluster
    of_single, of_pair = (one.logit[:number].ravel() for one in (single, pair))
    positive, patients = np.tile(single.positive, number), np.tile(single.patients, number)
    usable = np.isfinite(of_single) & np.isfinite(of_pair)
    if not usable.any():
        raise InputError(f"{first_few(list(map(str, paths)))}: no image has a score in both runs")
    found = pilot(of_single[usable], of_pair[usable], positive[usable], patients[usable], seed=seed)
    return found, {LEFT_OUT: int((~usable).sum())}


def _run(known: dict[str, Run], run_id: str | None, arm: str) -> Run:
    """The run with this id, or the only one of the arm."""
    option = f"--arm-{arm}"
    if run_id is None:
        of_arm = [run for run in known.values() if run.arm == arm]
        if len(of_arm) == 1:
            return of_arm[0]
        raise InputError(f"{option}: {len(of_arm)} runs are of arm '{arm}'; choose one of {first_few(list(known), 12)}")
    if run_id not in known:
        raise InputError(f"{option} {run_id}: no such run; there are {first_few(list(known), 12)}{did_you_mean(run_id, known)}")
    return known[run_id]


def draw_plan(outcome: PlanReport, folder: Path, seed: int) -> Path:
    """Save the figure of a plan and return ``plan.png``."""
    from paper_figures.plotting.plan import save_plan

    return save_plan(outcome, folder, seed)


def plan_sizes(options: GridOptions, json: str | None, out: Path | None, seed: int, quiet: bool) -> None:
    """Answer how many trainings, patients and references are needed: ``see-in-pairs plan --trainings``."""
    from paper_figures.results.study_size import answer, read_variances
    from see_in_pairs.console import emit_json, log

    if (options.variances is None) == (options.records is None):
        raise InputError("--variances or --records: give either variance components or a pilot")
    if options.half_width is not None and options.power != 0.8:
        raise InputError("--half-width and --power: give only one of them")
    notes: list[str] = []
    if options.variances is not None:
        if options.measure is not None:
            raise InputError("--measure is for a pilot; the variance components already have a measure")
        components, effect = replace(read_variances(options.variances), groups=1 if options.paired_seeds else 2), options.effect
    else:
        components, effect, notes = _pilot_components(options)
    if effect is None:
        raise InputError("--effect: give the difference that the study should show, for example 0.03")
    target = ("power", options.power) if options.half_width is None else ("half_width", options.half_width)
    sizes = options.trainings, options.patients, options.references
    found = answer(components, effect, sizes, target, options.alpha, seed, notes)
    if out is not None:
        from paper_figures.plotting.study_size import save_study_size
        from see_in_pairs.files import write_json
        from see_in_pairs.runs import RunFolder

        content = found.content()
        config = {name: content[name] for name in ("components", "effect", "target", "alpha")} | {"sizes": sizes}
        sources = [_records_file(path) for path in options.records or ()]
        with RunFolder(out, "plan", config, seed, sources) as run:
            write_json(run.path / "plan.json", content)
            save_study_size(found, run.path, seed)
    if json != "-":
        print(found.text())
    else:
        log(found.text(), quiet)
    if json is not None:
        emit_json(found.content(), json)


def _records_file(path: Path) -> Path:
    """The records file, from a folder with records or from the output folder of a run."""
    found = [file for file in (path / "records.parquet", path / "records" / "records.parquet") if file.is_file()]
    return found[0] if found else path


def _pilot_components(options: GridOptions) -> tuple[ContrastVariance, float | None, list[str]]:
    """Variance components, effect and remarks of a pilot."""
    from paper_figures.comparison.pairing import align
    from paper_figures.results.study_size import pilot_contrast
    from paper_figures.statistics.multireader.planning import ContrastVariance

    measure = options.measure or "auroc"
    if measure not in ("auroc", "accuracy"):
        raise InputError(f"--measure: give auroc or accuracy, not {measure!r}")
    arms = [_pilot_arm(options.records or (), name, arm) for name, arm in (("single", options.arm_single), ("pair", options.arm_pair))]
    aligned = align(arms[0], arms[1])
    pilot = pilot_contrast(aligned.a, aligned.b, measure, options.paired_seeds)
    found = ContrastVariance.of(pilot, 1 if options.paired_seeds else 2)
    trainings, patients, (low, high) = pilot.factors["seeds"].levels, pilot.factors["patients"].levels, pilot.interval
    gain = f"pair minus single {pilot.estimate:+.4f} [{low:+.4f}, {high:+.4f}]"
    notes = [f"pilot of {trainings} training(s) and {patients} patients: {gain}"]
    if trainings < 3:
        notes.append("a pilot of fewer than 3 trainings says little about how trainings vary; give their variance with --variances")
    if options.effect is None:
        notes.append("the effect is the pilot's own estimate, which may be far off; give the smallest that matters with --effect")
    return found, pilot.estimate if options.effect is None else options.effect, notes


def _pilot_arm(paths: Sequence[Path], option: str, name: str | None, records: str = "--records", arm: str | None = None) -> ArmScores:
    """All trainings of one arm of the records; `name` is a run or an arm; by default the arm with the option's name."""
    from empirical.evaluation.records import concatenate, read_records
    from paper_figures.comparison.score_tables import read_arm

    files = [_records_file(path) for path in paths]
    for path, file in zip(paths, files, strict=True):
        if file.name != "records.parquet" or not file.is_file():
            raise InputError(f"{records} {path}: give a records.parquet, or a folder that contains one")
    found = concatenate([read_records(file) for file in files])
    table = found.table
    wanted = name or arm or option
    # a run often has the name of its arm, which has further runs: the name then means the run
    by_run = name is not None and table["run_id"].eq(name).any()
    runs = table.loc[table["run_id" if by_run else "arm"] == wanted, "run_id"].unique().tolist()
    if not runs:
        known = sorted({*table["arm"].astype(str), *table["run_id"].astype(str)})
        raise InputError(f"--arm-{option} {wanted}: no such arm or run; there are {first_few(known, 12)}{did_you_mean(wanted, known)}")
    return read_arm(found, None, runs, called=first_few(list(map(str, files))))


def read_leak(path: Path, arm_single: str | None, arm_reference: str | None) -> Leak:
    """Estimate the leak from records: the share of the signal that references carry (T13), over all trainings of the two arms."""
    from paper_figures.comparison.arm_rows import crossed
    from paper_figures.comparison.pairing import align
    from paper_figures.statistics.roc.leak import estimate_leak
    from theory.power.options import Leak

    option = "--leak-from"
    single = _pilot_arm([path], "single", arm_single, option)
    reference = _pilot_arm([path], "reference", arm_reference, option, "reference_only")
    for name, arm in (("single", single), ("reference", reference)):
        for column, words in (("reference_strategy", "strategies of references"), ("train_arm", "arms of training")):
            several = sorted(set(arm.table[column].astype(str).replace("", "none")))
            if len(several) > 1:
                runs = first_few(sorted(set(arm.table["run_id"].astype(str))), 12)
                raise InputError(f"--arm-{name}: its runs have several {words} ({', '.join(several)}); choose one of {runs}")
    aligned = align(single, reference)
    arms = crossed(aligned.a, aligned.b)
    if arms.labels is None:
        raise InputError(f"{option} {path}: contains no scores of a class")
    scores = [cube.reshape(-1, cube.shape[-1]) for cube in arms.scores]
    try:
        found = estimate_leak(scores[0], scores[1], arms.labels, arms.clusters)
    except InputError as error:
        raise InputError(f"{option} {path}: {error}") from None
    if abs(found.estimate) >= 1:
        areas = f"AUROC {found.auc_reference:.3f} of the reference alone, {found.auc_single:.3f} of the query alone"
        raise InputError(f"{option} {path}: {areas}; references cannot carry the whole signal of the query; choose arms of equal skill")
    (low, high), (low_r, high_r), (low_q, high_q) = found.interval, found.auc_reference_interval, found.auc_single_interval
    share = f"{found.estimate:.3f} [{low:.3f}, {high:.3f}]" if not found.reason else f"{found.estimate:.3f}, without an interval"
    text = (
        f"leak: {share}; AUROC {found.auc_reference:.3f} [{low_r:.3f}, {high_r:.3f}] of the reference alone, {found.auc_single:.3f} "
        f"[{low_q:.3f}, {high_q:.3f}] of the query alone; {found.clusters} patients, trainings {found.trainings[0]} and "
        f"{found.trainings[1]}{'; ' + found.reason if found.reason else ''}"
    )
    return Leak(found.estimate, found.interval, text, found.to_dict())


plan = plan_command(read_pilot, draw_plan, plan_sizes, read_leak)
