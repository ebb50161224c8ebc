"""Strategies on real chest X-rays; the audit of every assignment is part of getting it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from empirical.arms import ArmConfig, assign_references
from empirical.cohorts import Cohort
from empirical.cohorts.readers.nih import import_nih
from empirical.references.diagnostics.balance import balance_table

ROOT = Path(os.environ.get("SEE_IN_PAIRS_DATA", "")) / "nih-chestxray14"
pytestmark = pytest.mark.skipif(
    "SEE_IN_PAIRS_DATA" not in os.environ or not ROOT.is_dir(), reason="SEE_IN_PAIRS_DATA names no folder with nih-chestxray14"
)


@pytest.fixture(scope="module")
def nih(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return import_nih(ROOT, tmp_path_factory.mktemp("nih"), priors=True, only_present=True, quiet=True)


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize(
    "references",
    [
        {"strategy": "random", "m": 2},
        {"strategy": "random", "reuse": 8},
        {"strategy": "demographic", "unmatched": "relax"},
        {"strategy": "demographic", "reuse": 1, "unmatched": "leave_out"},
        {"strategy": "prior", "unmatched": "leave_out"},
    ],
    ids=lambda references: "-".join(str(value) for value in references.values()),
)
def test_every_query_is_served_or_listed(nih: Cohort, split: str, references: dict[str, Any]) -> None:
    arm = "multi" if references.get("m", 1) > 1 else "pair"
    found = assign_references(nih, split, ArmConfig.model_validate({"arm": arm, "references": references}), seed=0)
    assert found is not None
    served = set(found.table["item_id"])
    assert served | found.left_out == set(nih.queries(split)["item_id"]) and not served & found.left_out
    assert found.table["reference_id"].value_counts().max() <= references.get("reuse", len(nih.table))


def test_matching_without_replacement_balances_those_who_are_matched(nih: Cohort) -> None:
    references = {"strategy": "demographic", "reuse": 1, "unmatched": "leave_out"}
    found = assign_references(nih, "test", ArmConfig.model_validate({"arm": "pair", "references": references}), seed=0)
    assert found is not None
    balance = balance_table(nih, "test", found, ("age", "sex", "view")).set_index("covariate")
    assert (balance["smd_after"][["sex", "view"]] == 0).all()  # equal by construction
    assert abs(balance.loc["age", "smd_after"]) < 0.25 * abs(balance.loc["age", "smd_before"])
