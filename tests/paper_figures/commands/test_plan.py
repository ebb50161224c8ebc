"""The command ``see-in-pairs plan``: its numbers, a pilot's records, what it writes, its mistakes, and a fast start."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri

from empirical.evaluation.records import Records, read_records, write_records
from paper_figures.cli import app
from paper_figures.commands.plan import LEFT_OUT
from paper_figures.plotting.provenance import read_provenance
from see_in_pairs.console import run_app
from tests.paper_figures.conftest import record_rows


def planned(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    """Run the command and read its JSON."""
    assert run_app(app, ["plan", *arguments, "--json", "--quiet"]) == 0
    return json.loads(capsys.readouterr().out)


def test_check_values(capsys: pytest.CaptureFixture[str]) -> None:
    found = planned(capsys, "--d", "1", "--rho", "0.6", "--measured", "100", "100")["measures"]
    assert found["auc"]["gain"] == pytest.approx(0.05137, abs=5e-6)
    assert (found["auc"]["gain_high"] - found["auc"]["gain_low"]) / (2 * 1.959964) == pytest.approx(0.01017, abs=5e-6)
    assert found["auc"]["patients"] == 2 * 142
    assert found["accuracy"]["cases"] == pytest.approx(765, abs=0.5)
    assert isinstance(found["accuracy"]["patients"], int)


def test_clusters_inflate(capsys: pytest.CaptureFixture[str]) -> None:
    plain = planned(capsys, "--auc", "0.76025", "--shared", "3", "--own", "2")
    clustered = planned(capsys, "--auc", "0.76025", "--shared", "3", "--own", "2", "--clusters", "4", "--icc", "0.5")
    assert plain["measures"]["auc"]["patients"] == 284
    assert clustered["study"]["design_effect"] == 2.5
    assert clustered["measures"]["auc"]["patients"] == np.ceil(plain["measures"]["auc"]["cases"] * 2.5 / 4)


def test_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["plan", "--d", "1", "--rho", "0.6", "--out", str(tmp_path / "plan")]
    assert run_app(app, arguments) == 0
    assert "284" in capsys.readouterr().out
    manifest = json.loads((tmp_path / "plan" / "manifest.json").read_text())
    assert manifest["command"] == "plan"
    assert manifest["finished"]
    saved = json.loads((tmp_path / "plan" / "plan.json").read_text())
    table = pd.read_csv(tmp_path / "plan" / "plan.csv")
    gains = table[table["kind"] == "gain"].set_index("measure")["gain"]
    assert gains["auc"] == pytest.approx(saved["measures"]["auc"]["gain"])
    power = table[(table["kind"] == "power") & (table["measure"] == "auc")]
    assert np.interp(284, power["patients"], power["power"]) == pytest.approx(0.8, abs=0.005)
    for suffix in ("png", "pdf"):
        assert "power" in read_provenance(tmp_path / "plan" / f"plan.{suffix}").caption
    assert run_app(app, [*arguments[:-3], "0.5", *arguments[-2:]]) == 2  # another plan into the same folder
    assert "rho" in capsys.readouterr().err


def test_small_studies_and_unknown_likeness_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(app, ["plan", "--d", "1", "--rho", "0.95"]) == 0
    assert "note: below 200 cases" in capsys.readouterr().out
    assert planned(capsys, "--d", "1", "--rho", "0.6")["notes"] == []
    assert run_app(app, ["plan", "--d", "1", "--beta", "1.5", "--components", '{"P":1,"PR":0.6,"PS":0.2,"E":0.4}']) == 0
    printed = capsys.readouterr().out
    assert "not known" in printed
    assert "nan" not in printed


def test_no_gain_still_makes_a_picture(tmp_path: Path) -> None:
    assert run_app(app, ["plan", "--d", "1", "--rho", "0", "--out", str(tmp_path / "none"), "--quiet"]) == 0
    content = json.loads((tmp_path / "none" / "plan.json").read_text())["measures"]["auc"]
    assert content["patients"] is None
    assert "no gain" in content["reason"]


def test_pilot_from_records(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = ["--records", str(finished), "--arm-single", "single", "--arm-pair", "pair-0.90"]
    found = planned(capsys, *chosen)
    pilot, auc = found["separation"], found["measures"]["auc"]
    single, pair = 0.95, 0.95 / np.sqrt(1 - 0.81)
    for measured, truth in ((pilot["single"], single), (pilot["pair"], pair)):
        assert measured == pytest.approx(truth, abs=4 * np.sqrt(4 / 240 + truth**2 / 480))  # 240 patients, half of them diseased
    assert pilot["score_correlation"] == pytest.approx(np.sqrt(1 - 0.81), abs=4 * 0.81 / np.sqrt(240))
    assert auc["gain_low"] < auc["gain"] < auc["gain_high"]
    assert auc["patients_low"] <= auc["patients"] <= auc["patients_high"]
    assert planned(capsys, *chosen) == found  # the seed decides
    assert planned(capsys, "--records", str(finished / "records" / "records.parquet"), *chosen[2:])["measures"] == found["measures"]


def test_the_arms_of_a_pilot_may_be_in_two_folders(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = read_records(finished / "records" / "records.parquet")
    for run in ("single", "pair-0.90"):
        (tmp_path / run).mkdir()
        write_records(tmp_path / run / "records.parquet", records.of(run_id=run))
    both = ["--records", str(tmp_path / "single"), "--records", str(tmp_path / "pair-0.90")]
    named = ["--arm-single", "single", "--arm-pair", "pair-0.90"]
    assert planned(capsys, *both)["measures"] == planned(capsys, "--records", str(finished), *named)["measures"]
    grid = ["--trainings", "3", "--patients", "200", "--effect", "0.05"]
    together = planned(capsys, "--records", str(finished), *named, *grid)
    assert planned(capsys, *both, *grid, "--out", str(tmp_path / "plan"))["needed"] == together["needed"]
    assert len(json.loads((tmp_path / "plan" / "manifest.json").read_text())["inputs"]) == 2

    assert run_app(app, ["plan", *both, "--records", str(tmp_path / "single" / "records.parquet")]) == 2
    assert "give each run once" in capsys.readouterr().err


def test_items_without_a_score_are_counted(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = read_records(finished / "records" / "records.parquet")
    table = records.table[records.table["run_id"].isin(["single", "pair-0.90"])].reset_index(drop=True)
    table.loc[[3, 8], "p_positive"] = np.nan
    write_records(tmp_path / "records.parquet", Records(table, records.positive, records.healthy))
    found = planned(capsys, "--records", str(tmp_path))  # one run of each arm: no need to name them
    assert found["counts"] == {LEFT_OUT: 2}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "nothing to plan from"),
        (["--rho", "0.5"], "either --d"),
        (["--rho", "0.5", "--d", "1", "--auc", "0.7"], "either --d"),
        (["--rho", "1.2", "--d", "1"], "between -1 and 1"),
        (["--rho", "0.5", "--d", "-1"], "d = -1"),
        (["--rho", "0.5", "--auc", "0.5"], "--auc 0.5"),
        (["--rho", "0.5", "--d", "1", "--own", "1"], "several things"),
        (["--rho", "0.5", "--d", "1", "--arm-pair", "x"], "--arm-pair has no meaning"),
        (["--rho", "0.5", "--d", "1", "--noise", "1"], "--noise has no meaning"),
        (["--own", "0.5", "--d", "1"], "--shared and --own: give both"),
        (["--beta", "0.5", "--d", "1"], "--components and --beta: give both"),
        (["--beta", "0.5", "--d", "1", "--components", "P=1"], "give JSON"),
        (["--beta", "0.5", "--d", "1", "--components", "[" * 20_000], "give JSON"),
        (["--beta", "0.5", "--d", "1", "--components", '{"P": ' + "9" * 5000 + "}"], "give JSON"),
        (["--beta", "0.5", "--d", "1", "--components", '{"P":"x","PR":0,"PS":0,"E":0}'], "not a number"),
        (["--beta", "0.5", "--d", "1", "--components", '{"P":true,"PR":0,"PS":0,"E":0}'], "not true or false"),
        (["--beta", "0.5", "--d", "1", "--components", '{"P":1,"PR":0,"PS":0,"E":0}', "--score-correlation", "2"], "between -1 and 1"),
        (["--rho", "0.5", "--d", "1", "--specificity", "1"], "specificity"),
        (["--rho", "0.5", "--d", "1", "--rho-interval", "0.8", "0.4"], "does not contain"),
        (["--rho", "0.5", "--d", "1", "--m", "0"], "m = 0"),
        (["--rho", "0.5", "--d", "1", "--prevalence", "0"], "prevalence"),
        (["--rho", "0.5", "--d", "1", "--clusters", "0"], "clusters"),
        (["--rho", "nan", "--d", "1"], "finite"),
        (["--records", "missing.parquet"], "missing.parquet"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(app, ["plan", *arguments]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1


def test_unknown_runs(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(app, ["plan", "--records", str(finished)]) == 2
    assert "choose one of" in capsys.readouterr().err
    assert run_app(app, ["plan", "--records", str(finished), "--arm-single", "nobody"]) == 2
    assert "no such run" in capsys.readouterr().err


def test_starts_without_heavy_imports() -> None:
    code = (
        "import sys; from paper_figures.cli import app; from see_in_pairs.console import run_app;"
        "run_app(app, ['plan', '--d', '1', '--rho', '.6', '--quiet']);"
        "print([m for m in ('torch', 'pandas', 'matplotlib', 'scipy.stats', 'sympy', 'statsmodels') if m in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.splitlines()[-1] == "[]"


VARIANCES = '{"training": 0.0004, "patient": 0.09, "rest": 0.09, "reference": 0.004}'
SIZES = ("--trainings", "3", "--trainings", "10", "--patients", "100", "--patients", "300", "--references", "20")


def test_trainings_patients_and_references(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = planned(capsys, "--variances", VARIANCES, "--effect", "0.08", *SIZES, "--out", str(tmp_path / "plan"))
    assert [(one["trainings"], one["patients"]) for one in content["studies"]] == [(3, 100), (3, 300), (10, 100), (10, 300)]
    assert content["needed"][0]["patients"] > content["needed"][1]["patients"]
    saved = tmp_path / "plan" / "plan.json"
    assert json.loads(saved.read_text())["studies"] == content["studies"]
    table = pd.read_csv(tmp_path / "plan" / "plan.csv")
    row = table[(table["trainings"] == 3) & (table["patients"] == 300)].iloc[0]
    assert row["power"] == pytest.approx(content["studies"][1]["power"])
    assert table["needed"].sum() == 2
    assert "fewest patients" in read_provenance(tmp_path / "plan" / "plan.png").caption
    assert run_app(app, ["plan", "--variances", str(saved), "--effect", "0.08", *SIZES, "--half-width", "0.06"]) == 0
    assert "half width 0.06" in capsys.readouterr().out


def test_trainings_from_a_pilot(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Records of three trainings an arm: the components are those of the estimator that `compare` uses."""
    from paper_figures.comparison.pairing import align
    from paper_figures.comparison.score_tables import read_arm
    from paper_figures.results.study_size import pilot_contrast

    records, rng = read_records(finished / "records" / "records.parquet"), np.random.default_rng(0)
    parts = []
    for arm, run in (("single", "single"), ("pair", "pair-0.90")):
        table = records.table[records.table["run_id"] == run]
        odds = np.log(table["p_positive"] / (1 - table["p_positive"])) + 0.7 * rng.normal(size=len(table))
        name = arm + "-" + table["train_seed"].astype(str)  # a run for each training
        parts.append(table.assign(p_positive=1 / (1 + np.exp(-odds)), run_id=name, arm=arm))
    old = tmp_path / "records.parquet"
    write_records(old, Records(pd.concat(parts, ignore_index=True), records.positive, records.healthy))
    content = planned(capsys, "--records", str(old), "--trainings", "5", "--patients", "200")
    arms = [read_arm(old, None, [f"{arm}-{seed}" for seed in range(3)]) for arm in ("single", "pair")]
    aligned = align(arms[0], arms[1])
    pilot = pilot_contrast(aligned.a, aligned.b, "auroc", paired=False)
    assert content["effect"] == pytest.approx(pilot.estimate)
    assert content["components"]["training"] == pytest.approx(pilot.training_sd**2)
    assert any("pilot of 3 training(s) and 240 patients" in note for note in content["notes"])
    shared = planned(capsys, "--records", str(old), "--trainings", "5", "--patients", "200", "--paired-seeds", "--measure", "accuracy")
    assert shared["components"]["groups"] == 1
    assert run_app(app, ["plan", "--records", str(old), "--arm-pair", "nobody", "--trainings", "5"]) == 2
    assert "no such arm" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--trainings", "3"], "give either variance components or a pilot"),
        (["--trainings", "3", "--variances", VARIANCES], "--effect"),
        (["--trainings", "2", "--variances", VARIANCES, "--effect", "0.1"], "no verdict"),
        (["--trainings", "3", "--variances", '{"patient": 1}', "--effect", "0.1"], "give JSON such as"),
        (["--trainings", "3", "--variances", '{"training": -1, "patient": 1}', "--effect", "0.1"], "0 or more"),
        (["--trainings", "3", "--variances", '{"training": 0, "patient": 1}', "--effect", "0.1", "--references", "5"], "no reference part"),
        (["--trainings", "3", "--variances", VARIANCES, "--effect", "0.1", "--d", "1"], "--d has no meaning"),
        (["--trainings", "3", "--variances", VARIANCES, "--effect", "0.1", "--icc", "0.1"], "already include them"),
        (["--trainings", "3", "--variances", VARIANCES, "--effect", "0.1", "--half-width", "-1"], "above 0"),
        (["--trainings", "3", "--variances", "/no/such/file.json", "--effect", "0.1"], "no such file"),
    ],
)
def test_sizes_that_cannot_be_planned_are_one_line(arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(app, ["plan", *arguments]) == 2
    assert line in capsys.readouterr().err


def with_reference_alone(finished: Path, folder: Path, shares: tuple[float, ...] = (0.5,), strategy: str = "demographic") -> Path:
    """Records with an arm ``reference_only``, a run for each share of the query's signal that it carries."""
    records = read_records(finished / "records" / "records.parquet")
    items = records.table[(records.table["run_id"] == "single") & (records.table["train_seed"] == 0)]
    positive, rng = items["label"].isin(records.positive).to_numpy(), np.random.default_rng(8)
    rows = []
    for seed, share in enumerate(shares):
        run = {"arm": "reference_only", "train_arm": "reference_only", "strategy": strategy, "n_train": 100}
        logit = share * 0.95 * positive + rng.standard_normal(len(items))
        rows.append(record_rows(run | {"run_id": f"alone-{seed}"}, items, logit, [seed]))
    write_records(folder / "records.parquet", Records(pd.concat([items, *rows], ignore_index=True), records.positive, records.healthy))
    return folder


def test_the_leak_comes_from_records_with_its_interval(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = with_reference_alone(finished, tmp_path / "one")
    arguments = ["--d", "0.95", "--rho", "0.9", "--leak-from", str(folder)]
    found = planned(capsys, *arguments)
    leak, auc = found["leak"], found["measures"]["auc"]
    assert leak["interval"][0] < 0.5 < leak["interval"][1]
    assert leak["estimate"] == pytest.approx(ndtri(leak["auc_reference"]) / ndtri(leak["auc_single"]))
    same = planned(capsys, *arguments[:4], "--leak", str(leak["estimate"]), "--leak-interval", *map(str, leak["interval"]))
    assert same["measures"] == found["measures"]
    assert auc["gain"] < planned(capsys, *arguments[:4])["measures"]["auc"]["gain"]
    assert auc["gain_low"] < auc["gain"] < auc["gain_high"]
    assert run_app(app, ["plan", *arguments]) == 0
    assert f"leak: {leak['estimate']:.3f} [" in capsys.readouterr().out


def test_trainings_of_the_reference_alone_are_averaged_and_unlike_ones_refused(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    several = with_reference_alone(finished, tmp_path / "several", (0.1, 0.5, 0.9))
    arguments = ["--d", "0.95", "--rho", "0.9", "--leak-from", str(several)]
    leak = planned(capsys, *arguments)["leak"]
    assert leak["trainings"] == [1, 3]
    one = planned(capsys, *arguments, "--arm-reference", "alone-1")["leak"]
    assert (one["trainings"], leak["df"] < 20 < one["df"]) == ([1, 1], True)
    table = read_records(several / "records.parquet")
    mixed = table.table.assign(reference_strategy=table.table["reference_strategy"].where(table.table["run_id"] != "alone-2", "random"))
    write_records(several / "records.parquet", Records(mixed, table.positive, table.healthy))
    assert run_app(app, ["plan", *arguments]) == 2
    assert "several strategies of references (demographic, random); choose one of alone-0" in capsys.readouterr().err


def test_a_run_that_is_called_as_its_arm_can_be_chosen(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = with_reference_alone(finished, tmp_path / "named")
    table = read_records(folder / "records.parquet")
    single = table.table[table.table["run_id"] == "single"]
    further = pd.concat([table.table, single.assign(run_id="off-single", train_arm="", train_seed=7)], ignore_index=True)
    write_records(folder / "records.parquet", Records(further, table.positive, table.healthy))
    arguments = ["--d", "0.95", "--rho", "0.9", "--leak-from", str(folder)]
    assert run_app(app, ["plan", *arguments]) == 2
    assert "several arms of training (none, single); choose one of off-single, single" in capsys.readouterr().err
    assert planned(capsys, *arguments, "--arm-single", "single")["leak"]["trainings"] == [1, 1]


def test_records_from_which_no_leak_follows_name_themselves(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = with_reference_alone(finished, tmp_path / "strong", (3.0,))
    arguments = ["plan", "--d", "0.95", "--rho", "0.5", "--leak-from", str(folder)]
    assert run_app(app, arguments) == 2
    said = capsys.readouterr().err
    assert f"--leak-from {folder}: AUROC 0." in said
    assert "references cannot carry the whole signal of the query" in said
    records = read_records(folder / "records.parquet")
    write_records(folder / "records.parquet", Records(records.table.assign(label=records.healthy), records.positive, records.healthy))
    assert run_app(app, arguments) == 2
    assert f"--leak-from {folder}: one class only" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--leak", "0.2", "--leak-from", "x"], "give one"),
        (["--leak-interval", "0.1", "0.3"], "belongs to --leak"),
        (["--leak", "0.2", "--leak-interval", "0.3", "0.4"], "does not contain the leak"),
        (["--arm-reference", "x"], "give that too"),
        (["--leak-from", "nowhere"], "--leak-from nowhere"),
    ],
)
def test_mistakes_about_the_leak(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(app, ["plan", "--d", "1", "--rho", "0.5", *arguments]) == 2
    assert says in capsys.readouterr().err


def test_records_without_the_reference_alone_say_so(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = read_records(finished / "records" / "records.parquet")
    kept = records.table[records.table["arm"] != "reference_only"]
    write_records(tmp_path / "records.parquet", Records(kept, records.positive, records.healthy))
    assert run_app(app, ["plan", "--d", "1", "--rho", "0.5", "--leak-from", str(tmp_path), "--arm-single", "single"]) == 2
    assert "--arm-reference reference_only: no such arm or run" in capsys.readouterr().err
