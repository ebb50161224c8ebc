"""The ledger: verdicts by rule on data whose truth is known, and every reason said."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from empirical.evaluation.records import Records, read_records, write_records
from paper_figures.claims import CLAIMS, SOURCES, evaluate_claims, theory_separation
from paper_figures.claims.ledger import VERDICTS, ClaimFinding, judge, judge_family
from paper_figures.claims.registry import LEVEL
from paper_figures.claims.strategies import STRATEGIES, judge_gains
from paper_figures.claims.theory_gains import from_simulation, from_theory, strategy_gains
from paper_figures.cli import app
from paper_figures.results.estimates import Estimate
from paper_figures.results.runs import RunResults
from see_in_pairs.console import run_app
from see_in_pairs.errors import InputError
from see_in_pairs.files import read_json, write_json, write_parquet


def test_claims_of_ideal_observers(finished: Path) -> None:
    ledger = evaluate_claims(finished)
    assert [entry.claim.id for entry in ledger.entries] == [claim.id for claim in CLAIMS]
    assert [claim.id for claim in CLAIMS[:8]] == [f"C{n}" for n in range(1, 9)]  # those of the abstracts; others come behind them
    found = ledger.verdict("C1", "phantom")
    assert found.verdict == "supported"
    assert found.interval is not None
    assert found.interval[0] < -np.log(1 - 0.9**2) < found.interval[1]
    assert found.n == 240
    assert "Holm" in found.family
    assert ledger.verdict("C1", "theory").verdict == "supported"
    second = ledger.verdict("C2", "phantom")
    assert second.verdict == "inconclusive"
    assert "not distinguishable from 0" in second.reason
    assert "knows no medicine" in second.reason and "random weights" not in second.reason
    third = ledger.verdict("C3", "phantom")
    assert third.verdict == "supported"
    assert third.interval is not None and third.interval[0] > 0
    assert "100 patients" in third.reason
    fourth = ledger.verdict("C4", "phantom")
    assert fourth.verdict == "not tested"
    assert fourth.interval is not None
    assert "all four strategies are needed, and there is no run of: embedding, cross center; gains over" in fourth.reason
    assert all(entry.verdicts["real"].verdict == "not tested" for entry in ledger.entries)


def off_the_shelf(out: Path, model: str, like: dict[str, str]) -> None:
    """Name the model of the runs off the shelf, and give them the scores of other runs."""
    runs, records = read_json(out / "records" / "runs.json"), read_records(out / "records")
    write_json(out / "records" / "runs.json", [run if run["train_arm"] else run | {"model": model} for run in runs])
    table = records.table.copy()
    for name, source in like.items():
        theirs = table[table["run_id"] == source].set_index("item_id")
        rows = table["run_id"] == name
        for column in ("p_positive", "logp"):
            table.loc[rows, column] = pd.Series(list(theirs.loc[table.loc[rows, "item_id"], column]), index=table.index[rows])
    write_records(out / "records" / "records.parquet", Records(table, records.positive, records.healthy))


def test_random_weights_off_the_shelf_are_said_and_no_support_for_a_gain_by_training(out: Path) -> None:
    off_the_shelf(out, "pocket-random", {})
    ledger = evaluate_claims(out)
    assert ledger.verdict("C2", "phantom").verdict == "inconclusive"
    assert "random weights" in ledger.verdict("C2", "phantom").reason
    third = ledger.verdict("C3", "phantom")
    assert third.verdict == "inconclusive"  # the gain is there, but a model of random weights could gain nothing before
    assert third.interval is not None and third.interval[0] > 0
    assert "random weights" in third.reason


@pytest.mark.parametrize(("pair", "single", "verdict"), [("pair-0.90", "single", "supported"), ("single", "pair-0.90", "contradicted")])
def test_the_bundled_model_off_the_shelf_is_judged_like_any_other(out: Path, pair: str, single: str, verdict: str) -> None:
    off_the_shelf(out, "pocket", {"off-pair-0.90": pair, "off-single": single})
    found = evaluate_claims(out).verdict("C2", "phantom")
    assert found.verdict == verdict
    assert "knows no medicine" in found.reason


def test_every_verdict_has_its_reason_and_no_number_stands_alone(finished: Path) -> None:
    for entry in evaluate_claims(finished).to_list():
        assert set(entry) >= {"id", "claim", "criterion", "verdicts"}
        assert entry["source_of_claim"] == "from the abstracts, in our words"
        assert set(entry["verdicts"]) == set(SOURCES)
        for verdict in entry["verdicts"].values():
            assert verdict.verdict in VERDICTS
            assert verdict.reason
            assert (verdict.estimate is None) == (verdict.interval is None)
            assert verdict.estimate is None or (verdict.unit and verdict.n and verdict.test)


def test_a_harmful_reference_contradicts(out: Path) -> None:
    records = read_records(out / "records")
    table = records.table.copy()
    rows = table["run_id"] == "pair-0.90"
    noise = np.random.default_rng(0).standard_normal(int(rows.sum()))
    logits = 0.2 * table.loc[rows, "label"].isin(records.positive) + noise
    table.loc[rows, "logp"] = pd.Series(
        [{"yes": float(-np.log1p(np.exp(-x))), "no": float(-np.log1p(np.exp(x)))} for x in logits], index=table.index[rows]
    )
    write_records(out / "records" / "records.parquet", Records(table, records.positive, records.healthy))
    ledger = evaluate_claims(out)
    assert ledger.verdict("C1", "phantom").verdict == "contradicted"


def test_real_runs_are_judged_by_the_same_tests(finished: Path, tmp_path: Path) -> None:
    records = read_records(finished / "records")
    named = ["off-single", "off-pair-0.90", "single", "pair-0.90"]
    kept = records.table[records.table["run_id"].isin(named)]
    write_records(tmp_path / "records.parquet", Records(kept, records.positive, records.healthy))
    ledger = evaluate_claims(finished, real=tmp_path)
    assert ledger.verdict("C1", "real").verdict == "supported"
    assert ledger.verdict("C1", "real").estimate == pytest.approx(ledger.verdict("C1", "phantom").estimate)
    assert "random weights" not in ledger.verdict("C2", "real").reason  # nothing is known of the model
    assert "no run of: random" in ledger.verdict("C4", "real").reason


def test_controls(finished: Path) -> None:
    rows = {row["name"]: row for row in evaluate_claims(finished).controls}
    over = rows["pair over duplicate"]
    assert over["ideal"] == pytest.approx(0.1892, abs=1e-4)
    assert over["interval"][0] < over["ideal"] < over["interval"][1]
    assert rows["random over single"]["interval"][0] < 0 < rows["random over single"]["interval"][1]
    assert rows["random over single"]["p_holm"] >= rows["random over single"]["p"]
    assert all(row["family"] == "controls (5 tests; Holm)" for row in rows.values())


def with_copies(out: Path, copies: dict[str, tuple[str, str]]) -> Path:
    """Add runs on pairs of further strategies, with the scores of other runs."""
    records, runs = read_records(out / "records"), read_json(out / "records" / "runs.json")
    tables = [records.table]
    for run_id, (strategy, source) in copies.items():
        tables.append(records.of(run_id=source).table.assign(run_id=run_id, arm="pair", train_arm="pair", reference_strategy=strategy))
        own = {"run_id": run_id, "arm": "pair", "train_arm": "pair", "strategy": strategy, "rho": None, "evaluated_rho": None}
        runs.append(runs[3] | own | {"model": f"models/{run_id}/model"})
    write_records(out / "records" / "records.parquet", replace(records, table=pd.concat(tables, ignore_index=True)))
    write_json(out / "records" / "runs.json", runs)
    return out


@pytest.mark.parametrize(
    ("cross_center", "verdict", "words"),
    [
        ("pair-0.90", "inconclusive", "not distinguishable from 0: random"),
        ("pair-0.90-eval-duplicate", "contradicted", "cross-center references lose"),
    ],
)
def test_all_four_strategies_decide_the_fourth_claim(out: Path, cross_center: str, verdict: str, words: str) -> None:
    folder = with_copies(out, {"by-likeness": ("embedding", "pair-0.50"), "by-site": ("cross_center", cross_center)})
    found = evaluate_claims(folder).verdict("C4", "phantom")
    assert found.verdict == verdict and words in found.reason
    assert "embedding-retrieved 0." in found.reason and found.interval is not None
    assert found.p is not None and found.p_holm is not None and found.p_holm >= found.p
    assert "Holm" in found.family


def test_four_gains_support_the_fourth_claim() -> None:
    gains = {name: Estimate(0.1 + 0.01 * k, 0.05, 0.2, 0.001 * (k + 1)) for k, name in enumerate(STRATEGIES.values())}
    found = judge_gains(gains, "toy")
    assert (found.verdict, found.estimate, found.unit) == ("supported", 0.1, "gain in AUROC, random references")
    assert found.p_holm == pytest.approx(4 * 0.001)


def test_further_controls_are_estimated_where_a_study_ran_them(out: Path) -> None:
    records, runs = read_records(out / "records"), read_json(out / "records" / "runs.json")
    model = next(run for run in runs if run["run_id"] == "pair-0.90-eval-random")
    shown = {"run_id": "pair-0.90-eval-noise", "arm": "noise", "strategy": "noise", "rho": None, "evaluated_rho": None}
    rows = records.of(run_id=model["run_id"]).table.assign(run_id=shown["run_id"], arm="noise", reference_strategy="noise")
    table = pd.concat([records.table, rows], ignore_index=True)
    write_records(out / "records" / "records.parquet", replace(records, table=table))
    write_json(out / "records" / "runs.json", [*runs, model | shown])
    found = {row["name"]: row for row in evaluate_claims(out).controls}
    assert len(found) == 6 and all(row["family"] == "controls (6 tests; Holm)" for row in found.values())
    noise, random = found["pair-trained: its references over 'noise'"], found["pair-trained: its references over random ones"]
    assert noise["estimate"] == random["estimate"] and noise["second"] == shown["run_id"]
    assert "prompt and tokens" in noise["question"]


def test_a_missing_run_is_said_and_still_counts_in_the_family(out: Path) -> None:
    runs = [run for run in read_json(out / "records" / "runs.json") if run["run_id"] not in ("duplicate", "off-single")]
    write_json(out / "records" / "runs.json", runs)
    ledger = evaluate_claims(out)
    assert ledger.verdict("C2", "phantom").reason == "no run of: off single"
    first = ledger.verdict("C1", "phantom")
    assert first.p is not None
    assert first.p_holm == pytest.approx(3 * first.p)
    assert next(row for row in ledger.controls if row["name"] == "pair over duplicate")["reason"] == "no run of: duplicate"


@given(value=st.floats(-1, 1).filter(lambda x: x != 0), p=st.floats(0, 1))
def test_rule(value: float, p: float) -> None:
    verdict = judge(ClaimFinding(Estimate(value, value - 0.1, value + 0.1, p, "AUROC", "t", 9, 9)), p, "f").verdict
    assert verdict == ("inconclusive" if p > LEVEL else "supported" if value > 0 else "contradicted")


def test_an_obstacle_holds_a_verdict_back() -> None:
    good = Estimate(0.2, 0.1, 0.3, 0.001, "AUROC", "t", 9, 9)
    held = judge(ClaimFinding(good, unless_above="chance"), 0.001, "f")
    assert (held.verdict, held.reason) == ("inconclusive", "chance")
    assert judge(ClaimFinding(good, unless_below="chance"), 0.001, "f").verdict == "supported"


def test_family_is_corrected_by_holm() -> None:
    estimates = {
        name: ClaimFinding(Estimate(0.2, 0.1, 0.3, p, "AUROC", "t", 9, 9)) for name, p in (("C1", 0.01), ("C2", 0.02), ("C3", 0.03))
    }
    found = judge_family(estimates, "f")
    assert [found[name].p_holm for name in estimates] == pytest.approx([0.03, 0.04, 0.04])


def verify_rows(agrees: bool = True, shift: float = 0.0) -> pd.DataFrame:
    """Rows as of ``theory verify`` at d = 1: error of single .30854, optimal at rho .7 .24192 (THEORY.md, T1)."""
    base = {"statement": "T1", "quantity": "error", "mcse": 5e-4, "z": 0.0, "agrees": agrees}
    rows = [("single", 0.0, 0.30854), ("optimal", 0.7, 0.24192 + shift), ("optimal", 0.0, 0.30854), ("difference", 0.3, 0.33630)]
    return pd.DataFrame([base | {"params": {"d": 1, "rho": rho, "rule": rule}, "closed_form": e, "simulated": e} for rule, rho, e in rows])


def test_theory_verdict() -> None:
    found = theory_separation.from_theory(verify_rows())["C1"]
    assert found.verdict == "supported"
    assert found.estimate == pytest.approx(1 - 0.7**2, abs=1e-4)
    assert found.interval is not None
    assert found.interval[0] < 0.51 < found.interval[1]
    assert "plain difference" in found.reason
    assert theory_separation.from_theory(verify_rows(agrees=False))["C1"].verdict == "inconclusive"
    assert theory_separation.from_theory(verify_rows(shift=0.2))["C1"].verdict == "contradicted"
    assert theory_separation.from_theory(verify_rows().iloc[:1])["C1"].verdict == "not tested"


def test_simulation_verdict() -> None:
    assert theory_separation.from_simulation(verify_rows())["C1"].verdict == "supported"
    assert theory_separation.from_simulation(verify_rows(shift=0.0666))["C1"].verdict == "inconclusive"
    assert theory_separation.from_simulation(verify_rows(shift=0.2))["C1"].verdict == "contradicted"


CURVE = {"p": 10, "n_per_class": 20, "Delta2": 2.0, "rho": 0.6}


def predicted_rows(concat: float = 0.31408, difference: float = 0.28086, cross: float = 0.0, agrees: bool = True) -> pd.DataFrame:
    """Rows as of ``theory verify``: learning curves with everything learned (T4), and what four kinds of references gain (T7, T11)."""
    curves = (("single", 0.30800), ("difference", difference), ("concat", concat))
    rows = [("T4", "error", CURVE | {"rep": rep, "cov": "pooled"}, error, 5e-4) for rep, error in curves]
    iso = {"emb": "iso", "delta": 1.5, "A": 9.0, "E": 1.0, "N": 1.93}
    rows += [("T7", "auc", iso | {"rule": "optimal"}, 0.65796, 5e-4), ("T7", "auc", iso | {"rule": "difference"}, 0.62911, 5e-4)]
    rows.append(("T7", "auc", {"emb": "scalar", "delta": 1.5, "A": 4.0, "E": 1.0, "N": 1.0, "w": 1.0, "rule": "optimal"}, 0.6824, 5e-4))
    controls = (("matched", "matched_same_site", 0.05657), ("matched", "random_same_site", 0.01), ("site", "random_cross_site", cross))
    rows += [("T11", "gain", {"model": model, "control": control}, gain, 1e-3) for model, control, gain in controls]
    columns = ["statement", "quantity", "params", "closed_form", "mcse"]
    return pd.DataFrame(rows, columns=columns).assign(simulated=lambda table: table["closed_form"], agrees=agrees)


def test_learning_curves_judge_c3_and_c5() -> None:
    found = from_theory(predicted_rows())
    for claim in ("C3", "C5"):
        assert found[claim].verdict == "inconclusive"
        assert found[claim].estimate == pytest.approx(0.30800 - 0.31408)
        assert found[claim].interval is not None
        assert found[claim].interval[1] - found[claim].interval[0] == pytest.approx(2 * 1.96 * np.hypot(5e-4, 5e-4))
        assert "concatenation" in found[claim].reason
    assert from_theory(predicted_rows(concat=0.30))["C3"].verdict == "supported"
    assert from_theory(predicted_rows(difference=0.32))["C3"].verdict == "contradicted"
    assert from_theory(predicted_rows(agrees=False))["C3"].verdict == "inconclusive"
    many = predicted_rows(concat=0.30)
    many["params"] = [params | {"n_per_class": 200} if "n_per_class" in params else params for params in many["params"]]
    assert from_theory(many)["C3"].verdict == "not tested"  # 200 cases are not little data
    assert from_theory(many)["C5"].verdict == "supported"


def test_four_strategies_judge_c4() -> None:
    found = from_theory(predicted_rows())["C4"]
    assert (found.verdict, found.estimate, found.n) == ("contradicted", 0.0, 4)
    assert "cross_center" in found.reason
    assert from_theory(predicted_rows(cross=0.02))["C4"].verdict == "supported"
    gains = {gain.name: gain.closed_form for gain in strategy_gains(predicted_rows().to_dict("records"))}  # type: ignore[arg-type]
    assert gains["embedding"] == pytest.approx(0.65796 - 0.63136, abs=2e-5)  # single image: Phi(1.5 / sqrt 20)
    table = predicted_rows()
    assert from_theory(table[table["statement"] != "T7"])["C4"].verdict == "not tested"


def test_simulation_judges_by_its_standard_error() -> None:
    assert from_simulation(predicted_rows())["C4"].verdict == "inconclusive"  # a gain of exactly 0 is not below 0
    assert from_simulation(predicted_rows(cross=-0.02))["C4"].verdict == "contradicted"
    assert from_simulation(predicted_rows(cross=0.02))["C4"].verdict == "supported"
    assert from_simulation(predicted_rows())["C3"].verdict == "inconclusive"
    assert from_simulation(predicted_rows(concat=0.30))["C3"].verdict == "supported"
    assert from_simulation(predicted_rows(concat=0.3079))["C3"].verdict == "inconclusive"
    assert from_simulation(predicted_rows(difference=0.32))["C3"].verdict == "contradicted"


def test_command_writes_the_ledger(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(app, ["claims", "--out", str(out), "--quiet"]) == 0
    assert "C3" in capsys.readouterr().out
    content = read_json(out / "claims.json")
    assert [claim["id"] for claim in content] == [claim.id for claim in CLAIMS]
    assert len(read_json(out / "controls.json")) == 5
    assert run_app(app, ["claims", "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == content


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ("records/records.parquet", "no such records; make it with 'see-in-pairs reproduce"),
        ("theory/verify.parquet", "no theory checks; make it with 'see-in-pairs reproduce"),
    ],
)
def test_what_is_missing_is_one_line(out: Path, capsys: pytest.CaptureFixture[str], lost: str, said: str) -> None:
    (out / lost).unlink()
    assert run_app(app, ["claims", "--out", str(out)]) == 2
    assert said in capsys.readouterr().err
    assert run_app(app, ["claims", "--out", str(out / "nowhere")]) == 2


def test_broken_files_are_one_line(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (out / "records" / "runs.json").write_text('["x"]')
    assert run_app(app, ["claims", "--out", str(out)]) == 2
    assert "not a list of runs" in capsys.readouterr().err
    (out / "records" / "records.parquet").write_bytes(b"PAR1 no")
    assert run_app(app, ["claims", "--out", str(out)]) == 2
    write_parquet(out / "theory" / "verify.parquet", pd.DataFrame({"statement": ["T1"]}))
    assert run_app(app, ["claims", "--out", str(out)]) == 2
    assert "lacks the column(s)" in capsys.readouterr().err


def test_runs_on_different_items_are_refused(out: Path) -> None:
    records = read_records(out / "records")
    table = records.table[~((records.table["run_id"] == "single") & (records.table["item_id"] == "test-00007"))]
    write_records(out / "records" / "records.parquet", Records(table, records.positive, records.healthy))
    with pytest.raises(InputError, match=r"not about the same items \(test-00007"):
        evaluate_claims(out)


def test_struct_parameters_are_read_like_json(out: Path) -> None:
    before = RunResults(out).theory["params"].iloc[0]
    table = RunResults(out).theory.assign(params=lambda rows: [json.dumps(value) for value in rows["params"]])
    write_parquet(out / "theory" / "verify.parquet", table)
    assert RunResults(out).theory["params"].iloc[0] == before
