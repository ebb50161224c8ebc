"""Before a run: leakage stops it unless it is allowed by name, and either way the manifest says what was found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from empirical.audit.preflight import preflight
from empirical.cohorts import Cohort
from see_in_pairs.errors import CheckFailed, InputError
from see_in_pairs.runs import RunFolder


@pytest.fixture
def leaky(phantom: Cohort) -> Cohort:
    """A patient of the training split has an image in the test."""
    shared = phantom.table["patient_id"].where(phantom.table["item_id"] != "test-00000", "patient-train-00000")
    return replace(phantom, table=phantom.table.assign(patient_id=shared))


def manifest_of(folder: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads((folder / "manifest.json").read_text())
    return content


def test_leakage_stops_and_is_on_record(leaky: Cohort, tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match="patient_in_two_splits"), RunFolder(tmp_path, "evaluate", {}) as run:
        preflight(leaky, run, (), 0, quiet=True)
    kept = manifest_of(tmp_path)
    assert [(finding["name"], finding["severity"], finding["rows"]) for finding in kept["audit"]] == [("patient_in_two_splits", "error", 2)]
    assert (kept["allowed"], kept["finished"]) == ([], None)


def test_a_misspelt_name_is_refused(leaky: Cohort, tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match="allow 'patients_in_two_splits': no finding of that name"),
        RunFolder(tmp_path, "evaluate", {}) as run,
    ):
        preflight(leaky, run, ("patients_in_two_splits",), 0, quiet=True)


def test_what_is_allowed_passes_and_is_said_and_recorded(leaky: Cohort, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with RunFolder(tmp_path, "evaluate", {}) as run:
        preflight(leaky, run, ("patient_in_two_splits",), 0, quiet=False)
    assert manifest_of(tmp_path)["allowed"] == ["patient_in_two_splits"]
    assert "audit: patient_in_two_splits (allowed): 1 patients are used in several splits" in capsys.readouterr().err
