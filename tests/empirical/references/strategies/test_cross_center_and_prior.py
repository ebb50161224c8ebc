"""References by site, and a patient's own earlier images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from empirical.arms import ArmConfig, assign_references
from empirical.cohorts import Cohort, CohortInfo
from empirical.references import ReferenceConfig, choose_references
from see_in_pairs.errors import InputError

INFO = CohortInfo("toy", "table", "healthy", ["sick"], "image", "a finding")
OTHER, SAME = ReferenceConfig(strategy="cross_center"), ReferenceConfig(strategy="cross_center", site="same")
PRIOR = ReferenceConfig(strategy="prior")
SOMEBODY: dict[str, object] = {"split": "train", "follow_up": 0.0}


def cohort(rows: list[dict[str, object]]) -> Cohort:
    blank = {"mask": "", "family": "", "site": "", "serves": "", "sex": "F", "view": "PA", "sha256": "", "age": 50.0, "label": "healthy"}
    numbered = [blank | {"item_id": f"i{k}", "image": f"{k}.png", "patient_id": f"p{k}"} | row for k, row in enumerate(rows)]
    return Cohort(Path("toy"), INFO, pd.DataFrame(numbered))


POOL: list[dict[str, object]] = [{"split": "train", "site": site} for site in ("a", "a", "b", "b", "")]


def test_sites_are_the_same_or_another_and_an_unknown_one_is_neither() -> None:
    data = cohort([*POOL, {"split": "test", "site": "a", "item_id": "q"}])
    drawn = {
        config.site: {choose_references(data, "test", config, seed).table["reference_id"][0] for seed in range(40)}
        for config in (OTHER, SAME)
    }
    assert drawn == {"other": {"i2", "i3"}, "same": {"i0", "i1"}}


@pytest.mark.parametrize(("site", "words"), [("", "site missing"), ("c", "0 of 1 references from the same site")])
def test_a_query_without_a_reference_of_its_site_stops_or_is_relaxed_or_left_out(site: str, words: str) -> None:
    data = cohort([*POOL, {"split": "test", "site": site, "item_id": "q"}, {"split": "test", "site": "a", "item_id": "r"}])
    with pytest.raises(InputError, match=rf"1 of 2 queries cannot be matched: q \({words}\); set unmatched"):
        choose_references(data, "test", SAME, seed=0)
    relaxed = choose_references(data, "test", SAME.model_copy(update={"unmatched": "relax"}), seed=0)
    assert relaxed.unmatched.to_dict("records") == [{"item_id": "q", "reason": f"{words}; relaxed: site"}]
    left = choose_references(data, "test", SAME.model_copy(update={"unmatched": "leave_out"}), seed=0)
    assert left.left_out == {"q"} and left.table["item_id"].tolist() == ["r"]


def visits(*labels: str, split: str = "test", patient: str = "x") -> list[dict[str, object]]:
    return [
        {"split": split, "label": label, "patient_id": patient, "item_id": f"{patient}{visit}", "follow_up": float(visit)}
        for visit, label in enumerate(labels)
    ]


def test_the_latest_earlier_healthy_images_of_the_patient() -> None:
    data = cohort([SOMEBODY, *visits("healthy", "healthy", "sick", "healthy", "sick")])
    relaxed = choose_references(data, "test", PRIOR.model_copy(update={"unmatched": "relax"}), seed=0)
    assert dict(zip(relaxed.table["item_id"], relaxed.table["reference_id"], strict=True)) == {
        "x0": "i0",  # the first has none before it
        "x1": "x0",
        "x2": "x1",
        "x3": "x1",
        "x4": "x3",
    }
    assert relaxed.table["note"][4] == "prior: follow_up 3, the query's 4"
    assert relaxed.unmatched.to_dict("records") == [{"item_id": "x0", "reason": "0 of 1 earlier healthy images; relaxed: patient"}]
    two = ReferenceConfig(strategy="prior", m=2, unmatched="leave_out")
    table = choose_references(data, "test", two, seed=0).table
    assert table.groupby("item_id")["reference_id"].apply(list).to_dict() == {"x2": ["x1", "x0"], "x3": ["x1", "x0"], "x4": ["x3", "x1"]}


def test_what_is_kept_as_a_prior_serves_its_own_patient_alone() -> None:
    kept = [row | {"split": "reference", "serves": "prior"} for row in visits("healthy", patient="y")]
    later = [row | {"follow_up": 5.0, "item_id": "q", "label": "sick"} for row in visits("sick", patient="y")]
    data = cohort([SOMEBODY, *kept, *later, *visits("sick", patient="z")])
    relaxed = choose_references(data, "test", PRIOR.model_copy(update={"unmatched": "relax"}), seed=0)
    assert dict(zip(relaxed.table["item_id"], relaxed.table["reference_id"], strict=True)) == {"q": "y0", "z0": "i0"}
    random = choose_references(data, "test", ReferenceConfig(), seed=0).table
    assert set(random["reference_id"]) == {"i0"}


def test_a_querys_own_label_does_not_decide_its_prior() -> None:
    labels = ["healthy", "healthy", "sick", "healthy"]
    expected = choose_references(cohort([SOMEBODY, *visits(*labels)]), "test", PRIOR.model_copy(update={"unmatched": "leave_out"}), 0).table
    for visit in range(1, 4):
        flipped = [*labels[:visit], "sick" if labels[visit] == "healthy" else "healthy", *labels[visit + 1 :]]
        found = choose_references(cohort([SOMEBODY, *visits(*flipped)]), "test", PRIOR.model_copy(update={"unmatched": "leave_out"}), 0)
        own = [table.set_index("item_id").loc[f"x{visit}", "reference_id"] for table in (found.table, expected)]
        assert own[0] == own[1]


def test_the_audit_lets_priors_pass_and_nothing_else_of_the_same_patient() -> None:
    rows = [SOMEBODY, *visits("healthy", "sick"), *visits("healthy", "healthy", patient="y")]
    arm = ArmConfig.model_validate({"arm": "pair", "references": {"strategy": "prior", "unmatched": "leave_out"}})
    found = assign_references(cohort(rows), "test", arm, seed=0)
    assert found is not None and found.left_out == {"x0", "y0"}


@pytest.mark.parametrize("column", [None, "words"])
def test_a_cohort_without_follow_ups_is_one_line(column: str | None) -> None:
    data = cohort([SOMEBODY, *visits("healthy", "sick")])
    data.table["words"] = "now"
    broken = data.table.drop(columns="follow_up") if column is None else data.table
    config = PRIOR if column is None else PRIOR.model_copy(update={"order": column})
    with pytest.raises(InputError, match=r"no numeric column '(follow_up|words)' that tells which image of a patient came first"):
        choose_references(Cohort(data.folder, data.info, broken), "test", config, seed=0)
    with pytest.raises(InputError, match="x0 \\(follow_up missing\\)"):
        choose_references(Cohort(data.folder, data.info, data.table.assign(follow_up=np.nan)), "test", PRIOR, seed=0)
