"""Reports beside the records of an evaluation: agreement of both scorers, and a temperature fitted on validation items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from empirical.analysis.agreement import scorer_agreement
from empirical.analysis.calibration import NoTemperature, calibrated, fit_temperature, log_loss
from empirical.analysis.reliability import reliability
from empirical.analysis.reliability_plot import reliability_plot
from empirical.cohorts import Cohort
from empirical.evaluation.config import EvaluateConfig, run_id
from empirical.evaluation.evaluate import evaluate, training_columns
from empirical.evaluation.records import Records, read_records
from see_in_pairs.console import log
from see_in_pairs.errors import InputError, first_few
from see_in_pairs.files import atomic_path, write_json, write_text
from see_in_pairs.runs import RunFolder

if TYPE_CHECKING:
    import pandas as pd

TRAINED = ("train_arm", "train_seed", "n_train")
"""Columns of the records that tell one finetuned model from another."""

CALIBRATION_FILES = ("calibration.json", "reliability.csv", "reliability.png")


def evaluate_with_reports(config: EvaluateConfig, out: Path | str, *, quiet: bool = False) -> Records:
    """Evaluate, and write reports beside the records, as ``see-in-pairs evaluate`` does.

    Parameters
    ----------
    config : EvaluateConfig
        Model, cohort and arms. With `generate`, ``agreement.json`` says how often both scorers agree; with `calibrate_on`, a temperature
        is fitted and ``calibration.json``, ``reliability.csv`` and ``reliability.png`` show its effect.
    out : Path or str
        Folder for records, reports and the manifest; run again to resume.
    quiet : bool, default False
        Print neither messages nor progress bars.

    Returns
    -------
    Records
        One row per (arm, item); no temperature is applied to the scores.

    Raises
    ------
    InputError
        As `evaluate`; also, before scoring, when the records to calibrate on are missing or of another model.
    CheckFailed
        When the audit of the cohort finds leakage.
    """
    if config.calibrate_on is not None:  # before the scoring, so that a wrong folder costs nothing
        cohort, runs = Cohort.load(Path(config.cohort)), [run_id(arm) for arm in config.arms]
        calibration_records(Path(config.calibrate_on), cohort, runs, training_columns(config.model.name))

    def report(cohort: Cohort, records: Records, run: RunFolder) -> None:
        if config.generate:
            report_agreement(records, run.path, quiet)
        for name in CALIBRATION_FILES:  # from an earlier run, which may have been calibrated on other records
            (run.path / name).unlink(missing_ok=True)
        binary = binary_rows(records)
        if config.calibrate_on is not None and binary.table.empty:
            log("calibration: not reported, since no question is binary", quiet)
        elif config.calibrate_on is not None and binary.table["p_positive"].isna().any():
            log("calibration: not reported, because some items have no score", quiet)
        elif config.calibrate_on is not None:
            report_calibration(binary, Path(config.calibrate_on), cohort, run.path, seed=config.seed, quiet=quiet)

    return evaluate(config, out, report=report, quiet=quiet)


def report_agreement(records: Records, out: Path, quiet: bool = False) -> None:
    """Write, for each run, how often the generated answer is the more probable one."""
    found = scorer_agreement(records)
    write_json(out / "agreement.json", found)
    for name, one in found.items():
        agree = f"both scorers agree on {one.share:.1%} ({one.low:.1%} to {one.high:.1%})"
        log(f"{name}: {agree}; unparsed {one.unparsed:.1%} ({one.unparsed_low:.1%} to {one.unparsed_high:.1%})", quiet)


def report_calibration(records: Records, validation: Path, cohort: Cohort, out: Path, *, seed: int, quiet: bool = False) -> None:
    """Fit a temperature for each run on its validation records, and write its effect on these records."""
    import pandas as pd

    trained = {column: records.table[column].iloc[0] for column in TRAINED}
    fitted_on = calibration_records(validation, cohort, list(records.table["run_id"].unique()), trained)
    pages, tables, stated, notes = {}, [], [], {}
    for run in map(str, records.table["run_id"].unique()):
        here = records.of(run_id=run)
        pages[run], notes[run] = _fitted(here, fitted_on.of(run_id=run), seed)
        log(f"{run}: {notes[run]}", quiet)
        for value in dict.fromkeys((1.0, pages[run]["value"] or 1.0)):
            tables.append(_points(here, value).assign(run_id=run, temperature=value))
            stated.append(pd.DataFrame({"run_id": run, "temperature": value, "probability": calibrated(here, value)}))
    write_json(out / "calibration.json", pages)
    points = pd.concat(tables, ignore_index=True)
    write_text(out / "reliability.csv", points.to_csv(index=False))
    with atomic_path(out / "reliability.png") as path:
        figure = reliability_plot(points, pd.concat(stated, ignore_index=True), notes)
        figure.savefig(path, dpi=150, format="png", metadata={"Software": None})


def _fitted(here: Records, there: Records, seed: int) -> tuple[dict[str, Any], str]:
    """Fit on validation items (`there`), apply `here`; returns the entry to write, and one line for the log and the plot."""
    before = {"log_loss_before": _with_interval(log_loss(here, seed=seed))}
    try:
        temperature = fit_temperature(there, seed=seed)
    except NoTemperature as error:
        none = dict.fromkeys(("value", "low", "high"))
        return none | {"n": len(there.table), "warning": str(error)} | before | {"log_loss_after": None}, str(error)
    page = asdict(temperature) | {"warning": temperature.warning or None} | before
    page["log_loss_after"] = _with_interval(log_loss(here, temperature.value, seed=seed))
    return page, "; ".join(filter(None, (f"temperature {temperature.shown()}, n = {temperature.n}", temperature.warning)))


def calibration_records(validation: Path, cohort: Cohort, runs: Sequence[str], trained: Mapping[str, object]) -> Records:
    """Read the records that a temperature is fitted on, and refuse those of other arms, items or models."""
    import pandas as pd

    try:
        records = read_records(validation)
    except InputError as error:
        raise InputError(f"calibrate_on: {error}") from None
    _only_validation(records, cohort, validation)
    if absent := [run for run in runs if run not in set(records.table["run_id"])]:
        raise InputError(f"calibrate_on: {validation} contains no records of {first_few(absent)}; evaluate the same arms with split: val")
    mine = records.table[records.table["run_id"].isin(runs)]
    for column, value in trained.items():
        here = "null" if value is None or value is pd.NA or value != value else value
        there: list[Any] = ["null" if pd.isna(one) else one for one in mine[column].unique()]
        if others := [other for other in there if other != here]:
            what = f"{column} {first_few(others)} there, {here} here"
            raise InputError(f"calibrate_on: {validation} is of another model ({what}); evaluate this one with split: val")
    mine = binary_rows(replace(records, table=mine)).table
    if lacking := int(mine["p_positive"].isna().sum()):
        raise InputError(f"calibrate_on: {lacking} items of {validation} have no score; a temperature cannot be fitted on them")
    return binary_rows(records)


def binary_rows(records: Records) -> Records:
    """Keep the rows of binary questions: those that a temperature is fitted to."""
    table = records.table
    return replace(records, table=table[table["scale"] == "binary"].reset_index(drop=True)) if "scale" in table else records


def _only_validation(records: Records, cohort: Cohort, source: Path) -> None:
    allowed = set(cohort.table.loc[cohort.table["split"] == "val", "item_id"])
    others = [item for item in records.table["item_id"] if item not in allowed]
    if others:
        raise InputError(f"calibrate_on: {source} contains items that are not in this cohort's split 'val' ({first_few(others)})")


def _points(records: Records, temperature: float) -> pd.DataFrame:
    patients = records.table["patient_id"].to_numpy()
    return reliability(calibrated(records, temperature), records.is_positive().to_numpy(), patients)


def _with_interval(values: tuple[float, float, float]) -> dict[str, Any]:
    return dict(zip(("value", "low", "high"), values, strict=True))
