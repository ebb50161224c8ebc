"""Whose numbers a stream's are: the cell's, the block's, the replicate's, and nobody else's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from theory.sweeps import Results, Study, run
from theory.sweeps.execution.rng import block_key, generator_of, method_words, seeds, stream

MakeStudy = Callable[..., Study]
Same = Callable[[Results, Results], None]


def test_a_result_can_be_had_from_numpy_alone(make_study: MakeStudy, tmp_path: Path) -> None:
    results = run(make_study(), tmp_path / "a")
    cell = results.study.all_cells[1]
    row = results.to_frame().query("cell == @cell.hash and replicate == 13 and method == 'simple_mean'").iloc[0]
    words = int(cell.hash[:8], 16), int(cell.hash[8:], 16)
    sequence = np.random.SeedSequence(7, spawn_key=(*words, 1)).spawn(10)[3]  # block 1 of 10 replicates each, its fourth child
    assert row["estimate"] == np.random.default_rng(sequence).normal(0.5, 1, 8).mean()


def test_vectorised_pieces_draw_from_the_stream_of_the_block(make_study: MakeStudy, tmp_path: Path) -> None:
    study = make_study(generate="simple_block", methods=["simple_block_mean"])
    frame = run(study, tmp_path / "a").to_frame()
    words = (int(study.all_cells[0].hash[:8], 16), int(study.all_cells[0].hash[8:], 16))
    drawn = np.random.default_rng(np.random.SeedSequence(7, spawn_key=(*words, 2))).normal(0, 1, (10, 8)).mean(axis=1)
    third = frame.query("cell == @study.all_cells[0].hash and block == 2")
    assert third["estimate"].to_list() == drawn[:5].tolist()  # 25 replicates: the third block is short


WORD = st.integers(0, 2**32 - 1)


@given(st.integers(0, 2**300), st.lists(WORD, max_size=4), st.lists(WORD, max_size=3), st.integers(1, 40))
def test_many_seed_sequences_at_once_are_numpys_own(entropy: int, key: list[int], tail: list[int], count: int) -> None:
    ours = seeds(entropy, tuple(key), count, tuple(tail))
    for number in {0, count // 2, count - 1}:
        numpys = np.random.SeedSequence(entropy, spawn_key=(*key, number, *tail))
        assert np.array_equal(ours[number].generate_state(4, np.uint64), numpys.generate_state(4, np.uint64))
        assert np.array_equal(ours[number].generate_state(3), numpys.generate_state(3))


def test_a_piece_may_spawn_from_its_stream() -> None:
    ours = generator_of(seeds(3, (1, 2), 5)[4])
    numpys = np.random.default_rng(np.random.SeedSequence(3, spawn_key=(1, 2, 4)))
    assert [child.random() for child in ours.spawn(2) + ours.spawn(1)] == [child.random() for child in numpys.spawn(3)]


def test_keys_of_different_things_differ() -> None:
    keys = [block_key("0" * 15 + digit, block, replicate) for digit in "01" for block in range(3) for replicate in (None, 0, 1)]
    keys += [(*key, *method_words(label)) for key in list(keys) for label in ("a", "b")]
    first = {stream(0, key).integers(2**63) for key in keys}
    assert len(first) == len(keys) == 54


def test_changing_the_grid_changes_no_other_cell(make_study: MakeStudy, tmp_path: Path) -> None:
    before = run(make_study(grid={"mean": [0, 0.5]}), tmp_path / "a").to_frame()
    after = run(make_study(grid={"mean": [2, 0.5, 1, 0], "n": [4, 8]}), tmp_path / "b").to_frame()
    shared = after[after["cell"].isin(before["cell"])].sort_values(["cell", "block"], kind="stable")
    pd.testing.assert_frame_equal(
        shared.reset_index(drop=True), before.sort_values(["cell", "block"], kind="stable").reset_index(drop=True), check_exact=True
    )


def test_another_method_changes_no_other_method(make_study: MakeStudy, tmp_path: Path) -> None:
    few = run(make_study(methods=["simple_jitter"]), tmp_path / "a").to_frame()
    more = run(make_study(methods=["simple_mean", "simple_jitter", {"name": "again", "use": "simple_jitter"}]), tmp_path / "b").to_frame()
    by = {name: part["estimate"].to_numpy() for name, part in more.groupby("method")}
    assert np.array_equal(by["simple_jitter"], few["estimate"])
    assert abs(np.corrcoef(by["simple_jitter"] - by["simple_mean"], by["again"] - by["simple_mean"])[0, 1]) < 4 / np.sqrt(50)


def test_methods_see_the_same_data(make_study: MakeStudy, tmp_path: Path) -> None:
    twin = {"name": "twin", "use": "simple_mean"}
    frame = run(make_study(methods=["simple_mean", "simple_jitter", twin]), tmp_path / "a").to_frame()
    assert np.array_equal(*(frame.loc[frame["method"] == name, "estimate"] for name in ("simple_mean", "twin")))


def test_a_method_that_changes_the_data_fails_instead(make_study: MakeStudy, tmp_path: Path) -> None:
    results = run(make_study(methods=["simple_vandal", "simple_mean"]), tmp_path / "a")
    assert set(results.failures()["method"]) == {"simple_vandal"}
    assert "read-only" in results.failures()["message"][0]


def test_entropy_is_the_seed(make_study: MakeStudy, tmp_path: Path) -> None:
    frames = [run(make_study(entropy=seed), tmp_path / str(seed)).to_frame()["estimate"] for seed in (1, 2)]
    assert not set(frames[0]) & set(frames[1])


def test_replicates_do_not_depend_on_how_many_were_asked_first(make_study: MakeStudy, same: Same, tmp_path: Path) -> None:
    pieces = [{}, {"generate": "simple_block", "methods": ["simple_block_mean", "simple_mean"]}]
    for number, use in enumerate(pieces):
        grown = tmp_path / f"grown{number}"
        for replicates in (3, 14, 25, 41):
            run(make_study(replicates=replicates, **use), grown)
        same(Results.open(grown), run(make_study(replicates=41, **use), tmp_path / f"once{number}"))
        assert Results.open(grown).cells["done"].tolist() == [41, 41]
