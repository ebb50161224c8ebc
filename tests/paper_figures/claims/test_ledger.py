"""The ledger of a folder of runs: what is judged, what is said beside it, and that no file can say otherwise than the rule."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from empirical.evaluation.records import Records, read_records, write_records
from paper_figures.claims import CLAIMS, SOURCES, evaluate_claims
from paper_figures.claims.ledger import VERDICTS, ClaimFinding, Ledger, Verdict, check_claims, one_line
from paper_figures.claims.registry import HASHES, VERSION, registry_hash
from paper_figures.claims.theory_gains import from_simulation, from_theory, strategy_gains
from paper_figures.claims.theory_separation import from_simulation as separation_by_simulation
from paper_figures.claims.theory_separation import from_theory as separation_by_theory
from paper_figures.cli import app
from paper_figures.results.predicted_gain import ABOVE_IDEAL
from paper_figures.results.runs import RunResults
from see_in_pairs.console import run_app
from see_in_pairs.errors import InputError
from see_in_pairs.files import read_json, write_json, write_parquet
from tests.paper_figures.claims.conftest import CURVE, verify_rows, write_runs
from tests.paper_figures.conftest import TRAININGS, change_runs, rescored


@pytest.fixture(scope="module")
def ledger(finished: Path) -> Ledger:
    return evaluate_claims(finished)


def test_claims_of_ideal_observers(ledger: Ledger) -> None:
    assert [entry.claim.id for entry in ledger.entries] == [claim.id for claim in CLAIMS]
    first = ledger.verdict("C1", "phantom")
    assert first.verdict == "supported" and first.main is not None
    assert first.main.low < 1 / np.sqrt(1 - 0.9**2) < first.main.high  # T1
    assert (first.main.trainings, first.main.patients, first.main.unit) == (3, 240, "ratio")
    assert "T1 predicts a ratio of 2.29" in first.reason and ABOVE_IDEAL not in first.reason
    assert ledger.verdict("C1", "theory").verdict == ledger.verdict("C1", "simulation").verdict == "supported"
    second, third = ledger.verdict("C2", "phantom"), ledger.verdict("C3", "phantom")
    assert second.verdict == third.verdict == "not tested"  # off the shelf the scores are noise
    assert "no arm is above chance" in second.reason and "knows no medicine" in second.reason
    assert "not above chance on the single image" in third.reason and third.main is not None and third.main.low > 0
    fourth = ledger.verdict("C4", "phantom")
    assert {one.part for one in fourth.findings} == {"demographic", "random", "embedding", "cross_center"}
    assert fourth.verdict != "supported" and "shown to the models finetuned on relatives" in fourth.reason
    assert all(entry.verdicts["real"].verdict == "not tested" for entry in ledger.entries)


def test_no_verdict_stands_without_its_reason_and_no_number_without_its_interval(ledger: Ledger) -> None:
    for entry in ledger.to_list():
        assert set(entry["verdicts"]) == set(SOURCES) and entry["source_of_claim"] == "from the abstracts, in our words"
        assert entry["registry"]["version"] == VERSION and entry["registry"]["hash"] == registry_hash()
        assert entry["registry"]["amendments"] and all(one["date"] for one in entry["registry"]["amendments"])
        for said in entry["verdicts"].values():
            assert said["verdict"] in VERDICTS and said["reason"]
            assert (said["estimate"] is None) == (said["interval"] is None)
            if said["estimate"] is not None:
                assert said["interval"][0] <= said["estimate"] <= said["interval"][1]
                assert said["unit"] and said["test"] and said["margin"] is not None and said["trainings"] is not None
            for one in said["findings"]:
                assert one["estimate"] is None or (one["low"] is not None and one["high"] is not None and one["test"])


def test_one_line_for_a_terminal_has_number_margin_and_reason(ledger: Ledger) -> None:
    first, fifth = (one_line(ledger.verdict(claim, "phantom")) for claim in ("C1", "C5"))
    assert first.startswith("supported     2.") and "ratio (margin 1.05): the interval lies above 1" in first
    assert fifth.startswith("not tested") and "see-in-pairs study" in fifth


def test_random_weights_off_the_shelf_are_said(out: Path) -> None:
    change_runs(out, lambda run: run if run["train_arm"] else run | {"model": "pocket-random"})
    found = evaluate_claims(out)
    for claim in ("C2", "C3"):
        assert found.verdict(claim, "phantom").verdict == "not tested"
        assert "random weights" in found.verdict(claim, "phantom").reason


def test_other_models_off_the_shelf_are_judged_like_any_other(tmp_path: Path) -> None:
    reason = evaluate_claims(write_runs(tmp_path)).verdict("C2", "phantom").reason
    assert "medicine" not in reason and "random weights" not in reason


def scores_of(out: Path, name: str) -> np.ndarray:
    results = RunResults(out)
    run = results.find(run_id=name)
    assert run is not None
    return results.scores(run).logit


def test_saturating_scores_change_nothing(out: Path) -> None:
    """Log-odds bent by any rising function are the same ranks: every number of C1 stays, to rounding."""
    before = evaluate_claims(out).verdict("C1", "phantom")
    bent = {"pair-0.90": 30 * np.tanh(scores_of(out, "pair-0.90") / 8), "single": scores_of(out, "single") ** 3}
    after = evaluate_claims(rescored(out, bent)).verdict("C1", "phantom")
    assert after.verdict == before.verdict == "supported"
    for one, other in zip(before.findings, after.findings, strict=True):
        numbers = ("estimate", "low", "high", "se", "df")
        assert [getattr(one, name) for name in numbers] == pytest.approx([getattr(other, name) for name in numbers], rel=1e-9)


def test_an_area_above_the_ideal_observers_is_flagged(out: Path) -> None:
    """A leak: the pair separates at d' 4, where the ideal observer of this phantom has 2.18."""
    positive = read_records(out / "records").of(run_id="off-single").table.sort_values("item_id")["label"].to_numpy() == "nodule"
    logit = 4 * positive + np.random.default_rng(0).standard_normal((TRAININGS, len(positive)))
    found = evaluate_claims(rescored(out, {"pair-0.90": logit})).verdict("C1", "phantom")
    assert ABOVE_IDEAL in found.reason


def test_real_runs_are_judged_by_the_same_rule(finished: Path, ledger: Ledger, tmp_path: Path) -> None:
    records = read_records(finished / "records")
    kept = records.table[~records.table["run_id"].str.contains("-shown-")]
    write_records(tmp_path / "records.parquet", Records(kept, records.positive, records.healthy))  # no runs.json, no cohorts
    real = evaluate_claims(finished, real=tmp_path)
    assert real.verdict("C1", "real").verdict == "supported"
    assert real.verdict("C1", "real").main == replace(
        ledger.verdict("C1", "phantom").findings[0], context=real.verdict("C1", "real").findings[0].context
    )
    assert "random weights" not in real.verdict("C2", "real").reason  # nothing is known of the model
    assert real.verdict("C4", "real").reason.startswith("no result for random, embedding, cross center")


def test_one_training_speaks_of_that_model_only(out: Path) -> None:
    records = read_records(out / "records")
    kept = records.table[records.table["train_seed"].isna() | (records.table["train_seed"] == 0)]
    write_records(out / "records" / "records.parquet", replace(records, table=kept))
    found = evaluate_claims(out)
    for claim in ("C1", "C3", "C4"):
        verdict = found.verdict(claim, "phantom")
        assert verdict.verdict == "not tested" and verdict.main is not None and verdict.main.trainings == 1
    assert "one model an arm" in found.verdict("C1", "phantom").reason and "AUROC 0.9" in found.verdict("C1", "phantom").reason
    assert not any(one.verdict == "supported" for entry in found.entries for source, one in entry.verdicts.items() if source == "phantom")


def test_controls(ledger: Ledger) -> None:
    rows = {row["name"]: row for row in ledger.controls}
    over = rows["pair over duplicate"]
    assert over["ideal"] == pytest.approx(0.1892, abs=1e-4) and over["trainings"] == 3
    assert over["interval"][0] < over["ideal"] < over["interval"][1]
    assert rows["random over single"]["interval"][0] < 0 < rows["random over single"]["interval"][1]
    assert rows["random over single"]["p_holm"] >= rows["random over single"]["p"]
    assert all(row["family"] == "controls (6 tests; Holm)" for row in rows.values())
    shown = rows["pair-trained: its references over random ones"]
    assert shown["p"] is None and shown["estimate"] > 0.1  # three trainings, shared by both: a number, and no test
    assert "3 trainings" in shown["reason"] and "the same behind all that is compared" in shown["reason"]
    assert rows["pair-trained: its references over 'reference_only'"]["second"] == "pair-0.90-shown-reference-only"


def test_further_controls_are_estimated_where_a_study_ran_them(out: Path) -> None:
    records, runs = read_records(out / "records"), read_json(out / "records" / "runs.json")
    model = next(run for run in runs if run["run_id"] == "pair-0.90-shown-random")
    shown = {"run_id": "pair-0.90-shown-noise", "arm": "noise", "strategy": "noise", "rho": None, "evaluated_rho": None}
    rows = records.of(run_id=model["run_id"]).table.assign(run_id=shown["run_id"], arm="noise", reference_strategy="noise")
    table = pd.concat([records.table, rows], ignore_index=True)
    write_records(out / "records" / "records.parquet", replace(records, table=table))
    write_json(out / "records" / "runs.json", [*runs, model | shown])
    found = {row["name"]: row for row in evaluate_claims(out).controls}
    assert len(found) == 7 and all(row["family"] == "controls (7 tests; Holm)" for row in found.values())
    noise, random = found["pair-trained: its references over 'noise'"], found["pair-trained: its references over random ones"]
    assert noise["estimate"] == pytest.approx(random["estimate"]) and noise["second"] == shown["run_id"]
    assert "prompt and tokens" in noise["question"]


def test_a_missing_run_is_said_and_still_counts_in_the_family_of_controls(out: Path) -> None:
    change_runs(out, lambda run: None if run["run_id"] in ("duplicate", "off-single") else run)
    found = evaluate_claims(out)
    assert found.verdict("C2", "phantom").reason == "no run of: off single"
    assert "no arm 'duplicate' to compare with" in found.verdict("C1", "phantom").reason
    lost = next(row for row in found.controls if row["name"] == "pair over duplicate")
    assert lost["reason"] == "no run of: duplicate" and lost["estimate"] is None
    assert lost["family"] == "controls (6 tests; Holm)"


def test_theory_tells_separation_and_spread_apart() -> None:
    found = separation_by_theory(verify_rows(separation=2.294, spread=1.5))["C1"]
    assert found.verdict == "supported" and found.main is not None and found.main.part == "spread"
    assert [one.estimate for one in found.findings[:2]] == pytest.approx([2.294, 1.5])
    assert "the plain difference X_q - X_r raises the variance when rho is below 1/2 (checked at 0.3)" in found.reason
    rows = verify_rows()
    assert separation_by_theory(rows[rows["quantity"] != "variance"])["C1"].verdict == "not tested"
    assert separation_by_theory(rows.iloc[1:])["C1"].reason.startswith("no rows of T1 at rho 0.9 and d 1")


def test_simulated_ratios_have_the_error_of_their_areas() -> None:
    """The MCSE of a ratio of d_a against drawing both areas many times."""
    from scipy.special import ndtri

    mcse, rows = 1e-3, verify_rows(mcse=1e-3)
    areas = [rows["simulated"].iloc[row] + mcse * np.random.default_rng(row).standard_normal(20_000) for row in (0, 1)]
    found = separation_by_simulation(rows)["C1"].findings[0]
    assert found.mcse == pytest.approx(np.std(ndtri(areas[1]) / ndtri(areas[0])), rel=0.05)
    assert found.high - found.low == pytest.approx(2 * 1.959964 * found.mcse)
    drawn = np.random.default_rng(2).normal(rows["simulated"].iloc[2], mcse, 20_000) ** -0.5
    assert separation_by_simulation(rows)["C1"].findings[1].mcse == pytest.approx(drawn.std(), rel=0.05)


def test_learning_curves_are_judged_where_they_speak_to_the_claim() -> None:
    many = verify_rows()
    many["params"] = [params | {"n_per_class": 200} if "n_per_class" in params else params for params in many["params"]]
    assert from_theory(many)["C3"].reason == "no rows of T4 to compare; run 'see-in-pairs theory verify T4'"  # 200 cases are not few
    assert from_theory(many)["C5"].verdict == "supported"
    known = verify_rows()
    known["params"] = [params | {"cov": "known"} if "cov" in params else params for params in known["params"]]
    assert from_theory(known)["C3"].verdict == "not tested" and from_theory(known)["C5"].verdict == "supported"
    gain = from_simulation(verify_rows(concat=0.05, mcse=2e-3))["C3"].main
    assert gain is not None and gain.estimate == pytest.approx(0.05)
    assert gain.high - gain.low == pytest.approx(2 * 1.959964 * np.hypot(2e-3, 2e-3))  # single and pair were simulated apart
    other = pd.concat([verify_rows(), verify_rows(concat=-0.1, difference=-0.1)], ignore_index=True)
    other["params"] = [params | {"p": 50} if "rep" in params and row > 14 else params for row, params in enumerate(other["params"])]
    assert CURVE["p"] != 50 and from_theory(other)["C5"].verdict == "inconclusive"  # settings do not agree


def test_four_strategies_judge_c4_and_the_rival_explanation_stands_beside() -> None:
    found = from_theory(verify_rows(cross=0.03))["C4"]
    assert found.verdict == "supported" and found.main is not None
    assert (found.main.part, found.main.estimate) == ("cross_center", 0.03)
    assert "an observer who does not know the population's mean would gain +0.0100 from any reference" in found.reason
    gains = {gain.name: gain.closed_form for gain in strategy_gains(verify_rows().to_dict("records"))}  # type: ignore[arg-type]
    assert gains["embedding"] == pytest.approx(0.05)  # over Phi(1.5 / sqrt 20) of the single image
    rows = verify_rows()
    assert from_theory(rows[rows["statement"] != "T7"])["C4"].reason.startswith("no result for embedding")


def edited(path: Path, change: Callable[[dict[str, Any]], object], claim: str = "C1", source: str = "phantom") -> None:
    entries = read_json(path)
    change(next(entry for entry in entries if entry["id"] == claim)["verdicts"][source])
    write_json(path, entries)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda said: said.update(verdict="contradicted"), "says 'contradicted' of C1 (phantom), but its numbers give 'supported'"),
        (lambda said: said["findings"][0].update(low=0.9), "says 'supported' of C1 (phantom), but its numbers give 'inconclusive'"),
        (lambda said: said["findings"][0].update(high=1.04), "its numbers give 'contradicted'"),
        (lambda said: said["findings"][0].update(trainings=2), "its numbers give 'not tested'"),
        (lambda said: said["findings"][1].update(low=0.9), "its numbers give 'inconclusive'"),
        (lambda said: said["findings"].pop(), "its numbers give 'not tested'"),
        (lambda said: said.update(lacking="", findings=[]), "its numbers give 'not tested'"),
        (lambda said: said.update(estimate=3.0), "estimate of C1 (phantom) do not follow from its findings"),
        (lambda said: said.update(interval=[1.9, 2.1]), "interval of C1 (phantom) do not follow"),
        (lambda said: said.update(margin=1.0), "margin of C1 (phantom) do not follow"),
        (lambda said: said.update(trainings=5, patients=1000), "trainings, patients of C1 (phantom) do not follow"),
        (lambda said: said.update(reason="as expected"), "reason of C1 (phantom) do not follow"),
        (lambda said: said["findings"][0].update(estimate=2.0), "of C1 (phantom) do not follow"),
        (lambda said: said["findings"][0].update(estimate="much"), "estimate of C1 (phantom) do not follow"),
        (lambda said: said["findings"][0].update(more=1), "not the claims file of this version"),
        (lambda said: said.pop("lacking"), "not the claims file of this version"),
        (lambda said: said.pop("margin"), "not the claims file of this version"),
    ],
)
def test_a_ledger_edited_by_hand_is_refused_by_the_report(
    finished: Path,
    ledger: Ledger,
    tmp_path: Path,
    change: Callable[[dict[str, Any]], object],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("records", "theory", "cohorts"):
        (tmp_path / name).symlink_to(finished / name)
    ledger.save(tmp_path)
    assert len(check_claims(tmp_path / "claims.json")) == len(CLAIMS)
    edited(tmp_path / "claims.json", change)
    assert run_app(app, ["report", "--out", str(tmp_path), "--quiet"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert said in line and "see-in-pairs claims" in line


@pytest.mark.parametrize("content", [[], {}, [1], [{"id": "C99"}], None, [{"id": "C1", "registry": {}}]])
def test_what_is_no_ledger_is_one_line(content: object, tmp_path: Path) -> None:
    write_json(tmp_path / "claims.json", content)
    with pytest.raises(InputError, match="not the claims file of this version"):
        check_claims(tmp_path / "claims.json")


def test_a_ledger_of_another_registry_is_not_judged_by_this_one(ledger: Ledger, tmp_path: Path) -> None:
    ledger.save(tmp_path)
    entries = read_json(tmp_path / "claims.json")
    for entry in entries:
        entry["registry"]["hash"] = "0" * 16
    entries[0]["verdicts"]["phantom"]["verdict"] = "contradicted"
    write_json(tmp_path / "claims.json", entries)
    assert check_claims(tmp_path / "claims.json")[0]["verdicts"]["phantom"]["verdict"] == "contradicted"  # the page says that it is old


def test_ends_without_bound_survive_the_file(ledger: Ledger, tmp_path: Path) -> None:
    """JSON has no infinity: it comes back as what it was, and the verdict stays."""
    wide = ClaimFinding(estimate=2.0, low=1.2, high=np.inf, se=1.0, df=5.0, trainings=3, patients=90, unit="ratio", test="t")
    first = ledger.verdict("C1", "phantom")
    changed = replace(first, findings=(wide, replace(wide, role="over duplicate")))
    assert isinstance(changed, Verdict) and changed.verdict == "supported"
    entries = [
        replace(entry, verdicts={**entry.verdicts, "phantom": changed}) if entry.claim.id == "C1" else entry for entry in ledger.entries
    ]
    Ledger(tuple(entries)).save(tmp_path)
    assert check_claims(tmp_path / "claims.json")[0]["verdicts"]["phantom"]["verdict"] == "supported"
    assert read_json(tmp_path / "claims.json")[0]["verdicts"]["phantom"]["interval"] == [1.2, None]


def test_the_version_has_a_hash_of_its_own() -> None:
    assert len(set(HASHES.values())) == len(HASHES)


def test_command_writes_the_ledger(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(app, ["claims", "--out", str(out), "--quiet"]) == 0
    assert "C3" in capsys.readouterr().out
    content = read_json(out / "claims.json")
    assert [claim["id"] for claim in content] == [claim.id for claim in CLAIMS]
    assert len(read_json(out / "controls.json")) == 6
    assert set(pd.read_csv(out / "claims.csv")["claim"]) == {claim.id for claim in CLAIMS}
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


def test_records_of_one_class_say_so_in_every_claim(out: Path) -> None:
    records = read_records(out / "records")
    ill = records.table[records.table["label"].isin(records.positive)]
    write_records(out / "records" / "records.parquet", replace(records, table=ill))
    found = evaluate_claims(out)
    for claim in ("C1", "C2", "C3", "C4"):
        one = found.verdict(claim, "phantom")
        assert one.verdict == "not tested" and "one class only" in one.reason.split(";")[0], (claim, one.reason)


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
