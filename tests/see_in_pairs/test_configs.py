from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import Field

from see_in_pairs.configs import StrictConfig, load_config, parse_config
from see_in_pairs.errors import InputError


class Optimiser(StrictConfig):
    rate: float = Field(default=1e-3, gt=0)


class Arm(StrictConfig):
    colour: str = "red"
    optimiser: Optimiser | None = None


class Study(StrictConfig):
    steps: int = 10
    name: str = "demo"
    optimiser: Optimiser = Optimiser()
    arms: tuple[Arm, ...] = ()
    named: dict[str, Arm] | None = None


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text("steps: 20\noptimiser:\n  rate: 0.5\n")
    return path


def test_a_file_is_read_and_defaults_fill_the_rest(config: Path) -> None:
    assert load_config(Study, config) == Study(steps=20, name="demo", optimiser=Optimiser(rate=0.5))


def test_changes_come_last_and_reach_into_sections(config: Path) -> None:
    study = load_config(Study, config, ["steps=5", "optimiser.rate=0.25", "name=a=b"])
    assert study == Study(steps=5, name="a=b", optimiser=Optimiser(rate=0.25))


def test_a_section_that_the_file_leaves_out_can_be_set(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("steps: 1\n")
    assert load_config(Study, tmp_path / "study.yaml", ["optimiser.rate=2"]).optimiser.rate == 2.0


def one_line(config: Path, *changes: str) -> str:
    with pytest.raises(InputError) as caught:
        load_config(Study, config, changes)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_an_unknown_key_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("stepz: 20\n")
    line = one_line(tmp_path / "study.yaml")
    assert "unknown key 'stepz'" in line
    assert "known: steps, name, optimiser, arms, named" in line
    assert str(tmp_path / "study.yaml") in line


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("optimiser.speed=3", "unknown key 'optimiser.speed' (known: rate)"),
        ("arms=[{}, {size: 3}]", "unknown key 'arms.1.size' (known: colour, optimiser)"),
        ("arms=[{optimiser: {size: 3}}]", "unknown key 'arms.0.optimiser.size' (known: rate)"),
        ("named={steps: {size: 3}}", "unknown key 'named.steps.size' (known: colour, optimiser)"),
    ],
)
def test_an_unknown_key_of_a_section_is_refused_with_the_keys_of_that_section(config: Path, change: str, message: str) -> None:
    assert message in one_line(config, change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("stepz=3", "unknown key 'stepz'"),
        ("optimiser.speed=3", "unknown key 'optimiser.speed'"),
        ("steps=many", "steps: "),
        ("optimiser.rate=-1", "optimiser.rate: "),
        ("steps", "write key=value"),
        ("=3", "write key=value"),
        ("steps.more=3", "'steps' is not a section"),
        ("name=[1, 2", "not valid YAML"),
    ],
)
def test_a_bad_change_is_named_in_one_line(config: Path, change: str, message: str) -> None:
    assert message in one_line(config, change)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"- 1\n- 2\n", "mapping"), (b"a: [1,\n", "not valid YAML"), (b"\xff\xfe\xfa", "not valid YAML"), (b"", "mapping")],
)
def test_a_bad_file_is_named_in_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "study.yaml").write_bytes(content)
    assert message in one_line(tmp_path / "study.yaml")


def test_a_missing_file_or_a_folder_is_no_config(tmp_path: Path) -> None:
    assert "no such config file" in one_line(tmp_path / "none.yaml")
    assert "no such config file" in one_line(tmp_path)


def test_a_config_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Study().steps = 3


def test_a_word_that_yaml_takes_for_something_else_is_to_be_put_in_quotes(tmp_path: Path) -> None:
    class Words(StrictConfig):
        positive: str

    (tmp_path / "config.yaml").write_text("positive: yes\n")
    with pytest.raises(InputError, match="positive: YAML reads this as True, not as a word; put it in quotes"):
        load_config(Words, tmp_path / "config.yaml")


@pytest.mark.parametrize(
    "value", [2**63, -(2**64), 10**400, [2**63], {"a": {"b": [10**30]}}, {2**70: 1}, "a\0b", "\ud800", {"\udfff": 1}, [["x\0"]]]
)
def test_what_no_library_could_hold_is_refused_wherever_it_stands(value: object) -> None:
    class Anything(StrictConfig):
        any_integer: ClassVar[tuple[str, ...]] = ("seed",)
        content: Any = None
        seed: int = 0

    with pytest.raises(InputError, match=r"content: .*(digits|not valid text)") as caught:
        parse_config(Anything, {"content": value}, "x")
    assert len(str(caught.value)) < 300 and str(caught.value).isprintable()
    assert parse_config(Anything, {"content": [2**63 - 1, -5, "é\n"], "seed": 2**200}, "x").seed == 2**200
