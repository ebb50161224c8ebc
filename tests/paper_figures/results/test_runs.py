"""What an output folder holds: several trainings in one run, the items that they share, and what does not fit in one line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from empirical.evaluation.records import Records, write_records
from paper_figures.results.runs import Run, RunResults, RunScores
from see_in_pairs.errors import InputError
from see_in_pairs.files import write_json
from tests.paper_figures.conftest import record_rows

N = 6
ITEMS = pd.DataFrame(
    {"item_id": [f"i{n}" for n in range(N)], "patient_id": [f"p{n}" for n in range(N)], "site": "a", "label": ["x", "y"] * 3}
)
PAIR = {"run_id": "pair", "arm": "pair", "train_arm": "pair", "strategy": "demographic", "n_train": 50, "model": "models/pair"}
LOGIT = np.arange(3 * N, dtype=float).reshape(3, N) / 7


def folder(out: Path, *tables: pd.DataFrame, runs: list[dict[str, object]] | None = None) -> RunResults:
    write_records(out / "records" / "records.parquet", Records(pd.concat(tables, ignore_index=True), ("x",), "y"))
    if runs:
        write_json(out / "records" / "runs.json", runs)
    return RunResults(out)


def read(out: Path, table: pd.DataFrame) -> RunScores:
    results = folder(out, table)
    return results.scores(results.runs[0])


def test_rows_are_trainings_by_seed_and_columns_items_by_name(tmp_path: Path) -> None:
    table = record_rows(PAIR, ITEMS, LOGIT, [7, 2, 5]).sample(frac=1, random_state=0)
    found = read(tmp_path, table)
    assert found.logit == pytest.approx(LOGIT[[1, 2, 0]])  # seeds 2, 5, 7
    assert list(found.items) == [f"i{n}" for n in range(N)] and list(found.patients) == [f"p{n}" for n in range(N)]
    assert list(found.positive) == [True, False] * 3
    assert (found.trainings, found.failed) == (3, 0)
    assert found.references == tuple((f"i{n}-r1",) for n in range(N))


def test_off_the_shelf_there_is_one_row_and_no_training(tmp_path: Path) -> None:
    off = PAIR | {"run_id": "off", "train_arm": "", "n_train": 0}
    found = read(tmp_path, record_rows(off, ITEMS, LOGIT[0]))
    assert found.logit.shape == (1, N) and found.trainings == 0


@pytest.mark.parametrize("lost", [3, 9])
def test_an_item_that_one_training_lacks_is_one_line(lost: int, tmp_path: Path) -> None:
    table = record_rows(PAIR, ITEMS, LOGIT).drop(index=lost)
    with pytest.raises(InputError, match=r"run 'pair': training 1 is not about the same items as the first \(i3\)") as error:
        read(tmp_path, table)
    assert "\n" not in str(error.value)


def test_an_item_without_a_score_is_there_and_counted(tmp_path: Path) -> None:
    table = record_rows(PAIR, ITEMS, LOGIT)
    table.loc[N + 2, "p_positive"] = np.nan
    found = read(tmp_path, table)
    assert found.failed == 1 and np.isnan(found.logit[1, 2])
    assert found.ranked[1, 2] == -np.inf  # a positive item below all
    assert np.isfinite(found.ranked).sum() == 3 * N - 1


def test_a_seed_of_the_evaluation_that_differs_by_training_does_not_tell_items_apart(tmp_path: Path) -> None:
    table = record_rows(PAIR, ITEMS, LOGIT)
    found = read(tmp_path, table.assign(seed=table["train_seed"].astype(int) + 10))
    assert found.logit == pytest.approx(LOGIT) and list(found.items) == [f"i{n}" for n in range(N)]


def test_several_seeds_of_the_evaluation_are_rows_of_their_own_in_every_training(tmp_path: Path) -> None:
    table = record_rows(PAIR, ITEMS, LOGIT)
    again = record_rows(PAIR, ITEMS, -LOGIT).assign(seed=1)
    found = read(tmp_path / "a", pd.concat([table, again]))
    assert found.logit.shape == (3, 2 * N) and list(found.items[:2]) == ["i0|0", "i0|1"]
    assert found.logit[:, ::2] == pytest.approx(LOGIT) and found.logit[:, 1::2] == pytest.approx(-LOGIT)
    with pytest.raises(InputError, match=r"training 1 is not about the same items as the first \(i0\|1"):
        read(tmp_path / "b", pd.concat([table, again[again["train_seed"] == 0]]))


def test_references_of_all_trainings_are_gathered(tmp_path: Path) -> None:
    table = record_rows(PAIR, ITEMS, LOGIT)
    table.at[2 * N, "reference_ids"] = ["another"]
    assert read(tmp_path, table).references[0] == ("another", "i0-r1")


def test_a_run_without_records_is_one_line(tmp_path: Path) -> None:
    results = folder(tmp_path, record_rows(PAIR, ITEMS, LOGIT), runs=[PAIR, PAIR | {"run_id": "lost"}])
    with pytest.raises(InputError, match="no record with run_id 'lost'"):
        results.scores(results.runs[1])


def test_runs_align_on_items_labels_and_patients(tmp_path: Path) -> None:
    single = {"run_id": "single", "arm": "single", "train_arm": "single", "strategy": "", "n_train": 50, "model": "models/single"}
    pair = record_rows(PAIR, ITEMS, LOGIT)
    both = folder(tmp_path / "a", pair, record_rows(single, ITEMS.iloc[::-1], LOGIT[:2, ::-1], [4, 5]), runs=[PAIR, single])
    first, second = both.aligned(both.runs)
    assert list(first.items) == list(second.items) and (len(first.logit), len(second.logit)) == (3, 2)
    assert second.logit == pytest.approx(LOGIT[:2])
    for changes in ({"label": "y"}, {"patient_id": "p"}):
        other = folder(tmp_path / str(changes), pair, record_rows(single, ITEMS.assign(**changes), LOGIT), runs=[PAIR, single])
        with pytest.raises(InputError, match="runs 'pair' and 'single' disagree on labels or patients"):
            other.aligned(other.runs)
    fewer = folder(tmp_path / "f", pair, record_rows(single, ITEMS.iloc[1:], LOGIT[:, 1:]), runs=[PAIR, single])
    with pytest.raises(InputError, match=r"'pair' and 'single' are not about the same items \(i0\)"):
        fewer.aligned(fewer.runs)


def test_runs_of_the_same_models_must_have_the_same_trainings(tmp_path: Path) -> None:
    """Seed by seed they are the same model: another seed in its place would be compared with a stranger, in silence."""
    shown = PAIR | {"run_id": "pair-shown", "arm": "blank", "strategy": "blank"}
    pair = record_rows(PAIR, ITEMS, LOGIT, [0, 1, 2])
    good = folder(tmp_path / "a", pair, record_rows(shown, ITEMS, LOGIT, [0, 1, 2]), runs=[PAIR, shown])
    assert len(good.aligned(good.runs)) == 2
    for number, seeds in enumerate(([0, 1, 3], [0, 1])):
        bad = folder(tmp_path / str(number), pair, record_rows(shown, ITEMS, LOGIT[: len(seeds)], seeds), runs=[PAIR, shown])
        with pytest.raises(InputError, match="'pair' and 'pair-shown' are of the same models, but not of the same trainings"):
            bad.aligned(bad.runs)


@pytest.mark.parametrize(
    ("run", "own"),
    [
        (Run("pair-0.90", "pair", "pair", model="models/pair-0.90"), True),
        (Run("pair-0.90-shown-random", "pair", "pair", model="models/pair-0.90"), False),  # of models of another run
        (Run("pair-0.90-shown-duplicate", "duplicate", "pair", model="models/pair-0.90"), False),
        (Run("single", "single", "single"), True),  # a folder of real runs, where nothing is known of the model
        (Run("off-single", "single", "", model="pocket"), False),
    ],
)
def test_a_run_is_of_its_own_arm_where_its_models_bear_its_name(run: Run, own: bool) -> None:
    assert run.own_arm == own


def test_scores_are_read_once(tmp_path: Path) -> None:
    results = folder(tmp_path, record_rows(PAIR, ITEMS, LOGIT), runs=[PAIR])
    assert results.scores(results.runs[0]) is results.scores(results.runs[0])
    assert results.scores(replace(results.runs[0], n_train=3)).run.n_train == 3
