"""Wrong values in every key of every config, and hostile files: a part in `make test`, the whole (`python -m`) in `make reliability`."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from empirical.analysis.crossed import CrossedConfig
from empirical.cohorts.phantom import PhantomConfig
from empirical.evaluation.config import EvaluateConfig
from empirical.pretraining.config import PretrainConfig
from empirical.pretraining.grid import GridConfig
from empirical.references import ReferenceConfig
from empirical.training.config import FinetuneConfig
from paper_figures.study.config import StudyConfig
from see_in_pairs.configs import StrictConfig, parse_config
from see_in_pairs.errors import InputError
from see_in_pairs.files import parse_yaml
from tests.reliability import fuzz, hostile_files
from tests.reliability.cases import Case, in_rounds, spread, table
from theory.sweeps.study import Study

CONFIGS: dict[str, type[StrictConfig]] = {
    "finetune": FinetuneConfig, "evaluate": EvaluateConfig, "analyse crossed": CrossedConfig, "pretrain": PretrainConfig,
    "study": StudyConfig, "pretrain-grid": GridConfig, "cohort phantom": PhantomConfig, "cohort references": ReferenceConfig,
    "sweep": Study,
}  # fmt: skip
EVERY = 8
"""Each key is tried with every so many-th value here, each with others; the whole fuzz takes all, and runs the commands too."""


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> dict[str, fuzz.Fuzzed]:
    return fuzz.fuzzed(tmp_path_factory.mktemp("fuzz"), "no cohort")


def fields(kind: type[BaseModel], seen: frozenset[type[BaseModel]] = frozenset()) -> Iterator[tuple[type[BaseModel], str]]:
    """Every key of a config and of the sections below it, each with the class that it belongs to."""
    for name, field in kind.model_fields.items():
        yield kind, name
        for inner in sections(field.annotation):
            if inner not in seen:
                yield from fields(inner, seen | {kind})


def sections(annotation: Any) -> Iterator[type[BaseModel]]:
    """The config classes in an annotation such as ``list[ArmConfig] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from sections(inner)


@pytest.mark.parametrize("command", CONFIGS)
def test_no_key_of_a_config_is_left_out(command: str, commands: dict[str, fuzz.Fuzzed]) -> None:
    tried = {place for one in commands.values() for place in last_keys(one)}
    assert set(fields(CONFIGS[command])) - tried == set()


def last_keys(one: fuzz.Fuzzed) -> Iterator[tuple[type[BaseModel], str]]:
    """Each key that a command's fuzz tries, with the config class that it belongs to."""
    for _, place in one.places():
        kind: type[BaseModel] | None = CONFIGS.get(one.command, FinetuneConfig if one.command == "benchmark padding" else EvaluateConfig)
        for part in place[:-1]:
            if kind is not None and isinstance(part, str) and part in kind.model_fields:
                kind = next(sections(kind.model_fields[part].annotation), None)
        if kind is not None and place[-1] in kind.model_fields:
            yield kind, str(place[-1])


@pytest.mark.parametrize("command", CONFIGS)
def test_a_wrong_value_is_one_line_or_makes_a_config(command: str, commands: dict[str, fuzz.Fuzzed], tmp_path: Path) -> None:
    values = []
    for text in fuzz.VALUES.values():
        with contextlib.suppress(InputError):  # the call of a function
            values.append(parse_yaml(text.replace("FOLDER", str(tmp_path)).replace("PIPE", "/dev/tty"), "x"))
    refused = accepted = 0
    for number, (config, place) in enumerate(commands[command].places()):
        for value in values[number % EVERY :: EVERY]:
            changed = copy.deepcopy(config)
            inner: Any = changed
            for part in place[:-1]:
                inner = inner[part]
            inner[place[-1]] = value
            try:
                parse_config(CONFIGS[command], changed, "x")
                accepted += 1
            except InputError:
                refused += 1
    assert refused > accepted > 0


def test_a_line_of_the_table_counts_how_cases_end() -> None:
    cases = [
        Case("finetune", "steps", "zero", "refused", 2, 0.5),
        Case("finetune", "seed", "text", "traceback"),
        Case("finetune", "seed", "zero"),
    ]
    assert (
        table({"finetune": cases}, "keys", {"finetune": 9}).splitlines()[2]
        == "| finetune | 2 | 9 | 3 | 1 | 0 | 1 | 1 | 0 | 0 | 0 | 0.5 s |"
    )


@pytest.mark.parametrize("count", [1, 17, 34, len(fuzz.VALUES), len(hostile_files.FILES)])
def test_every_value_has_its_turn_and_each_round_has_every_key(count: int) -> None:
    values = list(range(count))
    lists = [spread(values, number) for number in range(5)]
    assert all(sorted(one) == values for one in lists)
    assert in_rounds(lists)[:5] == [one[0] for one in lists]
    assert sorted(in_rounds([*lists, [-1, -2, -3]])) == sorted([*values * 5, -1, -2, -3])


def test_what_the_check_refuses_and_lets_pass_is_listed_once(tmp_path: Path, commands: dict[str, fuzz.Fuzzed]) -> None:
    one = commands["cohort references"]
    listed = [(case.place, case.wrong) for case in fuzz.tries(one, tmp_path) if case.place]
    assert len(set(listed)) == len(listed)
    assert {place for place, _ in listed} == {".".join(map(str, place)) for _, place in one.places()}
    assert {wrong for _, wrong in listed} == set(fuzz.VALUES)
