"""A model as it comes, scored on a cohort that has nothing to train on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from empirical.audit import audit
from empirical.audit.preflight import preflight
from empirical.cohorts import Cohort
from empirical.cohorts.phantom import PhantomConfig, make_phantom
from empirical.evaluation.config import EvaluateConfig
from empirical.evaluation.evaluate import evaluate
from empirical.training.finetune import finetune
from see_in_pairs.errors import CheckFailed, InputError
from see_in_pairs.runs import RunFolder
from tests.helpers.configs import PAIR, finetune_config


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    settings = {"n_train": 6, "n_val": 0, "n_test": 6, "relatives": 1}
    return make_phantom(PhantomConfig.model_validate(settings), tmp_path_factory.mktemp("cohort"), seed=1)


@pytest.fixture(scope="module")
def test_only(whole: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Test queries, and references that serve no other split."""
    table = whole.table[whole.table["split"].isin(["test", "reference"]) & ~whole.table["serves"].isin(["train"])]
    info = replace(whole.info, image_root=str(whole.root))
    cohort = Cohort(folder=tmp_path_factory.mktemp("test-only"), table=table.reset_index(drop=True), info=info)
    cohort.save()
    return cohort


def evaluation(cohort: Cohort, **changes: object) -> EvaluateConfig:
    base: dict[str, object] = {"cohort": str(cohort.folder), "arms": [{"arm": "single"}, PAIR], "threads": 1, "doctor": False}
    return EvaluateConfig.model_validate(base | changes)


def test_an_evaluation_asks_for_the_split_that_it_scores(test_only: Cohort, tmp_path: Path) -> None:
    records = evaluate(evaluation(test_only), tmp_path / "run", quiet=True)
    assert len(records.table) == 12 and records.table["p_positive"].notna().all()
    with pytest.raises(InputError, match="no item in split 'val'"):
        evaluate(evaluation(test_only, split="val"), tmp_path / "val", quiet=True)
    with pytest.raises(InputError, match="split 'train'"):
        finetune(finetune_config(test_only), tmp_path / "trained", quiet=True)
    assert "empty_split" in {finding.name for finding in audit(test_only)}  # of the cohort as such, it is still said


def test_leakage_stops_an_evaluation_whatever_it_scores(whole: Cohort, tmp_path: Path) -> None:
    shared = whole.table["patient_id"].where(whole.table["item_id"] != "test-00000", "patient-train-00000")
    leaky = replace(whole, table=whole.table.assign(patient_id=shared))
    with pytest.raises(CheckFailed, match="patient_in_two_splits"), RunFolder(tmp_path, "evaluate", {}) as run:
        preflight(leaky, run, (), 0, quiet=True, splits=["test"])


def test_a_class_that_is_missing_elsewhere_is_no_matter(whole: Cohort) -> None:
    healthy = whole.table["label"].eq(whole.info.healthy) | (whole.table["split"] != "train")
    cohort = replace(whole, table=pd.DataFrame(whole.table[healthy].reset_index(drop=True)))
    errors = {splits: {finding.name for finding in audit(cohort, splits=splits)} for splits in (("test",), ("train",))}
    assert "one_class" not in errors["test",] and "one_class" in errors["train",]
