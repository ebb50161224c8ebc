"""What `see-in-pairs evaluate` prints when it has ended."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from empirical.evaluation.records import Records
from paper_figures.cli import app
from see_in_pairs.console import run_app

RUNS = [
    "pair-demographic", "pair-random", "duplicate", "blank", "noise", "fixed", "diseased-demographic", "reversed-demographic",
    "unlabelled-demographic", "text", "reference_only-demographic",
]  # fmt: skip


def test_every_arm_of_the_packaged_controls_is_listed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"run_id": run, "arm": run.split("-")[0], "item_id": f"i{item}", "label": label, "p_positive": score}
        for run in RUNS
        for item, (label, score) in enumerate([("well", 0.2), ("sick", 0.9)])
    ]
    records = Records(pd.DataFrame(rows), ("sick",), "well")
    monkeypatch.setattr("empirical.analysis.reports.evaluate_with_reports", lambda *_, **__: records)
    assert run_app(app, ["evaluate", "controls-test", "--out", str(tmp_path / "controls")]) == 0
    said = capsys.readouterr().err
    assert [run for run in RUNS if f"\n{run} " in said] == RUNS  # the reference alone, the last one, is what a reader looks for
    assert "more lines" not in said
