"""C3, C5 and C7 from the tables of studies whose truth is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from paper_figures.claims import evaluate_claims
from paper_figures.claims.studies import study_verdicts
from paper_figures.cli import app
from see_in_pairs.console import run_app
from see_in_pairs.errors import InputError
from see_in_pairs.files import write_json, write_text

GAIN, AFTER, CURVE = "gain", "gain after less before finetuning", "mean gain over the learning curve"
MATCHED = {"arm": "pair", "references": {"strategy": "demographic"}}
ARMS = {
    "stranger": {"arm": "pair", "references": {"strategy": "random"}},
    "relative": MATCHED,
    "alone": {"arm": "single", "references": None},
}


def row(kind: str, cohort: str, n: int, value: float, p: float, seeds: int = 5, a: str = "relative") -> dict[str, Any]:
    half = abs(value) if p > 0.05 else abs(value) / 2
    return {
        "kind": kind, "cohort": cohort, "a": a, "b": "alone", "n_train": n, "n_train_b": n, "seeds": seeds, "items": 100, "patients": 90,
        "difference": value, "low": value - half, "high": value + half, "p": p, "note": np.nan,
    }  # fmt: skip


def study(folder: Path, rows: list[dict[str, Any]], phantom: bool = True, arms: dict[str, Any] = ARMS) -> Path:
    source = {"phantom": {"rho": 0.8}, "folder": None} if phantom else {"phantom": None, "folder": "x"}
    config = {"cohorts": dict.fromkeys(dict.fromkeys(entry["cohort"] for entry in rows), source), "arms": arms}
    write_json(folder / "study.json", config)
    write_text(folder / "comparisons.csv", pd.DataFrame(rows).to_csv(index=False))
    return folder


def curve(value: float, p: float, after: float = 0.2, after_p: float = 1e-4) -> list[dict[str, Any]]:
    return [
        row(GAIN, "near", 50, 0.3, 1e-9, a="stranger"), row(GAIN, "near", 50, 0.01, 0.8), row(GAIN, "near", 1000, 0.1, 1e-4),
        row(CURVE, "near", 50, 0.3, 1e-9, a="stranger"), row(CURVE, "near", 50, value, p),
        row(AFTER, "near", 50, 0.0, 0.9), row(AFTER, "near", 1000, after, after_p), row(AFTER, "far", 1000, -0.5, 1e-9),
    ]  # fmt: skip


@pytest.mark.parametrize(("value", "p", "verdict"), [(0.1, 0.001, "supported"), (-0.1, 0.001, "contradicted"), (0.1, 0.2, "inconclusive")])
def test_learning_curves(value: float, p: float, verdict: str, tmp_path: Path) -> None:
    source, found = study_verdicts(study(tmp_path, curve(value, p)))
    assert (source, found["C5"].verdict, found["C5"].estimate, found["C5"].n) == ("phantom", verdict, value, 90)
    assert found["C5"].p_holm == pytest.approx(min(1, p * (2 if p < 1e-4 else 1)))
    assert "with 50 patients" in found["C5"].reason and "with 1,000 patients" in found["C5"].reason
    assert (found["C3"].verdict, found["C3"].estimate) == ("supported", 0.2)  # the matched pair, at the most patients, first cohort
    assert set(found) == {"C3", "C5"}


FOUR = ARMS | {
    "alike": {"arm": "pair", "references": {"strategy": "embedding"}},
    "elsewhere": {"arm": "pair", "references": {"strategy": "cross_center"}},
}


@pytest.mark.parametrize(
    ("of_strangers", "p", "verdict"), [(0.05, 0.001, "supported"), (-0.05, 0.001, "contradicted"), (-0.05, 0.03, "inconclusive")]
)
def test_strategies_are_judged_where_all_four_were_finetuned(of_strangers: float, p: float, verdict: str, tmp_path: Path) -> None:
    others = ("stranger", "alike", "elsewhere")
    rows = curve(0.1, 0.001) + [row(GAIN, "near", 1000, of_strangers, p, a=name) for name in others]
    assert "C4" not in study_verdicts(study(tmp_path / "three", rows[:-1], arms=FOUR))[1]
    found = study_verdicts(study(tmp_path / "four", rows, arms=FOUR))[1]["C4"]
    assert (found.verdict, found.estimate, found.n) == (verdict, min(0.1, of_strangers), 90)  # at 1,000 patients: the worst
    assert "cross-center" in found.reason


def test_one_seed_is_no_evidence_of_a_procedure(tmp_path: Path) -> None:
    _, found = study_verdicts(study(tmp_path, [entry | {"seeds": 1} for entry in curve(0.1, 0.001)]))
    assert {found["C3"].verdict, found["C5"].verdict} == {"not tested"}


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        ({"a": (0.1, 0.001), "b": (0.2, 0.002)}, "supported"),
        ({"a": (0.1, 0.001), "b": (0.2, 0.2)}, "inconclusive"),
        ({"a": (0.1, 0.03), "b": (0.2, 0.04)}, "inconclusive"),  # Holm over the cohorts
        ({"a": (0.1, 0.001), "b": (-0.2, 0.002)}, "contradicted"),
        ({"a": (0.1, 0.001)}, "not tested"),
    ],
)
def test_several_cohorts(gains: dict[str, tuple[float, float]], verdict: str, tmp_path: Path) -> None:
    rows = [row(GAIN, cohort, n, value if n > 50 else -0.9, p) for cohort, (value, p) in gains.items() for n in (50, 400)]
    source, found = study_verdicts(study(tmp_path, rows, phantom=False))
    assert (source, found["C7"].verdict) == ("real", verdict)


def test_studies_stand_in_the_ledger(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    near = study(tmp_path / "s", curve(0.1, 0.001))
    real = study(tmp_path / "r", [row(GAIN, cohort, 400, -0.1, 1e-4) for cohort in "ab"], phantom=False)
    before, after = evaluate_claims(finished), evaluate_claims(finished, studies=[near, real])
    assert before.verdict("C5", "phantom").verdict == "not tested" and after.verdict("C5", "phantom").verdict == "supported"
    assert after.verdict("C7", "real").verdict == "contradicted"
    assert after.verdict("C1", "phantom") == before.verdict("C1", "phantom")
    assert run_app(app, ["claims", "--out", str(finished), "--study", str(tmp_path)]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "holds no study with comparisons" in error


def test_what_cannot_be_judged(tmp_path: Path) -> None:
    mixed = study(tmp_path / "m", curve(0.1, 0.001))
    config = {"cohorts": {"a": {"phantom": None, "folder": "x"}, "b": {"phantom": {}, "folder": None}}, "arms": ARMS}
    write_json(mixed / "study.json", config)
    with pytest.raises(InputError, match="mixes phantoms and real"):
        study_verdicts(mixed)
    broken = study(tmp_path / "b", curve(0.1, 0.001))
    write_text(broken / "comparisons.csv", "kind,a\ngain,x\n")
    with pytest.raises(InputError, match=r"lacks the column\(s\)"):
        study_verdicts(broken)
    _, found = study_verdicts(study(tmp_path / "n", curve(0.1, 0.001), arms={"stranger": ARMS["stranger"], "alone": ARMS["alone"]}))
    assert found["C5"].verdict == "not tested" and "no arm of references matched" in found["C5"].reason
