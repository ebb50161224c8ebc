"""Designs: which cells they make, how cells are known, and what is refused in one line."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from see_in_pairs.errors import InputError
from theory.sweeps import Study, run
from theory.sweeps.execution.replay import replay
from theory.sweeps.registry import generator, method
from theory.sweeps.resolved import resolve
from theory.sweeps.scenarios import make_cell

MakeStudy = Callable[..., Study]

VALUES = st.one_of(st.integers(-(2**53), 2**53), st.floats(allow_nan=False), st.text(max_size=3), st.booleans(), st.none())
FACTORS = st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES | st.lists(VALUES, max_size=2), min_size=1)


@given(FACTORS)
def test_a_cell_is_known_by_its_content_in_any_order(factors: dict[str, Any]) -> None:
    backwards = dict(reversed(factors.items()))
    assert make_cell("g", factors).hash == make_cell("g", backwards).hash
    assert make_cell("h", factors).hash != make_cell("g", factors).hash


@given(FACTORS, FACTORS)
def test_cells_of_different_content_have_different_hashes(first: dict[str, Any], second: dict[str, Any]) -> None:
    def alike(a: Any, b: Any) -> bool:
        if isinstance(a, list) and isinstance(b, list):
            return len(a) == len(b) and all(map(alike, a, b))
        return (isinstance(a, bool) == isinstance(b, bool) and type(a).__eq__(a, b) is True) or (
            not isinstance(a, (bool, str)) and not isinstance(b, (bool, str)) and a == b
        )

    equal = first.keys() == second.keys() and all(alike(first[name], second[name]) for name in first)
    assert (make_cell("g", first).hash == make_cell("g", second).hash) == equal


def test_the_hash_does_not_change_between_versions() -> None:
    assert make_cell("two_groups", {"n": 50, "rho": 0.3}).hash == make_cell("two_groups", {"rho": np.float64(0.3), "n": 50.0}).hash
    content = b'{"factors": {"n": 50, "rho": 0.3}, "generate": "two_groups"}'  # were it another, every stored stream would be another
    assert make_cell("two_groups", {"n": 50, "rho": 0.3}).hash == hashlib.sha256(content).hexdigest()[:16]
    assert make_cell("g", {"df": math.inf}).hash != make_cell("g", {"df": None}).hash != make_cell("g", {"df": -math.inf}).hash


def test_cells_are_the_grid_then_the_explicit_ones(make_study: MakeStudy) -> None:
    study = make_study(grid={"mean": [0, 1], "n": [4, 8]}, cells=[{"mean": 3}])
    assert [cell.factors for cell in study.all_cells] == [
        {"n": 4, "mean": 0}, {"n": 8, "mean": 0}, {"n": 4, "mean": 1}, {"n": 8, "mean": 1}, {"n": 8, "mean": 3},
    ]  # fmt: skip


def test_moving_a_factor_from_fixed_to_the_grid_keeps_its_cell(make_study: MakeStudy) -> None:
    before = make_study(fixed={"n": 8}, grid={"mean": [0]}).all_cells[0]
    after = make_study(fixed=None, grid={"mean": [0, 2], "n": [4, 8.0]}).all_cells
    assert before.hash in {cell.hash for cell in after}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"grid": {"mean": []}}, "factor 'mean' has no level"),
        ({"grid": {"mean": [0, math.nan]}}, "factor 'mean': is not a number"),
        ({"grid": {"mean": [0, 0.0]}}, "same cell comes twice"),
        ({"cells": [{"mean": 0.5}]}, "same cell comes twice"),
        ({"grid": {"mean": [0], "rhoo": [1]}}, "unknown factor 'rhoo'"),
        ({"fixed": {}}, "needs 'n'"),
        ({"grid": {"mean": [0], "cell": [1]}}, "choose another"),
        ({"grid": {"mean": [0], "two words": [1]}}, "two words"),
        ({"generate": "simple_norml"}, "no generator is called 'simple_norml'"),
        ({"methods": ["simple_men"]}, "no method is called 'simple_men'"),
        ({"methods": ["simple_mean", "simple_mean"]}, "two methods are called 'simple_mean'"),
        ({"methods": [{"name": "a", "use": "simple_trimmed", "trimm": 2}]}, "has no parameter 'trimm'"),
        ({"methods": ["simple_block_mean"]}, "takes whole blocks"),
        ({"estimand": "simple_tru"}, "no estimand is called"),
        ({"grid": {"mean": [0, math.inf]}}, "a true value is a finite number"),
        ({"replicates": 10, "stop": {"measure": "bias", "mcse": 0.1, "cap": 5}}, "below 'replicates'"),
        ({"replicates": 10, "stop": {"measure": "bais", "mcse": 0.1, "cap": 50}}, "measure 'bais'"),
        ({"pieces": ["nowhere.py"]}, "no such file"),
        ({"pieces": ["no.such.module"]}, "cannot be imported"),
    ],
)  # fmt: skip
def test_a_bad_design_is_one_line(make_study: MakeStudy, tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        run(make_study(**changes), tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out" / "manifest.json").exists()


@pytest.mark.parametrize(
    "changes", [{"replicates": 0}, {"block": 0}, {"methods": []}, {"replicate": 5}, {"stop": {"mcse": 1}}, {"entropy": -1}]
)
def test_a_file_that_is_no_design_is_one_line(write_study: Callable[..., Path], changes: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        Study.load(write_study(**changes))
    assert "\n" not in str(caught.value) and next(iter(changes)) in str(caught.value)


def test_a_value_that_cannot_be_written_down_is_refused(make_study: MakeStudy) -> None:
    with pytest.raises(InputError, match="factor 'mean'"):
        resolve(make_study(grid={"mean": [object()]}))


def test_a_study_in_python_is_the_study_in_yaml(make_study: MakeStudy, tmp_path: Path) -> None:
    study = make_study(
        grid={"mean": np.linspace(0, 1, 3).tolist()}, methods=["simple_mean", {"name": "t2", "use": "simple_trimmed", "trim": 2}]
    )
    study.save(tmp_path / "study.yaml")
    again = Study.load(tmp_path / "study.yaml")
    assert resolve(again).study.to_dict() == study.to_dict()
    assert [cell.hash for cell in again.all_cells] == [cell.hash for cell in study.all_cells]


def test_functions_may_be_given_in_place_of_names() -> None:
    def draw(*, rng: np.random.Generator, mean: float) -> float:
        return rng.normal(mean)

    def itself(data: float) -> dict[str, float]:
        return {"estimate": data}

    study = Study(name="f", generate=draw, methods=[itself], estimand=0, grid={"mean": [0.0]})
    assert resolve(study).generate.function is draw
    assert resolve(study).truth(study.all_cells[0]) == 0


def test_a_study_means_the_functions_it_was_given(tmp_path: Path) -> None:
    """Functions made by the same lines share a name: a later one must not take the place of an earlier one."""

    def study(shift: float) -> Study:
        def draw(*, rng: np.random.Generator, n: int) -> float:
            return shift

        def itself(data: float) -> dict[str, float]:
            return {"estimate": data}

        return Study(name="f", generate=draw, methods=[itself], grid={"n": [1]}, replicates=3)

    first, second = study(1.0), study(2.0)
    found = [run(each, tmp_path / str(number)).to_frame()["estimate"].unique() for number, each in enumerate((first, second))]
    assert found == [[1.0], [2.0]]
    assert replay(run(first, tmp_path / "0"), first.all_cells[0].hash, 1).rows[0][2]["estimate"] == [1.0]
    with pytest.raises(ValueError, match="two functions are called 'itself'"):
        Study(name="f", generate=resolve(first).generate.function, methods=[resolve(s).methods[0].piece.function for s in (first, second)])


def test_a_copy_has_its_own_cells_and_the_same_functions(make_study: MakeStudy) -> None:
    def itself(data: np.ndarray) -> dict[str, float]:
        return {"estimate": data[0]}

    study = make_study(methods=[itself])
    assert len(study.all_cells) == 2
    copied = study.model_copy(update={"grid": {"mean": [1, 2, 3]}})
    assert len(copied.all_cells) == 3 and len(study.all_cells) == 2
    assert resolve(copied).methods[0].piece.function is itself
    assert set(study.to_dict()) == {"name", "pieces", "generate", "methods", "estimand", "fixed", "grid", "replicates", "block", "entropy"}


def test_pieces_with_a_wrong_signature_are_refused() -> None:
    with pytest.raises(InputError, match="must take its random stream"):
        generator("no stream")(lambda *, n: n)
    with pytest.raises(InputError, match="replicates"):
        generator("no replicates", vectorised=True)(lambda *, rng: rng)
    with pytest.raises(InputError, match="first parameter is the data"):
        method("no data")(lambda *, n: n)
    with pytest.raises(InputError, match="by name"):
        method("any")(lambda data, *rest: rest)


def test_one_name_is_one_function() -> None:
    @method("twice named")
    def first(data: float) -> dict[str, float]:
        return {"estimate": data}

    with pytest.raises(InputError, match="two functions are registered"):

        @method("twice named")
        def second(data: float) -> dict[str, float]:
            return {"estimate": -data}
