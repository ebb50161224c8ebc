"""Areas and comparisons from records whose truth is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, ndtr
from scipy.stats import t as student

from empirical.evaluation.records import Records
from paper_figures.statistics import clustered_auroc_difference, random_factors_contrast
from paper_figures.study.tables import ONE_MODEL, CurvePoint, area_rows, comparison_rows
from see_in_pairs.errors import InputError

ITEMS = 200


def records(rng: np.random.Generator, separation: float, healthy: np.ndarray, items: int = ITEMS) -> Records:
    positive = np.arange(items) % 2 == 0
    score = separation * positive + healthy[:items] + 0.5 * rng.normal(size=items)
    order = rng.permutation(items)  # rows come in any order
    table = pd.DataFrame({
        "item_id": [f"i{number:03d}" for number in range(items)], "patient_id": [f"p{number:03d}" for number in range(items)],
        "label": np.where(positive, "ill", "well"), "p_positive": expit(score),
        "reference_ids": [()] * items,
    }).iloc[order]  # fmt: skip
    return Records(table.reset_index(drop=True), ("ill",), "well")


@pytest.fixture
def points() -> list[CurvePoint]:
    """Pairs separate by 2 and single images by 1, both by 0 off the shelf; two seeds."""
    rng = np.random.default_rng(0)
    healthy = rng.normal(size=ITEMS)

    def point(cohort: str, arm: str, n_train: int, separation: float, seeds: tuple[int, ...]) -> CurvePoint:
        return CurvePoint(cohort, arm, n_train, {seed: records(rng, separation, healthy) for seed in seeds})

    return [
        point("near", "pair", 0, 0.0, (0,)), point("near", "single", 0, 0.0, (0,)),
        point("near", "pair", 50, 2.0, (0, 1, 2)), point("near", "single", 50, 1.0, (0, 1, 2, 3)),
        point("near", "single", 200, 1.2, (1, 2)), point("far", "pair", 50, 1.0, (0, 1)),
    ]  # fmt: skip


def test_areas(points: list[CurvePoint]) -> None:
    rows = {(row["cohort"], row["arm"], row["n_train"]): row for row in area_rows(points)}
    truth = ndtr(2.0 / np.sqrt(2 * 1.25))
    found = rows["near", "pair", 50]
    assert found["low"] < truth < found["high"] and found["seeds"] == 3 and found["p"] < 1e-6
    once = rows["near", "pair", 0]
    assert once["note"] == ONE_MODEL and once["low"] < 0.5 < once["high"] and once["p"] > 0.01


def test_comparisons_use_the_seeds_that_both_have(points: list[CurvePoint]) -> None:
    rows = comparison_rows(points, [("pair", "single")], {"near": "q", "far": "q"})
    found = {(row["kind"], row["cohort"], row["n_train"], row["n_train_b"]): row for row in rows}
    gain = found["gain", "near", 50, 50]
    pair, single = points[2], points[3]
    positive = pair.items["positive"].to_numpy()
    expected = random_factors_contrast([pair.scores([0, 1, 2]), single.scores([0, 1, 2])], positive, pair.items["patient_id"])
    assert (gain["difference"], gain["low"], gain["high"], gain["p"]) == pytest.approx((expected.estimate, *expected.interval, expected.p))
    assert gain["seeds"] == 3
    off = found["gain", "near", 0, 0]
    alone = clustered_auroc_difference([points[0].scores([0])[0], points[1].scores([0])[0]], positive, pair.items["patient_id"])
    assert (off["difference"], off["p"]) == pytest.approx((alone.estimate, alone.p), rel=0.02)  # other degrees of freedom
    after = found["gain after minus before finetuning", "near", 50, 50]
    assert after["difference"] == pytest.approx(gain["difference"] - off["difference"])
    assert found["on fewer patients", "near", 50, 200]["seeds"] == 2
    assert found["gain", "far", 50, 50]["seeds"] == 2  # against the single arm of the other cohort
    assert set(found) == {
        ("gain", "near", 0, 0), ("gain", "near", 50, 50), ("gain after minus before finetuning", "near", 50, 50),
        ("on fewer patients", "near", 50, 200), ("gain", "far", 50, 50), ("on fewer patients", "far", 50, 200),
    }  # fmt: skip


def test_cohorts_of_other_queries_do_not_stand_in(points: list[CurvePoint]) -> None:
    rows = comparison_rows(points, [("pair", "single")], {"near": "q", "far": "other"})
    assert {row["cohort"] for row in rows} == {"near"}


def test_holm_within_a_kind(points: list[CurvePoint]) -> None:
    rows = [row for row in comparison_rows(points, [("pair", "single")], {"near": "q", "far": "q"}) if row["kind"] == "gain"]
    p = sorted(row["p"] for row in rows)
    smallest = min(rows, key=lambda row: row["p"])
    assert smallest["p_holm"] == pytest.approx(min(1, 3 * p[0]))


def test_what_cannot_be_compared(points: list[CurvePoint]) -> None:
    short = CurvePoint("near", "single", 50, {0: records(np.random.default_rng(1), 1.0, np.zeros(ITEMS), items=20)})
    with pytest.raises(InputError, match="scored on other items"):
        comparison_rows([points[2], short], [("pair", "single")], {"near": "q"})
    apart = CurvePoint("near", "single", 50, {7: records(np.random.default_rng(1), 1.0, np.zeros(ITEMS))})
    (row,) = comparison_rows([points[2], apart], [("pair", "single")], {"near": "q"})
    assert row["note"] == row["reason"] == "no seed in common" and np.isnan(row["difference"])
    assert not row["admissible"] and np.isnan([row["se"], row["df"]]).all()


def test_references_that_serve_several_patients_are_random_too() -> None:
    """Every fifth item has the same healthy image, which moves its scores: the interval is wider than without its name."""
    rng = np.random.default_rng(3)
    effect = rng.normal(size=10)[np.arange(ITEMS) % 10] * np.where(np.arange(ITEMS) % 2 == 0, 1, -1)
    made = {arm: {seed: records(rng, 1.5, 0.8 * effect * (arm == "pair")) for seed in (0, 1, 2)} for arm in ("pair", "single")}
    alone = comparison_rows([CurvePoint("c", arm, 50, made[arm]) for arm in made], [("pair", "single")], {"c": "q"})
    for one in made["pair"].values():
        one.table["reference_ids"] = [[f"r{int(item[1:]) % 10}"] for item in one.table["item_id"]]
    shared = comparison_rows([CurvePoint("c", arm, 50, made[arm]) for arm in made], [("pair", "single")], {"c": "q"})
    width = [rows[0]["high"] - rows[0]["low"] for rows in (alone, shared)]
    assert width[1] > 1.3 * width[0]
    assert np.isnan(alone[0]["references"]) and shared[0]["references"] == pytest.approx(10)
    for table in (one.table for one in made["pair"].values()):  # the same for all but 20 patients
        table["reference_ids"] = [["often" if int(item[1:]) >= 20 else f"r{item}"] for item in table["item_id"]]
    (row,) = comparison_rows([CurvePoint("c", arm, 50, made[arm]) for arm in made], [("pair", "single")], {"c": "q"})
    uses = np.array([180, *[1] * 20])
    assert row["references"] == pytest.approx(uses.sum() ** 2 / (uses**2).sum())
    assert not row["admissible"] and "references, which by their use count as 1.2, are too few" in row["reason"]
    for table in (one.table for one in made["pair"].values()):
        table["reference_ids"] = [["the one"] for _ in table["item_id"]]
    (row,) = comparison_rows([CurvePoint("c", arm, 50, made[arm]) for arm in made], [("pair", "single")], {"c": "q"})
    assert row["references"] == 1 and "for this reference" in row["note"]


def test_standard_error_and_degrees_of_freedom_give_the_interval_and_few_trainings_no_verdict(points: list[CurvePoint]) -> None:
    rows = [*comparison_rows(points, [("pair", "single")], {"near": "q", "far": "q"}), *area_rows(points)]
    for row in rows:
        value = row["difference"] if "difference" in row else row["auroc"]
        low, high = value + row["se"] * student.ppf([0.025, 0.975], row["df"])
        assert (row["low"], row["high"]) == pytest.approx((low, min(high, 1.0)), abs=1e-9)
        # a statement about one model; three trainings of each of two arms; of one arm alone five are needed
        assert row["admissible"] == (row["reason"] == "") == (row["seeds"] == 1 or ("difference" in row and row["seeds"] > 2))
        assert row["admissible"] or "trainings (or readers) of an arm" in row["reason"]
