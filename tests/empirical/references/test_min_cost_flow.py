"""Matching without replacement: as many matches as there can be, at the smallest total distance, against a search over all pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linear_sum_assignment

from empirical.cohorts import Cohort, CohortInfo
from empirical.references import ReferenceConfig, choose_references, min_cost_flow
from see_in_pairs.errors import InputError

INFO = CohortInfo("toy", "table", "healthy", ["sick"], "image", "a finding")
FAR = 1000.0


def training_cohort(rng: np.random.Generator, n: int, patients: int) -> Cohort:
    """Training queries whose references are among themselves: most patients are on both sides."""
    table = pd.DataFrame({"item_id": [f"i{k}" for k in range(n)], "image": "x.png", "label": rng.choice(["healthy", "sick"], n)})
    table["label"] = table["label"].mask(table.index == 0, "healthy")
    table["patient_id"] = [f"p{number}" for number in rng.integers(0, patients, n)]
    table["age"], table["weight"] = rng.integers(50, 58, n).astype(float), rng.integers(70, 74, n).astype(float)
    table["sex"] = rng.choice(["F", "M"], n)
    return Cohort(Path("toy"), INFO, table.assign(mask="", family="", site="", split="train", serves="", view="PA", sha256=""))


def distances(cohort: Cohort, calipers: dict[str, float], reuse: int) -> np.ndarray:
    """Distances of queries and reference slots, in calipers; infinite where they do not match."""
    query = cohort.table
    slot = query[query["label"] == "healthy"]
    slot = slot.loc[slot.index.repeat(reuse)]
    total = np.zeros((len(query), len(slot)))
    for column in ("sex", "patient_id"):
        same = query[column].to_numpy()[:, None] == slot[column].to_numpy()
        total[~same if column == "sex" else same] = np.inf
    for column, width in calipers.items():
        gap = np.abs(query[column].to_numpy()[:, None] - slot[column].to_numpy())
        total += np.where(gap > width, np.inf, gap / (width or 1.0))
    return total


@pytest.mark.parametrize("seed", range(60))
def test_the_assignment_is_the_best_of_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, reuse = int(rng.integers(6, 40)), int(rng.integers(1, 4))
    calipers = [{"age": 2.0}, {"age": 0.0}, {"age": 3.0, "weight": 1.0}, {}][seed % 4]
    cohort = training_cohort(rng, n, int(rng.integers(3, n + 1)))
    all_pairs = distances(cohort, calipers, reuse)
    possible = np.isfinite(all_pairs)
    rows, columns = linear_sum_assignment(np.where(possible, all_pairs - FAR, 0.0))
    best = all_pairs[rows, columns][possible[rows, columns]]
    config = ReferenceConfig(strategy="demographic", columns=("sex",), caliper=calipers, reuse=reuse, unmatched="leave_out")
    if not len(best):
        with pytest.raises(InputError, match="cannot be matched"):
            choose_references(cohort, "train", config, seed)
        return
    found = choose_references(cohort, "train", config, seed).table
    once = distances(cohort, calipers, 1)
    healthy = list(cohort.table.loc[cohort.table["label"] == "healthy", "item_id"])
    reached = np.array([once[int(row.item_id[1:]), healthy.index(row.reference_id)] for row in found.itertuples()])
    assert found["reference_id"].value_counts().max() <= reuse
    assert len(reached) == len(best)
    assert reached.sum() == pytest.approx(best.sum(), abs=1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_several_references_are_different_and_of_others(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cohort = training_cohort(rng, 60, 40)
    config = ReferenceConfig(strategy="demographic", columns=("sex",), m=2, reuse=6, unmatched="relax", relax=("age", "sex"))
    table = choose_references(cohort, "train", config, seed).table
    patient = cohort.table.set_index("item_id")["patient_id"]
    assert (table.groupby("item_id")["reference_id"].nunique() == 2).all()
    assert (patient[table["item_id"]].to_numpy() != patient[table["reference_id"]].to_numpy()).all()
    assert table["reference_id"].value_counts().max() <= 6


def test_patients_on_both_sides_may_be_grouped_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Grouping loses a few matches at most, and breaks no rule."""
    cohort = training_cohort(np.random.default_rng(0), 200, 90)
    config = ReferenceConfig(strategy="demographic", columns=("sex",), caliper={"age": 2}, reuse=2, unmatched="leave_out")
    exact = choose_references(cohort, "train", config, 0).table
    monkeypatch.setattr(min_cost_flow, "MOST_PAIRS", 1200)
    grouped = choose_references(cohort, "train", config, 0).table
    patient = cohort.table.set_index("item_id")["patient_id"]
    assert (patient[grouped["item_id"]].to_numpy() != patient[grouped["reference_id"]].to_numpy()).all()
    assert grouped["reference_id"].value_counts().max() <= 2
    assert 0.95 * len(exact) <= len(grouped) <= len(exact)
    monkeypatch.setattr(min_cost_flow, "MOST_PAIRS", 10)
    with pytest.raises(InputError, match="too many for an optimal assignment; round the column"):
        choose_references(cohort, "train", config, 0)


def test_who_goes_without_is_told_why() -> None:
    cohort = training_cohort(np.random.default_rng(0), 30, 30)
    few = cohort.table.assign(label=["healthy"] * 3 + ["sick"] * 27, sex="F", age=50.0)
    config = ReferenceConfig(strategy="demographic", reuse=1, unmatched="leave_out")
    outcome = choose_references(Cohort(cohort.folder, cohort.info, few), "train", config, 0)
    assert len(outcome.table) == 3 and len(outcome.left_out) == 27
    assert set(outcome.unmatched["reason"]) == {"those who match serve others (1 each)"}
