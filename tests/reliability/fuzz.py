"""The fuzz of every key of every config: into each key, nested ones too, goes each of some forty wrong values.

``make reliability`` runs it and writes its table. A case is one run of a command, with inputs so small that what is accepted soon
ends. It must end in exit code 2 and one line of at most `LONGEST_ERROR` characters, or in a result; never in a traceback, a hang or a file
beside --out.
The cases of a command run in one process of its own, which is started anew after a hang or a crash.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import importlib
import io
import json
import os
import resource
import select
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from see_in_pairs.console import LONGEST_ERROR
from see_in_pairs.files import write_text

SECONDS = 120.0
"""A case that takes longer hangs: with the smallest inputs a run takes a second or two."""

MEMORY = 12 * 2**30
"""Bytes of address space of a process that fuzzes, so that what asks for all memory is told that there is none."""

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

OUTCOMES = ("refused", "accepted", "traceback", "hang", "crash", "no single line", "written beside --out")
"""How a case can end; but for the first two all are faults."""

Place = tuple[str | int, ...]


@dataclass
class Fuzzed:
    """A command with a config that it accepts: what every key is tried in."""

    command: str
    words: Callable[[str, str], list[str]]  # of the config's file and of --out
    configs: list[dict[str, Any]]
    leave_out: tuple[str, ...] = ()  # keys that are tried in another command, with all that is below them

    def places(self) -> Iterator[tuple[dict[str, Any], Place]]:
        """List every key of every config once, nested ones and the first entries of lists too."""
        seen: set[Place] = set()
        for config in self.configs:
            for place in below(config):
                if place not in seen and place[0] not in self.leave_out:
                    seen.add(place)
                    yield config, place


def below(content: Any, place: Place = ()) -> Iterator[Place]:
    """List the places of all values in nested mappings and lists; of a list its first entry, since all entries are alike."""
    inner = content.items() if isinstance(content, dict) else list(enumerate(content))[:1] if isinstance(content, (list, tuple)) else ()
    for key, value in inner:
        yield (*place, key)
        yield from below(value, (*place, key))


def with_value(config: dict[str, Any], place: Place, text: str) -> str:
    """Write a config as YAML, with a value, given as YAML too, in one place."""
    changed = copy.deepcopy(config)
    *outer, last = place
    inner: Any = changed
    for part in outer:
        inner = inner[part]
    inner[last] = MARK
    return json.dumps(changed).replace(json.dumps(MARK), text, 1)  # JSON is YAML, but for what stands in the one place


def full(kind: Any, **changes: Any) -> dict[str, Any]:
    """Every key of a config class, with its default where it is not given."""
    content: dict[str, Any] = kind.model_validate(changes).model_dump(mode="json")
    return content


def fuzzed(folder: Path, cohort: str) -> dict[str, Fuzzed]:
    """Every command that takes a config, with the smallest inputs."""
    from empirical.analysis.crossed import CrossedConfig
    from empirical.cohorts.phantom import PhantomConfig
    from empirical.evaluation.config import EvaluateConfig
    from empirical.pretraining.config import PretrainConfig
    from empirical.pretraining.grid import GridConfig
    from empirical.references import ReferenceConfig
    from empirical.training.config import FinetuneConfig
    from paper_figures.study.config import StudyConfig

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
            early_stopping={"every": 1},
            curriculum={},
            report_to=["tensorboard"],
            **short,
        ),
        full(FinetuneConfig, cohort=cohort, arm={"arm": "single"}, method="full", n_train=2, features_folder="features", **short),
    ]
    shape = {"image_size": 32, "patch_size": 16, "vision_width": 32, "vision_layers": 1, "width": 32, "layers": 1, "heads": 2}
    pretrained = {"model": shape, "steps": 1, "batch_size": 2, "questions": 20, "examine_every": 1, "save_every": 1, "threads": 1}
    phantom = {"size": 32, "n_train": 2, "n_val": 0, "n_test": 2, "warmup": {"n": 1}, "lesion": {"width": 2.0}}
    phantoms = [full(PhantomConfig, **phantom), full(PhantomConfig, shares={"field": 0.9}, **phantom)]
    strategies = [relative, other["references"], site["references"], {"strategy": "random", "reuse": 1}]
    training = {key: value for key, value in trained[1].items() if key not in ("cohort", "arm", "model", "prompts", "n_train", "seed")}
    evaluation = full(EvaluateConfig, cohort=cohort, arms=arms[0], **scoring)
    evaluating = {key: value for key, value in evaluation.items() if key not in ("cohort", "arms", "model", "prompts", "seed")}
    study = full(
        StudyConfig, model=model, cohorts={"a": {"folder": cohort}}, arms={"single": arms[0][1], "pair": arms[0][0]}, training=training,
        evaluation=evaluating, blocks=[{"n_train": [0], "seeds": [0], "training": {"steps": 1}}], comparisons=[["pair", "single"]],
        restarts={"above": 100.0, "attempts": 2}, keep_models=False,
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

    started = pretrained | {"start": "pocket", "model": {}}
    of_a_phantom = {"a": {"phantom": phantoms[0], "folder": None}}
    evaluations = [full(EvaluateConfig, cohort=cohort, arms=one, model=model, **scoring) for one in arms]
    evaluations[0] |= {"generate": True, "speed": evaluations[0]["speed"] | {"features_folder": "features"}}
    crossed = full(CrossedConfig, cohort=cohort, models=[model], patients=2, references=2, pairing=relative, batch_size=4, threads=1)
    nested = ("model", "prompts", "arms", "arm", "speed", "lora", "curriculum")
    listed = [
        Fuzzed("finetune", plain("finetune"), trained),
        Fuzzed("evaluate", plain("evaluate"), evaluations),
        Fuzzed("analyse crossed", plain("analyse", "crossed"), [crossed], leave_out=("prompts", "speed")),
        Fuzzed("analyse alignment", plain("analyse", "alignment"), evaluations[:1], leave_out=nested),
        Fuzzed("analyse attribution", plain("analyse", "attribution"), evaluations[:1], leave_out=nested),
        Fuzzed("benchmark padding", padded, trained[:1], leave_out=nested),
        Fuzzed("pretrain", plain("pretrain"), [full(PretrainConfig, **one) for one in (pretrained, started)]),
        Fuzzed("pretrain-grid", plain("pretrain-grid"), [
            full(GridConfig, base=pretrained, models={"a": shape}, learning_rates=[1e-3], seeds=[0])
        ]),
        Fuzzed("cohort phantom", plain("cohort", "phantom"), phantoms),
        Fuzzed("cohort references", lambda config, out: ["cohort", "references", cohort, "--config", config, "--out", out, "--quiet"],
               [full(ReferenceConfig, **one) for one in strategies]),
        Fuzzed("sweep", plain("sweep"), [sweep]),
        Fuzzed("study", plain("study"), [study, study | {"cohorts": of_a_phantom}], leave_out=("prompts",)),
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


def make_inputs(folder: Path) -> str:
    """Make a cohort of a dozen pictures, a folder and a pipe; return the cohort's folder."""
    from empirical.cohorts.phantom import PhantomConfig, make_phantom

    settings = {"size": 32, "n_train": 4, "n_val": 2, "n_test": 12, "relatives": 1, "lesion": {"width": 2.0}}
    cohort = make_phantom(PhantomConfig.model_validate(settings), folder / "cohort", seed=1, quiet=True)
    replace(cohort, folder=folder / "other", info=replace(cohort.info, modality="photograph", image_root=str(cohort.root))).save()
    (folder / "a folder").mkdir()
    os.mkfifo(folder / "pipe")
    return str(folder / "cohort")


@dataclass
class Case:
    """One value in one key, and what came of it."""

    command: str
    key: str
    value: str
    outcome: str = "hang"
    code: int | None = None
    seconds: float = 0.0
    said: str = ""  # the last lines of standard error


def run_case(one: Fuzzed, text: str, folder: Path, case: Case) -> None:
    """Run a command with a config in this process, and say in the case how it ended."""
    from paper_figures.cli import app
    from see_in_pairs.console import run_app

    (folder / "config.yaml").write_text(text)
    before, errors, began = entries(folder), io.StringIO(), time.monotonic()
    try:
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
            case.code = run_app(app, one.words(str(folder / "config.yaml"), str(folder / "out")))
        case.outcome = "accepted" if case.code in (0, 1) else "refused"
    except Exception:
        case.outcome, errors = "traceback", io.StringIO(traceback.format_exc())
    case.seconds = time.monotonic() - began
    lines = errors.getvalue().splitlines()
    case.said = "\n".join(lines[-40:])[-6000:]
    failures = [line for line in lines if line.startswith("see-in-pairs: error: ")]
    if case.outcome == "refused" and (case.code != 2 or len(failures) != 1 or len(failures[0]) > LONGEST_ERROR + 30):
        case.outcome = "no single line"
    beside = sorted(entries(folder) - before)
    if beside and not case.key.endswith("features_folder") and case.value != "as it is":
        case.outcome, case.said = "written beside --out", f"{beside[:3]} {case.said}"
    shutil.rmtree(folder / "out", ignore_errors=True)


def entries(folder: Path) -> set[Path]:
    """List what is beside --out and in the two folders above, but for folders of caches."""
    caches = {folder / "out", folder / "features", folder / "__pycache__", folder.parents[1] / "home"}
    found = (Path(place) / name for place, folders, names in os.walk(folder.parents[1]) for name in (*folders, *names))
    return {path for path in found if path not in caches and not caches & set(path.parents)}


def run_serially(function: Callable[[Any], Any], jobs: Any, workers: int) -> Iterator[tuple[Any, Any]]:
    """Do what `see_in_pairs.processes.run_in_processes` does in this process, so that a case takes a second and not ten."""
    for job in jobs:
        yield job, function(job)


def work(command: str, first: int, step: int, folder: Path) -> None:
    """Run the cases of a command from a number on, one line of JSON each on standard output."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for name in ("empirical.pretraining.grid", "paper_figures.study"):
        importlib.import_module(name)
    for module in list(sys.modules.values()):  # where it is used, in whatever modules
        if "run_in_processes" in vars(module) and module.__name__ != "see_in_pairs.processes":
            vars(module)["run_in_processes"] = run_serially
    results = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print does not mix with the results
    os.chdir(folder)
    one = fuzzed(folder, str(folder / "cohort"))[command]
    every = cases(one)
    for config in one.configs if first == 0 else ():  # as they are; caches are filled once
        run_case(one, json.dumps(config), folder, case := Case(command, "", "as it is"))
        if case.outcome != "accepted" or case.code:
            raise SystemExit(f"{command}: the config is not accepted as it is: {case.said}")
    for number in range(first, len(every), step):
        config, place, value = every[number]
        case = Case(command, ".".join(map(str, place)), value)
        print(json.dumps({"number": number, **vars(case)}), file=results, flush=True)
        text = VALUES[value].replace("FOLDER", json.dumps(str(folder / "a folder"))).replace("PIPE", json.dumps(str(folder / "pipe")))
        run_case(one, with_value(config, place, text), folder, case)
        print(json.dumps({"number": number, **vars(case)}), file=results, flush=True)


def cases(one: Fuzzed) -> list[tuple[dict[str, Any], Place, str]]:
    """Every value in every key."""
    return [(config, place, value) for config, place in one.places() for value in VALUES]


def fuzz(command: str, folder: Path, step: int, say: Callable[[str], None]) -> list[Case]:
    """Run the cases of a command in processes of their own; of a hang or a crash the next case is told in a new one."""
    found: dict[int, Case] = {}
    first = 0
    while True:
        words = [
            sys.executable,
            "-m",
            "tests.reliability.fuzz",
            "--work",
            command,
            "--first",
            str(first),
            "--step",
            str(step),
            "--folder",
            str(folder),
        ]
        environment = os.environ | {
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
            "HOME": str(folder.parents[1] / "home"),
            "MPLBACKEND": "Agg",
        }
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment) as process:
            assert process.stdout is not None
            last, hung = -1, False
            while True:
                ready, _, _ = select.select([process.stdout], [], [], SECONDS if last >= 0 else 10 * SECONDS)
                line = process.stdout.readline() if ready else b""
                if not line:
                    if hung := not ready:
                        process.kill()
                    break
                content = json.loads(line)
                last = content.pop("number")
                finished = last in found
                found[last] = Case(**content)
                if finished and found[last].outcome not in ("refused", "accepted"):
                    say(f"{command} {found[last].key}: {found[last].value}: {found[last].outcome}: {found[last].said.splitlines()[-1:]}")
            code = process.wait()
        if code == 0 and not hung:
            return [found[number] for number in sorted(found)]
        if last < 0:
            raise SystemExit(f"{command}: the process that fuzzes it does not start (exit code {code})")
        found[last].outcome, found[last].seconds = ("hang", SECONDS) if hung else ("crash", 0.0)
        say(f"{command} {found[last].key}: {found[last].value}: {found[last].outcome} (exit code {code})")
        first = last + step


def page(found: dict[str, list[Case]]) -> str:
    """The table of a fuzz, as Markdown."""
    head = "| command | keys | cases | " + " | ".join(OUTCOMES) + " | longest case |"
    lines = [head, "|---" * (len(OUTCOMES) + 4) + "|"]
    for command, every in found.items():
        counts = [str(sum(case.outcome == outcome for case in every)) for outcome in OUTCOMES]
        keys, longest = len({case.key for case in every}), max(case.seconds for case in every)
        lines.append(f"| {command} | {keys} | {len(every):,} | " + " | ".join(counts) + f" | {longest:.1f} s |")
    return "\n".join(lines) + f"\n\n{len(VALUES)} values in each key: {', '.join(VALUES)}.\n"


def main() -> None:
    """Run the fuzz from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="a folder to work in; by default a temporary one")
    parser.add_argument("--only", action="append", default=[], help="a command; may be given several times")
    parser.add_argument("--step", type=int, default=1, help="run every so many-th case")
    parser.add_argument("--table", type=Path, help="where to write the table")
    parser.add_argument("--log", type=Path, help="where to write every case, as JSON")
    parser.add_argument("--work", help="(a process that this program starts)")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    given = parser.parse_args()
    if given.work:
        return work(given.work, given.first, given.step, given.folder)
    folder = (given.folder or Path(tempfile.mkdtemp())).resolve() / "a" / "b" / "c"
    folder.mkdir(parents=True)
    (folder.parents[1] / "home").mkdir(exist_ok=True)
    cohort = make_inputs(folder)
    found = {}
    for command in given.only or fuzzed(folder, cohort):
        found[command] = fuzz(command, folder, given.step, lambda text: print(text, flush=True))
        print(page({command: found[command]}).splitlines()[2], flush=True)
        if given.log:
            write_text(given.log, "\n".join(json.dumps(vars(case)) for every in found.values() for case in every))
    if given.table:
        write_text(given.table, page(found))
    sys.exit(any(case.outcome not in ("refused", "accepted") for every in found.values() for case in every))


if __name__ == "__main__":
    main()
