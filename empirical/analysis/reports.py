"""Files that stand beside the records: what a temperature fitted on validation does on the test items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from empirical.analysis.calibration import calibrated, fit_temperature, log_loss, reliability
from empirical.analysis.reliability_plot import reliability_plot
from empirical.records import Records, read_records
from see_in_pairs.console import say
from see_in_pairs.errors import InputError, first_few
from see_in_pairs.files import atomic_path, write_json, write_text

if TYPE_CHECKING:
    import pandas as pd

    from empirical.cohorts import Cohort


def report_calibration(records: Records, validation: Path, cohort: Cohort, out: Path, *, seed: int, quiet: bool = False) -> None:
    """Fit a temperature for each run on its validation records, and write what it does to these records.

    Parameters
    ----------
    records : Records
        Of the items that are reported on.
    validation : Path
        Records of the same runs on the ``val`` split.
    cohort : Cohort
        Says which items are validation items.
    out : Path
        Folder for ``calibration.json`` (temperature, log loss before and after) ``reliability.csv`` and its plot
        ``reliability.png``.
    seed : int
        Of the bootstrap over patients.
    quiet : bool, default False
        Say nothing.

    Raises
    ------
    InputError
        When a run has no validation records, or they hold items of another split.
    """
    import pandas as pd

    fitted_on = calibration_records(validation, cohort, list(records.table["run_id"].unique()))
    pages, tables = {}, []
    for run in records.table["run_id"].unique():
        here, there = records.of(run_id=run), fitted_on.of(run_id=run)
        temperature = fit_temperature(there, seed=seed)
        pages[run] = asdict(temperature) | {
            "log_loss_before": _with_interval(log_loss(here, seed=seed)),
            "log_loss_after": _with_interval(log_loss(here, temperature.value, seed=seed)),
        }
        tables += _tables(str(run), here, temperature.value)
        say(f"{run}: temperature {temperature.value:.2f} ({temperature.low:.2f} to {temperature.high:.2f})", quiet)
    write_json(out / "calibration.json", pages)
    points = pd.concat(tables, ignore_index=True)
    write_text(out / "reliability.csv", points.to_csv(index=False))
    with atomic_path(out / "reliability.png") as path:
        reliability_plot(points).savefig(path, dpi=150, format="png", metadata={"Software": None})


def calibration_records(validation: Path, cohort: Cohort, runs: Sequence[str]) -> Records:
    """Read the records that a temperature is fitted on; asked for before the scoring, so that a wrong folder costs nothing.

    Parameters
    ----------
    validation : Path
        Records of the same runs on the ``val`` split.
    cohort : Cohort
        Says which items are validation items.
    runs : sequence of str
        The runs.

    Returns
    -------
    Records
        All that are there.

    Raises
    ------
    InputError
        When a run has no validation records, or they hold items of another split.
    """
    try:
        records = read_records(validation)
    except InputError as error:
        raise InputError(f"calibrate_on: {error}") from None
    _only_validation(records, cohort, validation)
    if absent := [run for run in runs if run not in set(records.table["run_id"])]:
        raise InputError(f"calibrate_on: {validation} holds no records of {first_few(absent)}; evaluate the same arms with split: val")
    return records


def _only_validation(records: Records, cohort: Cohort, source: Path) -> None:
    allowed = set(cohort.table.loc[cohort.table["split"] == "val", "item_id"])
    others = [item for item in records.table["item_id"] if item not in allowed]
    if others:
        raise InputError(f"calibrate_on: {source} holds items that are not in this cohort's split 'val' ({first_few(others)})")


def _tables(run: str, records: Records, temperature: float) -> list[pd.DataFrame]:
    positive = records.is_positive().to_numpy()
    return [
        reliability(calibrated(records, value), positive).assign(run_id=run, temperature=value)
        for value in dict.fromkeys((1.0, temperature))
    ]


def _with_interval(values: tuple[float, float, float]) -> dict[str, Any]:
    return dict(zip(("value", "low", "high"), values, strict=True))
