"""How two arms are brought together: trainings, wordings, patients and references of each row, whatever the format of the table."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from paper_figures.comparison.arm_rows import crossed
from paper_figures.comparison.pairing import align
from paper_figures.comparison.score_tables import read_arm
from paper_figures.statistics.validation import NotEstimable
from see_in_pairs.errors import InputError


def table(seeds: list[Any], wordings: list[str] | None = None, trainings: str = "train_seed", items: int = 4) -> pd.DataFrame:
    """Rows of one arm; the score says which row it is: item + seed's place / 10 + wording's place / 100."""
    rows = [
        {"item_id": f"i{i}", "label": i % 2, "score": i + s / 10 + w / 100, trainings: seeds[s], "wording": wording,
         "patient_id": f"p{i // 2}", "reference_ids": [f"r{i % 3}", f"s{s}"]}
        for i, s, (w, wording) in product(range(items), range(len(seeds)), enumerate(wordings or [""]))
    ]  # fmt: skip
    return pd.DataFrame(rows).sample(frac=1, random_state=0)


def write(path: Path, rows: pd.DataFrame) -> Path:
    if path.suffix == ".parquet":
        rows.to_parquet(path)
    else:
        rows.assign(reference_ids=rows["reference_ids"].map(";".join if "semicolons" in path.name else json.dumps)).to_csv(
            path, index=False
        )
    return path


@pytest.mark.parametrize("name", ["json.csv", "semicolons.csv", "table.parquet"])
@pytest.mark.parametrize("trainings", ["train_seed", "reader"])
def test_each_arm_keeps_its_own_trainings(tmp_path: Path, name: str, trainings: str) -> None:
    one = read_arm(write(tmp_path / f"a-{name}", table([0, 1, 2], ["w1", "w2"], trainings)))
    other = read_arm(write(tmp_path / f"b-{name}", table([7, 8], ["w1", "w2"], trainings)))
    aligned = align(one, other)
    for rows, seeds in ((aligned.a, "012"), (aligned.b, "78")):
        places = list(product(range(4), range(len(seeds)), range(2)))
        assert rows.items.tolist() == [f"i{i}" for i, _, _ in places]
        assert rows.training_seeds.tolist() == [seeds[s] for _, s, _ in places]
        assert rows.wordings.tolist() == [f"w{w + 1}" for _, _, w in places]
        assert rows.values == pytest.approx([i + s / 10 + w / 100 for i, s, w in places])
        assert rows.clusters.tolist() == [f"p{i // 2}" for i, _, _ in places]
        assert rows.second_clusters == [[f"r{i % 3}", f"s{s}"] for i, s, _ in places]
        assert rows.labels.tolist() == [i % 2 == 1 for i, _, _ in places]
    assert aligned.cluster_columns == ("patient_id", "reference_ids")
    with pytest.raises(InputError, match="with the same seed, train_seed, wording in"):
        assert aligned.pair


def test_rows_are_laid_out_by_training_wording_and_item(tmp_path: Path) -> None:
    arms = [read_arm(write(tmp_path / f"{len(seeds)}.csv", table(seeds, ["w1", "w2"]))) for seeds in ([0, 1, 2], [7, 8])]
    aligned = align(*arms)
    found = crossed(aligned.a, aligned.b)
    for scores, seeds, names in zip(found.scores, (3, 2), found.training_seeds, strict=True):
        assert scores == pytest.approx(np.arange(4) + np.arange(seeds)[:, None, None] / 10 + np.arange(2)[:, None] / 100)
        assert len(names) == seeds
    assert (found.items.tolist(), found.wordings.tolist()) == (["i0", "i1", "i2", "i3"], ["w1", "w2"])
    assert (found.clusters.tolist(), found.labels.tolist()) == (["p0", "p0", "p1", "p1"], [False, True, False, True])
    assert found.second_clusters == [[f"r{i % 3}", "s0", "s1", "s2"] for i in range(4)]
    fewer = read_arm(write(tmp_path / "fewer.csv", table([7, 8], ["w1", "w3"])))
    with pytest.raises(NotEstimable, match="different wordings"):
        crossed(*(getattr(align(arms[0], fewer), name) for name in "ab"))


def test_the_same_trainings_are_also_side_by_side(tmp_path: Path) -> None:
    a = read_arm(write(tmp_path / "a.parquet", table([0, 1], ["w1", "w2"])))
    b = read_arm(write(tmp_path / "b.csv", table([0, 1], ["w1", "w2"]).assign(score=0.5)))
    aligned = align(a, b)
    assert aligned.pair.training_seeds.tolist() == aligned.a.training_seeds.tolist() == aligned.b.training_seeds.tolist()
    assert aligned.pair.scores_a.tolist() == aligned.a.values.tolist()
    assert aligned.pair.clusters.tolist() == aligned.a.clusters.tolist()


def test_one_training_each_needs_no_common_seed(tmp_path: Path) -> None:
    a, b = (read_arm(write(tmp_path / f"{seed}.csv", table([seed], [f"wording of {seed}"]))) for seed in (3, 4))
    aligned = align(a, b)
    assert len(aligned.pair.scores_a) == 4
    assert aligned.a.training_seeds is aligned.a.wordings is aligned.pair.training_seeds is None


def test_a_training_that_lacks_items_is_refused_and_a_reader_who_did_is_counted(tmp_path: Path) -> None:
    for column in ("train_seed", "reader", "wording"):
        whole = table([0, 1], ["u", "v"]) if column == "wording" else table([0, 1], None, column)
        last = whole[column].isin([1, "v"]) & (whole["item_id"] == "i2")
        paths = [write(tmp_path / f"{column}-{arm}.csv", whole[~last]) for arm in "ab"]
        if column == "reader":
            aligned = align(*map(read_arm, paths))
            assert any("1 items (i2) are missing for some reader of 2" in text for text in aligned.warnings)
            assert (len(aligned.a.items), len(aligned.pair.scores_a)) == (7, 7)
        else:
            with pytest.raises(InputError, match=rf"1 items \(i2\) are missing for some .*column {column}"):
                align(*map(read_arm, paths))


def test_one_reader_of_each_item_is_kept_with_the_row(tmp_path: Path) -> None:
    rows = table([0]).sort_values("item_id").drop(columns="train_seed")
    a = read_arm(write(tmp_path / "a.csv", rows.assign(reader=["Ann", "Bo", "Bo", "Ann"])))
    b = read_arm(write(tmp_path / "b.csv", rows.assign(reader=["Bo", "Bo", "Ann", "Ann"])))
    aligned = align(a, b)
    assert aligned.a.training_seeds.tolist() == ["Ann", "Bo", "Bo", "Ann"]
    assert aligned.b.training_seeds.tolist() == ["Bo", "Bo", "Ann", "Ann"]
    assert aligned.pair.training_seeds is None


def test_labels_and_patients_must_agree_from_row_to_row(tmp_path: Path) -> None:
    a = read_arm(write(tmp_path / "a.csv", table([0, 1])))
    for changes, message in (
        ({"label": lambda rows: (rows["label"] + rows["train_seed"]) % 2}, "differ from row to row"),
        ({"label": lambda rows: 1 - rows["label"]}, "labels of 4 items"),
        ({"patient_id": "p9"}, "patient_id differs between the files for 4 items"),
    ):
        with pytest.raises(InputError, match=message):
            align(a, read_arm(write(tmp_path / "b.csv", table([0, 1, 2]).assign(**changes))))


def test_a_patient_that_later_rows_lack_is_named(tmp_path: Path) -> None:
    a = read_arm(write(tmp_path / "a.csv", table([0, 1])))
    lacking = table([0, 1, 2]).assign(
        patient_id=lambda rows: rows["patient_id"].where((rows["train_seed"] != 2) | (rows["item_id"] != "i3"))
    )
    with pytest.raises(InputError, match=r"1 items \(i3\) have no patient_id"):
        align(a, read_arm(write(tmp_path / "b.csv", lacking)))
