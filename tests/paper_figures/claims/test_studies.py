"""C3, C4, C5 and C7 from the tables of studies: which rows are judged, what of them is lacking, and how they stand in the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from paper_figures.claims import evaluate_claims
from paper_figures.claims.ledger import OVER_DUPLICATE, Verdict
from paper_figures.claims.registry import CURVE_GRID
from paper_figures.claims.studies import study_verdicts
from paper_figures.cli import app
from paper_figures.study.tables import AFTER, CURVE, GAIN
from see_in_pairs.console import run_app
from see_in_pairs.errors import InputError
from see_in_pairs.files import write_json, write_text
from tests.paper_figures.claims.conftest import ARMS, FOUR, comparison_row, write_runs, write_study

Rows = list[dict[str, Any]]


def rows_of_a_study(**more: Any) -> Rows:
    """A curve over the grid, and gains after minus before, each over single and over duplicate, beside arms and cohorts of no concern."""
    found = [comparison_row(GAIN, 0.04 + n / 1e5, n=n, b=b, **more) for n in (0, *CURVE_GRID) for b in ("alone", "twice")]
    found += [comparison_row(AFTER, 0.03 + n / 1e5, 0.01, n=n, b=b, **more) for n in CURVE_GRID for b in ("alone", "twice")]
    found += [comparison_row(CURVE, 0.05, n=CURVE_GRID[0], n_train_b=CURVE_GRID[-1], b=b, **more) for b in ("alone", "twice")]
    found += [comparison_row(kind, -0.5, n=200, a="stranger") for kind in (GAIN, AFTER, CURVE)]
    return [*found, comparison_row(AFTER, -0.5, n=100, cohort="far")]


def judged(folder: Path, rows: Rows, **settings: Any) -> dict[str, Verdict]:
    return study_verdicts(write_study(folder, rows, **settings))[1]


def test_the_matched_pair_is_judged_at_the_registered_sizes(tmp_path: Path) -> None:
    source, found = study_verdicts(write_study(tmp_path, rows_of_a_study()))
    assert source == "phantom" and set(found) == {"C3", "C5"}
    assert [one.estimate for one in found["C3"].findings] == [0.032, 0.032]  # at 200 patients, which is little data; not at 1,000
    assert [one.role for one in found["C3"].findings] == ["gain", OVER_DUPLICATE]
    assert [one.estimate for one in found["C5"].findings] == [0.05, 0.05]
    main = found["C5"].main
    assert main is not None and (main.trainings, main.patients, main.references, main.unit) == (5, 90, 30.0, "AUROC")
    for n in CURVE_GRID:
        assert f"with {n:,} patients" in found["C5"].reason
    assert "with 0 patients" not in found["C5"].reason


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"off_the_shelf": 0.54}, "not above chance on the single image (AUROC 0.540 [0.490, 0.590])"),
        ({"arms": {name: ARMS[name] for name in ("relative", "alone")}}, "pair minus duplicate: no comparison with the arm 'duplicate'"),
        ({"arms": {name: ARMS[name] for name in ("stranger", "alone")}}, "no arm of references matched (demographic), or no single arm"),
    ],
)
def test_c3_is_not_tested_where_something_is_lacking(settings: dict[str, Any], reason: str, tmp_path: Path) -> None:
    found = judged(tmp_path, rows_of_a_study(), **settings)["C3"]
    assert found.verdict == "not tested" and reason in found.reason


def test_a_kind_of_comparison_under_its_earlier_name_is_known(tmp_path: Path) -> None:
    rows = [row | {"kind": row["kind"].replace(" minus ", " less ")} for row in rows_of_a_study()]
    assert judged(tmp_path, rows)["C3"].findings == judged(tmp_path, rows_of_a_study())["C3"].findings


def test_c3_needs_little_data(tmp_path: Path) -> None:
    rows = [row for row in rows_of_a_study() if row["kind"] != AFTER or row["n_train"] > 200]
    found = judged(tmp_path, rows)["C3"]
    assert found.verdict == "not tested" and "on at most 200 patients" in found.reason


@pytest.mark.parametrize("grid", [CURVE_GRID[1:], (*CURVE_GRID, 2000), ()])
def test_a_curve_over_another_grid_is_not_judged(grid: tuple[int, ...], tmp_path: Path) -> None:
    rows = [comparison_row(GAIN, 0.04, n=n, b=b) for n in (0, *grid) for b in ("alone", "twice")]
    rows += [comparison_row(CURVE, 0.05, b=b) for b in ("alone", "twice") if grid]
    found = judged(tmp_path, rows)["C5"]
    assert found.verdict == "not tested" and "the grid is fixed: 25, 50, 100, 200, 500 training patients at rho 0.8" in found.reason
    assert f"this study has {', '.join(map(str, grid)) or 'none'}" in found.reason


def test_the_curve_over_duplicate_must_be_of_the_same_grid(tmp_path: Path) -> None:
    rows = [row for row in rows_of_a_study() if (row["kind"], row["b"], row["n_train"]) != (GAIN, "twice", 500)]
    found = judged(tmp_path, rows)
    assert found["C5"].verdict == "not tested" and "no learning curve of the arm 'duplicate' on this grid" in found["C5"].reason
    assert found["C3"].verdict == "supported"


def test_phantoms_of_another_rho_are_not_judged(tmp_path: Path) -> None:
    folder = write_study(tmp_path, rows_of_a_study())
    write_json(folder / "study.json", {"cohorts": {"near": {"phantom": {"rho": 0.9}, "folder": None}}, "arms": ARMS})
    found = study_verdicts(folder)[1]
    assert {one.verdict for one in found.values()} == {"not tested"}
    assert "needs a cohort of rho 0.8" in found["C3"].reason


def of_strategies(strangers: float, sizes: tuple[int, ...] = (200, 1000), duplicate: float = 0.03) -> Rows:
    others = {"relative": 0.06, "stranger": strangers, "alike": 0.06, "elsewhere": 0.06}
    gains = [comparison_row(GAIN, gain if n == max(sizes) else -0.5, 0.01, n, a=a) for a, gain in others.items() for n in sizes]
    return gains + [comparison_row(GAIN, duplicate, 0.01, n, a=a, b="twice") for a in others for n in sizes]


@pytest.mark.parametrize(
    ("strangers", "duplicate", "verdict"),
    [(0.06, 0.03, "supported"), (-0.06, 0.03, "contradicted"), (0.025, 0.005, "inconclusive"), (0.025, 0.03, "supported")],
)
def test_strategies_are_judged_at_the_most_patients_with_which_all_four_were_finetuned(
    strangers: float, duplicate: float, verdict: str, tmp_path: Path
) -> None:
    found = judged(tmp_path, of_strategies(strangers, duplicate=duplicate), arms=FOUR)["C4"]
    assert found.verdict == verdict, found.reason
    assert found.main is not None and found.main.estimate == min(0.06, strangers)
    assert "finetuned on 1,000 patients with each strategy" in found.reason and len(found.findings) == 8


def test_strategies_are_left_out_where_one_was_never_finetuned(tmp_path: Path) -> None:
    rows = [row for row in of_strategies(0.06) if (row["a"], row["b"]) != ("alike", "alone")]
    assert "C4" not in judged(tmp_path / "a", rows, arms=FOUR)
    rows = [row for row in of_strategies(0.06) if (row["a"], row["n_train"]) != ("alike", 1000)]
    assert "finetuned on 200 patients" in judged(tmp_path / "b", rows, arms=FOUR)["C4"].reason
    rows = [row for row in of_strategies(0.06) if (row["a"], row["b"]) != ("alike", "twice")]
    assert judged(tmp_path / "c", rows, arms=FOUR)["C4"].reason.startswith("embedding pair minus duplicate: no comparison with the arm")


@pytest.mark.parametrize(("seeds", "words"), [(1, "one model an arm"), (2, "2 models an arm")])
def test_few_seeds_are_no_evidence_of_a_procedure(seeds: int, words: str, tmp_path: Path) -> None:
    found = judged(tmp_path, rows_of_a_study(seeds=seeds))
    for one in found.values():
        assert one.verdict == "not tested" and words in one.reason
        assert one.main is not None and one.main.trainings == seeds  # the number is shown all the same


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"admissible": False, "reason": "3 references are too few"}, "3 references are too few"),
        ({"admissible": False, "note": "one model: no other"}, "one model: no other"),
        ({"admissible": False}, "the design is not admissible"),
        ({"admissible": "False", "reason": "x"}, "x"),
        ({"difference": float("nan"), "admissible": False, "reason": "one class only"}, "one class only"),
    ],
)
def test_an_inadmissible_design_is_said(more: dict[str, Any], reason: str, tmp_path: Path) -> None:
    for one in judged(tmp_path, rows_of_a_study(**more)).values():
        assert one.verdict == "not tested" and reason in one.reason


@pytest.mark.parametrize("column", ["se", "df", "admissible", "reason", "references"])
def test_a_table_of_an_earlier_version_gives_no_verdict(column: str, tmp_path: Path) -> None:
    rows = [{name: value for name, value in row.items() if name != column} for row in rows_of_a_study()]
    for one in judged(tmp_path, rows).values():
        assert one.verdict == "not tested" and "do not say whether the design is admissible" in one.reason


def real(gains: dict[str, float], **more: Any) -> Rows:
    rows = [comparison_row(GAIN, value if n > 50 else -0.9, n=n, cohort=name, **more) for name, value in gains.items() for n in (50, 400)]
    return rows + [comparison_row(GAIN, 0.05, n=n, cohort=name, b="twice") for name in gains for n in (50, 400)]


def test_cohorts_are_judged_at_their_largest_number_of_patients(tmp_path: Path) -> None:
    source, found = study_verdicts(write_study(tmp_path, real({"a": 0.06, "b": 0.08}), phantom=False))
    assert (source, found["C7"].verdict) == ("real", "supported")
    assert [one.estimate for one in found["C7"].findings] == [0.06, 0.05, 0.08, 0.05]


def test_a_cohort_that_was_not_finetuned_leaves_c7_not_tested(tmp_path: Path) -> None:
    found = judged(tmp_path, real({"a": 0.06, "b": 0.08}), phantom=False, cohorts=("a", "b", "c"))["C7"]
    assert found.verdict == "not tested" and found.reason.startswith("c: was not finetuned")


def test_one_loss_of_many_cohorts_contradicts_after_holm_only(tmp_path: Path) -> None:
    """One cohort of five just below the margin (p .04) does not; far below, it does."""
    near, far = 0.02 - 1.05 * 0.02, -0.1
    names = dict.fromkeys("abcd", 0.06)
    assert judged(tmp_path / "near", real(names | {"e": near}), phantom=False)["C7"].verdict == "inconclusive"
    assert judged(tmp_path / "far", real(names | {"e": far}), phantom=False)["C7"].verdict == "contradicted"
    assert judged(tmp_path / "two", real({"a": 0.06, "e": near - 0.01}), phantom=False)["C7"].verdict == "contradicted"


def test_studies_stand_in_the_ledger(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = write_runs(tmp_path / "runs")
    near = write_study(tmp_path / "s", rows_of_a_study())
    cohorts = write_study(tmp_path / "r", real({"a": -0.1, "b": -0.1}), phantom=False)
    before, after = evaluate_claims(runs), evaluate_claims(runs, studies=[near, cohorts])
    assert before.verdict("C5", "phantom").verdict == "not tested" and after.verdict("C5", "phantom").verdict == "supported"
    assert before.verdict("C3", "phantom").main != after.verdict("C3", "phantom").main  # that of the study stands in its place
    assert after.verdict("C7", "real").verdict == "contradicted"
    assert after.verdict("C1", "phantom") == before.verdict("C1", "phantom")
    one_seed = write_study(tmp_path / "one", rows_of_a_study(seeds=1))
    assert evaluate_claims(runs, studies=[one_seed]).verdict("C3", "phantom") == before.verdict("C3", "phantom")  # no verdict replaces none
    assert run_app(app, ["claims", "--out", str(runs), "--study", str(tmp_path)]) == 2
    assert "contains no study with comparisons" in capsys.readouterr().err.strip().splitlines()[-1]


def test_what_cannot_be_judged_is_one_line(tmp_path: Path) -> None:
    mixed = write_study(tmp_path / "m", rows_of_a_study())
    config = {"cohorts": {"a": {"phantom": None, "folder": "x"}, "b": {"phantom": {}, "folder": None}}, "arms": ARMS}
    write_json(mixed / "study.json", config)
    with pytest.raises(InputError, match="mixes phantoms and real"):
        study_verdicts(mixed)
    broken = write_study(tmp_path / "b", rows_of_a_study())
    write_text(broken / "comparisons.csv", "kind,a\ngain,x\n")
    with pytest.raises(InputError, match=r"lacks the column\(s\)"):
        study_verdicts(broken)
    lost = write_study(tmp_path / "l", rows_of_a_study())
    (lost / "study.csv").unlink()
    with pytest.raises(InputError, match=r"study.csv: no such file"):
        study_verdicts(lost)


def test_a_study_without_an_area_off_the_shelf_cannot_say_that_it_is_above_chance(tmp_path: Path) -> None:
    folder = write_study(tmp_path, rows_of_a_study())
    write_text(folder / "study.csv", pd.read_csv(folder / "study.csv").query("n_train > 0").to_csv(index=False))
    assert "(AUROC unknown)" in study_verdicts(folder)[1]["C3"].reason
