"""The fuzz of every key of every config: into each key, nested ones too, goes each of some forty wrong values.

``make reliability`` runs it and writes its table. A case is one run of a command, with inputs so small that what is accepted soon ends.
A case must end in exit code 2 and one line of at most `LONGEST_ERROR` characters, or in a result; never in a traceback, a hang or a file
beside --out. The cases of a command run in one process of its own, which is started anew after a hang or a crash.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from see_in_pairs.configs import StrictConfig, parse_config
from see_in_pairs.errors import InputError
from see_in_pairs.files import parse_yaml
from tests.reliability.cases import AS_IT_IS, Case, Lister, Try, in_rounds, in_this_process, main, spread, table

VALUES = {
    "null": "null",
    "not a number": ".nan",
    "infinity": ".inf",
    "minus infinity": "-.inf",
    "minus one": "-1",
    "zero": "0",
    "half": "0.5",
    "2 to the 31": "2147483648",
    "largest of 64 bits": "9223372036854775807",
    "1 with 30 zeros": "1" + "0" * 30,
    "largest float": "1.7e+308",
    "smallest float": "5.0e-324",
    "empty text": "''",
    "blank": "' '",
    "text": "banana",
    "digits as text": "'7'",
    "exponent as text": "1e-3",
    "half a surrogate pair": r'"\uD800"',
    "control characters": r'"\x1b[31m\0\a"',
    "lines": r'"a\nb\n"',
    "long text": "x" * 100_000,
    "bracket of a pattern": "'(a+)+$['",
    "template": "'{{ 7 * 7 }}{x.__class__}%s'",
    "empty list": "[]",
    "list": "[1, banana, null]",
    "twice": "[0, 0]",
    "deep list": "[" * 200 + "]" * 200,
    "empty mapping": "{}",
    "mapping": "{banana: 1, 2: [3]}",
    "key that is null": "{null: 1}",
    "date": "2024-02-29",
    "moment": "2024-02-29T12:00:00Z",
    "true": "true",
    "bytes": "!!binary aGVsbG8=",
    "set": "!!set {a, b}",
    "call of a function": "!!python/object/apply:os.getcwd []",
    "folder": "FOLDER",
    "pipe": "PIPE",
    "device": "/dev/zero",
    "folder above": "../..",
    "user that is not there": "~nobody-of-that-name/x",
    "path that cannot be": "/proc/nowhere/x",
}
"""What goes into a key, as YAML; FOLDER and PIPE become paths of a folder and of a named pipe."""

MARK = "VALUE GOES HERE"

Place = tuple[str | int, ...]


@dataclass
class Fuzzed:
    """A command with a config that it accepts: what every key is tried in."""

    command: str
    kind: type[StrictConfig]
    words: Callable[[str, str], list[str]]  # of the config's file and of --out
    configs: list[dict[str, Any]]
    leave_out: tuple[str, ...] = ()  # sections whose keys are tried in another command
    long: tuple[str, ...] = ()  # sections whose defaults, which an empty mapping stands for, ask for a run of minutes or hours

    def places(self) -> Iterator[tuple[dict[str, Any], Place]]:
        """List every key of every config once, nested ones and the first entries of lists too."""
        seen: set[Place] = set()
        for config in self.configs:
            for place in below(config):
                if place not in seen and (len(place) == 1 or place[0] not in self.leave_out):
                    seen.add(place)
                    yield config, place


def below(content: Any, place: Place = ()) -> Iterator[Place]:
    """List the places of all values in nested mappings and lists; of a list its first entry, since all entries are alike."""
    inner = content.items() if isinstance(content, dict) else list(enumerate(content))[:1] if isinstance(content, (list, tuple)) else ()
    for key, value in inner:
        yield (*place, key)
        yield from below(value, (*place, key))


def put(config: dict[str, Any], place: Place, value: Any) -> dict[str, Any]:
    """Put a value in one place of a config."""
    changed = copy.deepcopy(config)
    *outer, last = place
    inner: Any = changed
    for part in outer:
        inner = inner[part]
    inner[last] = value
    return changed


def full(kind: Any, **changes: Any) -> dict[str, Any]:
    """Every key of a config class, with its default where it is not given."""
    content: dict[str, Any] = kind.model_validate(changes).model_dump(mode="json")
    return content


def fuzzed(folder: Path, cohort: str) -> dict[str, Fuzzed]:
    """Every command that takes a config, with the smallest inputs."""
    from empirical.analysis.arms import AlignmentConfig, AttributionConfig
    from empirical.analysis.crossed import CrossedConfig
    from empirical.cohorts.phantom import PhantomConfig
    from empirical.evaluation.config import EvaluateConfig
    from empirical.pretraining.config import PretrainConfig
    from empirical.pretraining.grid import GridConfig
    from empirical.references import ReferenceConfig
    from empirical.training.config import FinetuneConfig
    from paper_figures.study.config import StudyConfig
    from theory.sweeps.study import Study

    relative = {"strategy": "demographic", "columns": ["family"], "caliper": {"age": 100.0}}
    other = {"arm": "pair", "references": {"strategy": "embedding", "band": [0.0, 1.0], "model": {"name": "pocket-random"}}}
    site = {"arm": "multi", "references": {"strategy": "cross_center", "m": 2, "unmatched": "relax", "relax": ["site"]}}
    arms = [
        [{"arm": "pair", "references": relative, "run_id": "a"}, {"arm": "single"}],
        [other],
        [site],
        [{"arm": "wrong_modality", "other_cohort": str(folder / "other")}],
    ]
    model, scoring = (
        {"name": "pocket-random", "image_processor": {"size": {"height": 64, "width": 64}}},
        {"batch_size": 4, "threads": 1, "doctor": False},
    )
    short = {"steps": 1, "batch_size": 2, "threads": 1, "doctor": False, "model": model}
    trained = [
        full(
            FinetuneConfig,
            cohort=cohort,
            arm=arms[0][0],
            lora={"rank": 1},
            early_stopping={"every": 1, "within": 0.02, "share": 0.5},
            augmentation={"noise_sd": 1.0, "shift": 1},
            curriculum={},
            report_to=["tensorboard"],
            **short,
        ),
        full(
            FinetuneConfig,
            cohort=cohort,
            arm={"arm": "single", "extra_healthy": {"strategy": "random"}},
            method="full",
            n_train=2,
            features_folder="features",
            **short,
        ),
    ]
    shape = {"image_size": 32, "patch_size": 16, "vision_width": 32, "vision_layers": 1, "width": 32, "layers": 1, "heads": 2}
    pretrained = {
        "model": shape,
        "steps": 1,
        "batch_size": 2,
        "questions": 20,
        "examine_every": 1,
        "save_every": 1,
        "threads": 1,
        "kinds": {"new": 1.0},
    }
    phantom = {"size": 32, "n_train": 2, "n_val": 0, "n_test": 2, "warmup": {"n": 1}, "lesion": {"width": 2.0}}
    found = {"kinds": {"a": {"detectability": 1.0}}, "regions": {"r": {"centre": [0.5, 0.5], "side": "left"}}}
    phantoms = [
        full(PhantomConfig, **phantom), full(PhantomConfig, shares={"field": 0.9}, **phantom),
        full(PhantomConfig, modality="fundus", findings=found, **phantom),
    ]  # fmt: skip
    strategies = [relative, other["references"], site["references"], {"strategy": "random", "reuse": 1}]
    training = {key: value for key, value in trained[1].items() if key not in ("cohort", "arm", "model", "prompts", "n_train", "seed")}
    evaluation = full(EvaluateConfig, cohort=cohort, arms=arms[0], **scoring)
    evaluating = {key: value for key, value in evaluation.items() if key not in ("cohort", "arms", "model", "prompts", "seed")}
    study = full(
        StudyConfig, model=model, cohorts={"a": {"folder": cohort}}, arms={"single": arms[0][1], "pair": arms[0][0]}, training=training,
        evaluation=evaluating, blocks=[{"n_train": [0], "seeds": [0], "training": {"steps": 1}}], comparisons=[["pair", "single"]],
        restarts={"within": 0.02, "attempts": 2}, keep_models=False,
    )  # fmt: skip
    (folder / "pieces.py").write_text(PIECES)
    sweep = {
        "name": "s", "generate": "fuzzed draws", "methods": [{"name": "m", "use": "fuzzed mean", "trim": 0.1}], "aims": "a",
        "pieces": ["pieces.py"], "estimand": 0.0, "fixed": {"mu": 0.0}, "grid": {"n": [5]}, "cells": [{"n": 6}], "replicates": 4,
        "block": 2, "entropy": 0, "stop": {"measure": "bias", "mcse": 1.0, "cap": 8},
        "limits": {"seconds": 20.0, "megabytes": 500.0}, "max_failures": 2, "null": 0.0,
    }  # fmt: skip

    def plain(*command: str) -> Callable[[str, str], list[str]]:
        return lambda config, out: [*command, config, "--out", out, "--quiet"]

    def padded(config: str, out: str) -> list[str]:
        return ["benchmark", "padding", config, "--quiet", "--rows", "4"]

    def choosing(config: str, out: str) -> list[str]:
        return ["cohort", "references", cohort, "--config", config, "--out", out, "--quiet"]

    started = pretrained | {"start": "pocket", "model": {}}
    of_a_phantom = {"a": {"phantom": phantoms[0], "folder": None}}
    evaluations = [full(EvaluateConfig, cohort=cohort, arms=one, model=model, **scoring) for one in arms]
    aligned, attributed = (full(kind, cohort=cohort, arms=arms[0], model=model, **scoring) for kind in (AlignmentConfig, AttributionConfig))
    attributed |= {"items": 4, "steps": 4, "grid": 2}
    evaluations[0] |= {"choice_orders": 2, "wordings": ["chest/plain-1"]}
    evaluations[1]["prompts"] |= {"question_only": "question_only"}
    evaluations[0] |= {"generate": True, "speed": evaluations[0]["speed"] | {"features_folder": "features"}}
    crossed = full(CrossedConfig, cohort=cohort, models=[model], patients=2, references=2, pairing=relative, batch_size=4, threads=1)
    nested = ("model", "prompts", "arms", "arm", "speed", "lora", "curriculum")
    listed = [
        Fuzzed("finetune", FinetuneConfig, plain("finetune"), trained),
        Fuzzed("evaluate", EvaluateConfig, plain("evaluate"), evaluations),
        Fuzzed("analyse crossed", CrossedConfig, plain("analyse", "crossed"), [crossed], leave_out=("prompts", "speed")),
        Fuzzed("analyse alignment", AlignmentConfig, plain("analyse", "alignment"), [aligned], leave_out=nested),
        Fuzzed("analyse attribution", AttributionConfig, plain("analyse", "attribution"), [attributed], leave_out=nested),
        Fuzzed("benchmark padding", FinetuneConfig, padded, trained[:1], leave_out=nested),
        Fuzzed("pretrain", PretrainConfig, plain("pretrain"), [full(PretrainConfig, **one) for one in (pretrained, started)]),
        Fuzzed("pretrain-grid", GridConfig, plain("pretrain-grid"), [
            full(GridConfig, base=pretrained, models={"a": shape}, learning_rates=[1e-3], seeds=[0])
        ], long=("base",)),
        Fuzzed("cohort phantom", PhantomConfig, plain("cohort", "phantom"), phantoms),
        Fuzzed("cohort references", ReferenceConfig, choosing,
               [full(ReferenceConfig, **one) for one in strategies]),
        Fuzzed("sweep", Study, plain("sweep"), [sweep]),
        Fuzzed("study", StudyConfig, plain("study"), [study, study | {"cohorts": of_a_phantom}], leave_out=("prompts",),
               long=("training", "phantom")),
    ]  # fmt: skip
    return {one.command: one for one in listed}


PIECES = """
from theory.sweeps import generator, method

@generator("fuzzed draws")
def draws(*, rng, n, mu):
    return rng.normal(mu, size=n)

@method("fuzzed mean")
def mean(data, *, trim):
    return {"estimate": data.mean(), "se": data.std() / len(data) ** 0.5 + trim}
"""


def make_inputs(folder: Path) -> None:
    """Make a cohort of a dozen pictures, a folder and a pipe."""
    from empirical.cohorts.phantom import PhantomConfig, make_phantom

    settings = {"size": 32, "n_train": 4, "n_val": 2, "n_test": 12, "relatives": 1, "lesion": {"width": 2.0}}
    cohort = make_phantom(PhantomConfig.model_validate(settings), folder / "cohort", seed=1, quiet=True)
    replace(cohort, folder=folder / "other", info=replace(cohort.info, modality="photograph", image_root=str(cohort.root))).save()
    (folder / "a folder").mkdir()
    os.mkfifo(folder / "pipe")


def prepare(folder: Path) -> dict[str, Lister]:
    """Make the inputs where they are not there yet, and list every value in every key of every command."""
    if not (folder / "cohort").is_dir():
        make_inputs(folder)
    in_this_process()
    return {command: partial(tries, one, folder) for command, one in fuzzed(folder, str(folder / "cohort")).items()}


def tries(one: Fuzzed, folder: Path) -> list[Try]:
    """Each config as it is, so that it is known to be accepted and caches are filled; then every value in every key.

    First a value of each key that the check of the config lets pass, then all that it refuses, then the other values of each key. Of values
    that make the same config (7 and '7', a default) one is run.
    """
    file, words = folder / "config.yaml", one.words(str(folder / "config.yaml"), str(folder / "out"))
    texts = {name: text.replace("FOLDER", str(folder / "a folder")).replace("PIPE", str(folder / "pipe")) for name, text in VALUES.items()}
    parsed = {name: parsed_value(text) for name, text in texts.items()}
    seen = {repr(parse_config(one.kind, config, "")) for config in one.configs}
    refused, accepted = [], []
    for number, (config, place) in enumerate(one.places()):
        passed = []
        for name in spread(list(VALUES), number):
            begin = partial(write_value, file, config, place, texts[name])
            case = Try(".".join(map(str, place)), name, words, begin, writes=place[-1] == "features_folder")
            if (content := outcome_of_check(one.kind, config, place, parsed[name])) is None:
                refused.append(case)
            elif content not in seen and not (parsed[name] == {} and place[-1] in one.long):
                seen.add(content)
                passed.append(case)
        accepted.append(passed)
    asis = [Try("", AS_IT_IS, words, partial(file.write_text, json.dumps(config))) for config in one.configs]
    rounds = in_rounds(accepted)
    first = sum(map(bool, accepted))  # a run of the command for each key, however slow the machine is
    return [*asis, *rounds[:first], *refused, *rounds[first:]]


def parsed_value(text: str) -> Any:
    """Read a value as a config's file is read; `MARK` where no YAML may hold it."""
    try:
        return parse_yaml(text, "value")
    except InputError:
        return MARK


def outcome_of_check(kind: type[StrictConfig], config: dict[str, Any], place: Place, value: Any) -> str | None:
    """What a config is with a value in one place; None where the check refuses it."""
    try:
        return None if value is MARK else repr(parse_config(kind, put(config, place, value), ""))
    except InputError:
        return None


def write_value(file: Path, config: dict[str, Any], place: Place, text: str) -> None:
    """Write a config as YAML, with a value, given as YAML too, in one place."""
    # JSON is YAML, but for what stands in the one place
    file.write_text(json.dumps(put(config, place, MARK)).replace(json.dumps(MARK), text, 1))


def page(found: dict[str, list[Case]], counts: dict[str, int]) -> str:
    """The table of a fuzz, as Markdown."""
    return table(found, "keys", counts) + f"\nThe {len(VALUES)} values: {', '.join(VALUES)}.\n"


if __name__ == "__main__":
    main("tests.reliability.fuzz", "Settings", prepare, page, minutes=20)
