"""What studies with several training seeds say of C3 (after finetuning), C4 (strategies), C5 (learning curves) and C7 (several cohorts)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from paper_figures.claims.ledger import ClaimFinding, Verdict, judge_family, not_tested
from paper_figures.claims.strategies import STRATEGIES, judge_gains
from paper_figures.results.estimates import Estimate
from paper_figures.study.config import SETTINGS
from paper_figures.study.tables import AFTER, CURVE, GAIN
from see_in_pairs.errors import InputError, first_few
from see_in_pairs.files import read_json_object, read_table

if TYPE_CHECKING:
    import pandas as pd

TEST = "trainings, patients and references random at once, t"
COLUMNS = {"kind", "cohort", "a", "b", "n_train", "n_train_b", "seeds", "items", "patients", "difference", "low", "high", "p"}
FEWEST_SEEDS = 2
NAMES = {"demographic" if name == "pair" else name: words for name, words in STRATEGIES.items()}
"""Strategies, and the claim's words for their references."""


def study_verdicts(folder: Path) -> tuple[str, dict[str, Verdict]]:
    """Judge what a study speaks to: C3 and C5, of a real study C7 as well; C4 where each strategy of choosing references was finetuned.

    Returns the source of evidence, ``'phantom'`` or ``'real'``, and verdicts by claim.
    """
    config, gains = _read(folder)
    sources = {"real" if source["phantom"] is None else "phantom" for source in config["cohorts"].values()}
    if len(sources) > 1:
        raise InputError(f"{folder}: mixes phantoms and real cohorts; judge them by studies of their own")
    (source,) = sources
    pair, single = _main_arms(config)
    if pair is None or single is None:
        reason = "the study has no arm of references matched (demographic), or no single arm"
        return source, {claim: not_tested(reason) for claim in ("C3", "C5")}
    rows = gains[(gains["a"] == pair) & (gains["b"] == single) & (gains["seeds"] >= FEWEST_SEEDS)]
    family = f"claims, {source} study"
    verdicts = judge_family({"C3": _after(rows), "C5": _curve(rows)}, family) | _strategies(config, gains, single, family)
    return source, verdicts if source == "phantom" else verdicts | {"C7": _cohorts(rows, list(config["cohorts"]), family)}


def _read(folder: Path) -> tuple[dict[str, Any], pd.DataFrame]:
    settings, table = folder / SETTINGS, folder / "comparisons.csv"
    if not (settings.is_file() and table.is_file()):
        raise InputError(f"{folder}: holds no study with comparisons; make it with 'see-in-pairs study STUDY.yaml --out {folder}'")
    gains = read_table(table)
    if missing := COLUMNS - set(gains.columns):
        raise InputError(f"{table}: lacks the column(s) {first_few(sorted(missing))}; run the study again, it goes on from what is there")
    return read_json_object(settings), gains


def _main_arms(config: dict[str, Any]) -> tuple[str | None, str | None]:
    """Find the pair with matched references and the single image."""

    def matched(arm: dict[str, Any]) -> bool:
        return arm["arm"] == "pair" and arm["references"]["strategy"] == "demographic"

    arms = config["arms"]
    pairs, singles = [name for name, arm in arms.items() if matched(arm)], [name for name, arm in arms.items() if arm["arm"] == "single"]
    return next(iter(pairs), None), next(iter(singles), None)


def _after(rows: pd.DataFrame) -> ClaimFinding | str:
    """Test C3 at the largest number of patients, in the first cohort that was scored off the shelf."""
    found = _of_first_cohort(rows, AFTER)
    if not len(found):
        return "no study scored the model off the shelf (n_train 0) and finetuned it with several seeds"
    row = _row(found, -1)
    gains = rows[(rows["kind"] == GAIN) & (rows["cohort"] == row["cohort"])].sort_values("n_train")
    return ClaimFinding(_estimate(row, "gain in AUROC, after less before"), f"gains after finetuning: {_by_size(gains)}")


def _curve(rows: pd.DataFrame) -> ClaimFinding | str:
    """Test C5 by the mean gain over the numbers of patients."""
    found = _of_first_cohort(rows, CURVE)
    if not len(found):
        return "needs models finetuned on several numbers of patients, with several seeds: 'see-in-pairs study'"
    row = _row(found, 0)
    gains = rows[(rows["kind"] == GAIN) & (rows["cohort"] == row["cohort"]) & (rows["n_train"] > 0)].sort_values("n_train")
    return ClaimFinding(_estimate(row, "gain in AUROC, mean over numbers of patients"), f"gains: {_by_size(gains)}")


def _strategies(config: dict[str, Any], gains: pd.DataFrame, single: str, family: str) -> dict[str, Verdict]:
    """Judge C4 in the first cohort, at the largest number of patients, at which each strategy was finetuned with several seeds."""
    strategy = {name: arm["references"]["strategy"] for name, arm in config["arms"].items() if arm["arm"] == "pair"}
    rows = gains[(gains["kind"] == GAIN) & (gains["b"] == single) & (gains["n_train"] > 0) & (gains["seeds"] >= FEWEST_SEEDS)]
    rows = rows.assign(strategy=rows["a"].map(strategy)).dropna(subset="strategy").sort_values("n_train", ascending=False, kind="stable")
    for _, found in rows.groupby(["cohort", "n_train"], sort=False):
        first = found.drop_duplicates("strategy").set_index("strategy")
        if set(NAMES) <= set(first.index):
            gains_of = {words: _estimate(_row(first.loc[[name]], 0), "gain in AUROC") for name, words in NAMES.items()}
            return {"C4": judge_gains(gains_of, family)}
    return {}


def _cohorts(rows: pd.DataFrame, cohorts: list[str], family: str) -> Verdict:
    """Judge C7: the gain in each cohort at its largest number of patients."""
    gains = rows[(rows["kind"] == GAIN) & (rows["n_train"] > 0)].sort_values("n_train").groupby("cohort").tail(1).set_index("cohort")
    if len(gains) < 2:
        return not_tested("needs several cohorts, each finetuned with several seeds")
    found = {name: ClaimFinding(_estimate(_row(gains.loc[[name]], 0), "gain in AUROC")) for name in cohorts if name in gains.index}
    judged = judge_family(found, f"{family}, cohorts")
    by_cohort = "; ".join(f"{name} {one.estimate}: {judged[name].verdict}" for name, one in found.items())
    verdicts = {one.verdict for one in judged.values()}
    if "contradicted" in verdicts:
        return Verdict("contradicted", f"the gain is below 0 in a cohort; {by_cohort}", family=f"{family}, cohorts")
    if verdicts == {"supported"}:
        return Verdict("supported", f"the gain is above 0 in each cohort; {by_cohort}", family=f"{family}, cohorts")
    return Verdict("inconclusive", by_cohort, family=f"{family}, cohorts")


def _row(table: pd.DataFrame, number: int) -> dict[str, Any]:
    return {str(name): value for name, value in table.iloc[number].items()}


def _of_first_cohort(rows: pd.DataFrame, kind: str) -> pd.DataFrame:
    found = rows[rows["kind"] == kind]
    return found[found["cohort"] == found["cohort"].iloc[0]].sort_values("n_train") if len(found) else found


def _estimate(row: dict[str, Any], unit: str) -> Estimate:
    value, low, high, p = (float(row[name]) for name in ("difference", "low", "high", "p"))
    reason = str(row.get("note", "")) if value != value else ""
    return Estimate(value, low, high, p, unit, f"{TEST}; {int(row['seeds'])} seeds", int(row["items"]), int(row["patients"]), reason)


def _by_size(gains: pd.DataFrame) -> str:
    rows: list[dict[str, Any]] = gains.to_dict("records")  # type: ignore[assignment]
    return ", ".join(f"{_estimate(row, '')} with {int(row['n_train']):,} patients" for row in rows)
