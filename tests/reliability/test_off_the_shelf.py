"""A model as it comes, scored on a cohort that has nothing to train on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from empirical.audit import audit
from empirical.audit.preflight import preflight
from empirical.cohorts import Cohort
from empirical.cohorts.phantom import PhantomConfig, make_phantom
from empirical.evaluation.config import EvaluateConfig
from empirical.evaluation.evaluate import evaluate
from empirical.evaluation.records import Records, concatenate, read_records, write_records
from empirical.training.finetune import finetune
from paper_figures.comparison.pairing import align
from paper_figures.comparison.score_tables import read_arm
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


def test_what_was_not_trained_has_no_training_seed_and_no_number_of_patients(test_only: Cohort, tmp_path: Path) -> None:
    made = evaluate(evaluation(test_only, arms=[{"arm": "single"}]), tmp_path / "run", quiet=True)
    stored = pq.read_table(tmp_path / "run" / "records.parquet")
    for table in (made.table, read_records(tmp_path / "run").table, stored.to_pandas()):
        assert table["train_seed"].isna().all() and table["n_train"].isna().all() and (table["train_arm"] == "").all()
    assert str(stored.schema.field("train_seed").type) == "int64"


def written(path: Path, **changes: object) -> Path:
    """Records of six patients; `changes` say how the model was trained."""
    rng = np.random.default_rng(0)
    p = rng.uniform(0.1, 0.9, size=6)
    items = [f"item-{number}" for number in range(6)]
    table = pd.DataFrame({
        "run_id": "run", "arm": "single", "train_arm": "", "train_seed": 0, "n_train": 0, "item_id": items, "patient_id": items, "site": "",
        "label": ["ill", "well"] * 3, "reference_ids": [[]] * 6, "reference_strategy": "", "reference_patient_ids": [[]] * 6, "seed": 0,
        "p_positive": p, "logp": [{"yes": float(np.log(a)), "no": float(np.log1p(-a))} for a in p], "mass_outside": 0.0,
        "generated": None, "parsed": None, "score_seconds": 0.01,
    })  # fmt: skip
    write_records(path, Records(table.assign(**changes), ("ill",), "well"))
    return path


def test_records_of_earlier_versions_are_read(tmp_path: Path) -> None:
    old = read_records(written(tmp_path / "old.parquet")).table
    assert old["train_seed"].isna().all() and old["n_train"].isna().all()
    trained = read_records(written(tmp_path / "trained.parquet", train_arm="single", n_train=40)).table
    assert trained["train_seed"].eq(0).all() and trained["n_train"].eq(40).all()
    study = read_records(written(tmp_path / "study.parquet", train_seed=[0, 0, 0, 1, 1, 1])).table  # the seeds of a design
    assert study["train_seed"].tolist() == [0, 0, 0, 1, 1, 1] and study["n_train"].isna().all()


@pytest.mark.parametrize("untrained", [{}, {"train_seed": None, "n_train": None}], ids=["zeros", "nulls"])
@pytest.mark.parametrize("seed", [0, 3])
def test_a_model_off_the_shelf_is_compared_with_a_trained_one_and_with_itself(
    tmp_path: Path, untrained: dict[str, object], seed: int
) -> None:
    off = read_arm(written(tmp_path / "off.parquet", **untrained))
    off_too = read_arm(written(tmp_path / "off-too.parquet", train_seed=None, n_train=None))
    trained = read_arm(written(tmp_path / "trained.parquet", train_arm="single", train_seed=seed, n_train=40))
    for a, b in ((off, trained), (trained, off), (off, off_too)):
        assert len(align(a, b).pair.scores_a) == 6


def test_a_model_off_the_shelf_is_not_taken_for_several_trainings(tmp_path: Path) -> None:
    off = read_arm(written(tmp_path / "off.parquet"))
    both = [read_records(written(tmp_path / f"{seed}.parquet", train_arm="single", train_seed=seed, n_train=4)) for seed in (0, 1)]
    write_records(tmp_path / "both.parquet", concatenate(both))
    aligned = align(off, read_arm(tmp_path / "both.parquet"))
    assert (aligned.a.training_seeds, aligned.b.training_seeds.tolist()) == (None, ["0", "1"] * 6)
    with pytest.raises(InputError, match="train_seed"):
        assert aligned.pair
