"""The kept tables of the study on few patients follow from the kept scores of its trainings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from empirical.evaluation.records import read_records
from see_in_pairs.roc import auroc

KEPT = Path(__file__).parents[3] / "docs" / "results" / "pocket-few-patients"


def test_areas_and_gains_follow_from_the_scores() -> None:
    records = read_records(KEPT / "records.parquet")  # of an earlier version, without the columns of questions
    assert set(records.table["question_id"]) == {""} and set(records.table["scale"]) == {"binary"}
    table = records.table.assign(positive=records.is_positive())
    areas = {
        key: auroc(rows["p_positive"].to_numpy(), rows["positive"].to_numpy())
        for key, rows in table.groupby(["arm", "n_train", "train_seed"])
    }
    assert len(areas) == 75 and set(table.groupby(["arm", "n_train", "train_seed"]).size()) == {500}
    for row in pd.read_csv(KEPT / "study.csv").itertuples():
        own = sorted(value for (arm, size, _), value in areas.items() if (arm, size) == (row.arm, row.n_train))
        assert own == pytest.approx(sorted(map(float, row.by_seed.split())), abs=5e-5)
        assert row.auroc == pytest.approx(np.mean(own), abs=1e-6)
    gains = pd.read_csv(KEPT / "comparisons.csv")
    means = {arm: np.mean([value for (one, *_), value in areas.items() if one == arm]) for arm in ("single", "pair", "duplicate")}
    curve = gains[gains["kind"] == "mean gain over the learning curve"].set_index(["a", "b"])["difference"]
    assert curve["pair", "single"] == pytest.approx(means["pair"] - means["single"], abs=1e-6)
    assert curve["pair", "duplicate"] == pytest.approx(means["pair"] - means["duplicate"], abs=1e-6)


def test_the_page_says_how_many_trainings_of_the_pair_went_well() -> None:
    study = pd.read_csv(KEPT / "study.csv").set_index(["arm", "n_train"])
    pair = np.array([float(value) for text in study.loc["pair", "by_seed"] for value in text.split()])
    page = (KEPT / "README.md").read_text(encoding="utf-8")
    assert (len(pair), int((pair >= 0.8).sum()), int((pair > 0.921).sum())) == (25, 17, 11)
    assert "Seventeen of the 25 trainings" in page and "11 lie above .921" in page and pair[pair < 0.8].max() < 0.68
