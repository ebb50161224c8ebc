"""C6 and C8: verdicts from tables whose truth is known, and one line where a table is missing or does not fit."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from empirical.analysis.alignment import alignment_draws, debiased_cka
from empirical.cohorts import Cohort
from paper_figures.claims import evaluate_claims
from paper_figures.claims.evidence import Evidence
from paper_figures.claims.interpretability import METHODS, from_runs
from paper_figures.claims.ledger import Verdict
from paper_figures.claims.registry import MAIN_RHO
from paper_figures.cli import app
from paper_figures.results.runs import RunResults
from see_in_pairs.console import run_app
from see_in_pairs.errors import InputError
from see_in_pairs.files import write_parquet, write_text

PATIENTS = np.array([f"p{number:02d}" for number in range(30)])


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """The records and cohorts of the finished folder (not to be written to), and an ``analysis/`` of one's own."""
    for name in ("records", "theory", "cohorts"):
        (tmp_path / name).symlink_to(finished / name)
    return tmp_path


def identity_columns(folder: Path, arm: str, seed: int = 0, rho: str = "0.90") -> dict[str, object]:
    strategy = "demographic" if arm == "pair" else ""
    what = {"run_id": arm, "arm": arm, "strategy": strategy, "train_arm": arm, "train_strategy": strategy, "train_seed": seed}
    return what | {"cohort_hash": Cohort.load(folder / "cohorts" / f"rho-{rho}").hash}


def representations(noise: float, patients: int = 30, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images and answers of two layers: after the first they have nothing in common, after the last all but the noise."""
    rng = np.random.default_rng(seed)
    shared, other = rng.normal(size=(2, patients, 6))
    return np.stack([other, shared]), np.stack([shared, shared + noise * rng.normal(size=shared.shape)])


def align(folder: Path, arm: str, noise: float, **changes: object) -> pd.DataFrame:
    table = alignment_draws(*representations(noise, seed=int(arm == "pair")), PATIENTS)
    table = table.assign(**(identity_columns(folder, arm) | {"items": 30, "patients": 30, "drawn_from": "x"} | changes))  # type: ignore[arg-type]
    write_parquet(folder / "analysis" / f"alignment-{arm}-{table['train_seed'].iloc[0]}" / "alignment_draws.parquet", table)
    return table


def attribute(folder: Path, arm: str, more: dict[str, float], patients: int = 30, **changes: object) -> pd.DataFrame:
    """A lesion of a tenth of the picture; the share on it is `more` than that, give or take .05."""
    rng = np.random.default_rng(int(arm == "pair"))
    rows = [
        {"item_id": f"i-{patient}-{k}", "patient_id": patient, "method": method, "share": 0.1 + extra + 0.05 * rng.normal()}
        for patient in PATIENTS[:patients]
        for k in range(2)
        for method, extra in more.items()
    ]  # fmt: skip
    table = pd.DataFrame(rows).assign(expected=0.1, **(identity_columns(folder, arm) | changes))  # type: ignore[arg-type]
    write_text(folder / "analysis" / f"attribution-{arm}" / "attribution.csv", table.to_csv(index=False))
    return table


def both(value: float) -> dict[str, float]:
    return dict.fromkeys(METHODS, value)


def judged(folder: Path, claim: str, rho: float | None = MAIN_RHO) -> Verdict:
    return from_runs(Evidence(RunResults(folder), rho), "toy")[claim]


@pytest.mark.parametrize(("single", "pair", "verdict"), [(2.0, 0.5, "supported"), (0.5, 2.0, "contradicted"), (1.0, 1.0, "inconclusive")])
def test_alignment_is_judged_by_the_last_layer(folder: Path, single: float, pair: float, verdict: str) -> None:
    align(folder, "single", single)
    align(folder, "pair", pair)
    found = judged(folder, "C6")
    after, before = (debiased_cka(x[1], y[1]) for x, y in (representations(pair, seed=1), representations(single)))
    assert (found.verdict, found.n, found.unit) == (verdict, 30, "linear CKA")
    assert found.estimate == pytest.approx(after - before)
    assert f"CKA {before:.3f} single, {after:.3f} pair after layer 1" in found.reason
    assert found.interval is not None and (found.interval[0] > 0) - (found.interval[1] < 0) == (pair < single) - (pair > single)
    assert found.p is not None and found.p_holm == pytest.approx(min(1, 3 * found.p))  # C8, by two methods, is untested and counts


def test_the_interval_is_that_of_the_same_halves_in_both_arms(folder: Path) -> None:
    tables = [align(folder, "pair", 0.5), align(folder, "single", 2.0)]
    last = [table.query("layer == 1 and measure == 'debiased_cka'").sort_values("draw")["value"].to_numpy() for table in tables]
    error = np.std((last[0] - last[1])[1:], ddof=1)
    found = judged(folder, "C6")
    assert found.interval == pytest.approx(found.estimate + np.array([-1, 1]) * 2.045 * error, abs=1e-4)  # t of 29 degrees of freedom


def test_intervals_of_the_difference_keep_their_level(folder: Path) -> None:
    """Two arms alike in truth, on the same patients: 60 intervals of 95 % leave 0 out more than nine times by chance once in 700."""
    from paper_figures.claims.interpretability import _alignment_difference

    missed = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        patient = rng.normal(size=(40, 4))  # shared by both arms, as images of the same patients are
        tables = []
        for _ in range(2):
            x, y = (patient + rng.normal(size=patient.shape) for _ in range(2))
            draws = alignment_draws(x[None], y[None], np.arange(40))
            tables.append(draws.assign(train_seed="0", items=40, patients=40))
        found = _alignment_difference(tables[0], tables[1], "debiased_cka", 0)
        missed += not found.low < 0 < found.high
    assert missed <= 9


def test_an_odd_number_of_patients_leaves_more_out_than_in() -> None:
    """The spread of a mean over all samples of 5 of 11 is known: s^2 (1/5 - 1/11); the error must be that of the whole, s / sqrt(11)."""
    from paper_figures.claims.interpretability import _alignment_difference

    scores = np.random.default_rng(5).normal(size=11)
    values = [scores.mean(), *(scores[list(chosen)].mean() for chosen in combinations(range(11), 5))]
    pair = pd.DataFrame({"layer": 0, "measure": "cka", "draw": range(len(values)), "value": values, "train_seed": 0})
    found = _alignment_difference(pair.assign(items=11, patients=11), pair.assign(value=0.0), "cka", 0)
    assert (found.high - found.low) / 2 == pytest.approx(2.228 * scores.std(ddof=1) / np.sqrt(11), rel=2 / len(values))  # t of 10 degrees


def test_training_seeds_are_averaged_and_must_be_the_same_in_both_arms(folder: Path) -> None:
    values = {}
    for seed in (0, 1):
        for arm, noise in (("pair", 0.5 + seed), ("single", 2.0)):
            table = align(folder, arm, noise, train_seed=seed)
            values[arm, seed] = table.query("layer == 1 and measure == 'debiased_cka' and draw == 0")["value"].item()
    gains = [values["pair", seed] - values["single", seed] for seed in (0, 1)]
    assert judged(folder, "C6").estimate == pytest.approx(np.mean(gains))
    (folder / "analysis" / "alignment-pair-1" / "alignment_draws.parquet").unlink()
    with pytest.raises(InputError, match="not of the same training seeds"):
        judged(folder, "C6")


@pytest.mark.parametrize(
    ("single", "pair", "patients", "verdict", "words"),
    [
        (both(0.1), both(0.3), 30, "supported", "beyond chance 0.1"),
        (both(0.3), both(0.1), 30, "contradicted", "below 0"),
        (both(0.2), both(0.2), 30, "inconclusive", "not distinguishable from 0"),
        (both(0.1), {"integrated_gradients": 0.3, "occlusion": 0.0}, 30, "inconclusive", "by occlusion: contradicted"),
        (both(-0.08), both(-0.05), 30, "inconclusive", "in the pair arm no more than by chance lies on the lesion"),
        (both(0.1), both(0.3), 9, "inconclusive", "9 patients are too few"),
    ],
)
def test_attribution_is_judged_by_both_methods(
    folder: Path, single: dict[str, float], pair: dict[str, float], patients: int, verdict: str, words: str
) -> None:
    tables = [attribute(folder, arm, more, patients) for arm, more in (("single", single), ("pair", pair))]
    found = judged(folder, "C8")
    assert found.verdict == verdict and words in found.reason
    if found.estimate is not None:
        assert found.n == patients and found.interval is not None and found.interval[0] < found.estimate < found.interval[1]
        means = [table.groupby("method")["share"].mean() for table in tables]
        assert min(abs(means[1] - means[0] - found.estimate)) < 1e-9


def test_the_attribution_interval_is_over_patients_and_nothing_positive_is_nothing_on_the_lesion(folder: Path) -> None:
    rng = np.random.default_rng(0)
    gains = rng.normal(0.2, 0.1, size=30)
    for arm in ("single", "pair"):
        table = attribute(folder, arm, both(0.0))
        place = table["patient_id"].str[1:].astype(int)
        share = 0.3 + gains[place] if arm == "pair" else pd.Series(0.3, index=table.index)  # the two items of a patient are the same
        share[table["item_id"] == "i-p00-0"] = np.nan
        write_text(folder / "analysis" / f"attribution-{arm}" / "attribution.csv", table.assign(share=share).to_csv(index=False))
    found = judged(folder, "C8")
    gains[0] /= 2  # one of its two items has no share in both arms
    assert found.estimate == pytest.approx(gains.mean()) and found.interval is not None
    error = gains.std() / np.sqrt(30)
    assert found.interval == pytest.approx(gains.mean() + np.array([-1.96, 1.96]) * error, abs=0.25 * error)


def test_without_tables_the_claims_are_not_tested_and_the_command_is_said(folder: Path) -> None:
    ledger = evaluate_claims(folder, real=folder)
    for claim, command in (("C6", "alignment"), ("C8", "attribution")):
        for source in ("phantom", "real"):
            found = ledger.verdict(claim, source)
            assert found.verdict == "not tested" and found.estimate is None
            assert f"'see-in-pairs analyse {command} CONFIG.yaml --out OUT/analysis/{command}-ARM'" in found.reason
        assert ledger.verdict(claim, "theory").reason == "there is no trained model to look into"
    assert evaluate_claims(folder).verdict("C6", "real").reason == "no folder of real runs was given (--real DIR)"
    align(folder, "single", 1.0)
    attribute(folder, "pair", both(0.1), train_arm="single", train_strategy="")  # a model of another arm, shown pairs
    assert "no analysis of a model finetuned and shown: pair" in judged(folder, "C6").reason
    assert "no analysis of a model finetuned and shown: single, pair" in judged(folder, "C8").reason
    attribute(folder, "pair", both(0.1), train_arm="multi")  # references chosen alike, but several of them
    assert "no analysis of a model finetuned and shown: single, pair" in judged(folder, "C8").reason


def test_pairs_of_another_phantom_are_left_alone(folder: Path) -> None:
    for arm, noise in (("single", 2.0), ("pair", 0.5)):
        align(folder, arm, noise)
    before = judged(folder, "C6")
    align(folder, "pair", 2.0, train_seed=1, cohort_hash=identity_columns(folder, "pair", rho="0.50")["cohort_hash"])
    assert judged(folder, "C6") == before


def spoil(folder: Path, name: str, **changes: object) -> None:
    path = folder / "analysis" / name
    table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    table = table.assign(**changes) if changes else table.drop(columns="arm")  # type: ignore[arg-type]
    if path.suffix == ".parquet":
        return write_parquet(path, table)
    write_text(path, table.to_csv(index=False))


ALIGNED, ATTRIBUTED = "alignment-pair-0/alignment_draws.parquet", "attribution-pair/attribution.csv"


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        (ALIGNED, {}, r"alignment-pair-0/alignment_draws.parquet: lacks the column\(s\) arm; make it anew with 'see-in-pairs analyse"),
        (ATTRIBUTED, {}, r"attribution-pair/attribution.csv: lacks the column\(s\) arm"),
        (ALIGNED, {"layer": "last"}, "column 'layer' holds what is no number"),
        (ALIGNED, {"patients": np.nan}, "column 'patients' holds what is no number"),
        (ALIGNED, {"value": np.inf}, "column 'value' holds what is no number"),
        (ATTRIBUTED, {"share": "much"}, "column 'share' holds what is no number"),
        (ATTRIBUTED, {"expected": None}, "column 'expected' holds what is no number"),
        (ALIGNED, {"drawn_from": "y"}, "not about the same items, or were drawn with another --seed"),
        (ALIGNED, {"layer": 7}, r"'pair' \(seed 0\) is there more than once"),
        (ALIGNED, {"layer": lambda table: table["layer"] + 1}, "models of 1, 2 layers"),
        (ALIGNED, {"draw": lambda table: table["draw"] + 1}, "lack debiased_cka of the same draws"),
        (ALIGNED, {"measure": lambda table: table["measure"].replace("debiased_cka", "other")}, "lack debiased_cka of the same draws"),
        (ATTRIBUTED, {"method": lambda table: table["method"].replace("occlusion", "other")}, "not about the same items, each by integ"),
        (ATTRIBUTED, {"item_id": lambda table: table["item_id"] + "x"}, "not about the same items"),
        (ATTRIBUTED, {"train_seed": 3}, "not of the same training seeds"),
        (ATTRIBUTED, {"method": "occlusion"}, r"'pair' \(seed 0\) is there more than once"),
    ],
)
def test_tables_that_do_not_fit_are_one_line(folder: Path, name: str, changes: dict[str, object], said: str) -> None:
    for arm, value in (("single", 0.1), ("pair", 0.3)):
        align(folder, arm, 1 - value) if "alignment" in name else attribute(folder, arm, both(value))
    spoil(folder, name, **changes)
    with pytest.raises(InputError, match=said) as error:
        from_runs(Evidence(RunResults(folder), None), "toy")
    assert "\n" not in str(error.value) and str(folder) not in str(error.value)


def test_arms_of_different_cohorts_are_refused_and_the_command_ends_with_2(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "real" / "records").mkdir(parents=True)
    (tmp_path / "real" / "records" / "records.parquet").symlink_to(folder / "records" / "records.parquet")  # no word of cohorts
    (tmp_path / "real" / "analysis").symlink_to(folder / "analysis")
    attribute(folder, "single", both(0.1))
    attribute(folder, "pair", both(0.3))
    assert judged(tmp_path / "real", "C8", rho=None).verdict == "supported"
    attribute(folder, "pair", both(0.3), cohort_hash="another")
    with pytest.raises(InputError, match="not of the same cohort"):
        judged(tmp_path / "real", "C8", rho=None)
    (folder / "analysis" / "attribution-pair" / "attribution.csv").write_bytes(b"")
    assert run_app(app, ["claims", "--out", str(folder), "--quiet"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "attribution.csv: cannot be read as a table" in line
