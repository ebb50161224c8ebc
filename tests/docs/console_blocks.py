"""The commands that README and docs show: read from the pages, checked word by word, and run.

    make check-docs                                    run every block that is not marked; some minutes
    python -m tests.docs.console_blocks --page docs/how-to/plan_patients.md

A page's blocks run in order, in one scratch folder. What a page takes for granted (a cohort, two trained models, records) is put there when
a command names it. Trainings and sweeps are made short. A comment before a block says what is special about it:

    <!-- not run: REASON -->      REASON is one of `REASONS`; the commands are still checked word by word
    <!-- ends with 2 -->          the last command's exit code, where it is not 0
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from see_in_pairs.errors import InputError

ROOT = Path(__file__).resolve().parents[2]

REASONS = (
    "takes long", "needs a GPU", "needs several GPUs", "needs a cluster", "needs the images", "needs several trained models",
    "needs the result of 'make reproduce'", "needs another program", "changes the installation",
    "changes the settings of the shell", "needs the steps of this page",
)  # fmt: skip

FENCE = re.compile(r"^( *)```(console|sh|bash)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)  # a tutorial's: the build of the docs runs it
COMMENT = re.compile(r"<!-- (not run|ends with):? (.*?) -->\s*\Z")


@dataclass(frozen=True)
class Block:
    """Commands that a page shows."""

    page: Path
    line: int
    commands: tuple[str, ...]  # one command each on a console, else one script
    reason: str | None = None  # for which it is not run
    code: int = 0  # with which the last command ends
    in_notebook: bool = False

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """README and all pages that the docs are built from."""
    made = {"_build", "generated", "gallery"}
    docs = sorted(page for page in (ROOT / "docs").rglob("*.md") if not made & set(page.parts))
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *docs]


def read_blocks(page: Path) -> list[Block]:
    """The blocks of a page, in their order."""
    text, found = page.read_text("utf-8"), []
    for match in FENCE.finditer(text):
        indent, kind, content = match.groups()
        content = "\n".join(line.removeprefix(indent) for line in content.splitlines())
        said = COMMENT.search(text[: match.start()])
        marks = {said[1]: said[2]} if said else {}
        commands = tuple(prompted(content)) if kind == "console" else (content,)
        found.append(
            Block(page, text.count("\n", 0, match.start()) + 1, commands, marks.get("not run"), int(marks.get("ends with", 0)))
        )  # fmt: skip
    for match in CELL.finditer(text):
        lines = match[1].replace("\\\n", " ").splitlines()
        if commands := tuple(line[1:] for line in lines if line.startswith("!")):
            found.append(Block(page, text.count("\n", 0, match.start()) + 1, commands, in_notebook=True))
    return found


def prompted(content: str) -> list[str]:
    """Commands behind a prompt, with the lines that continue them; what is printed is left out."""
    return re.findall(r"^\$ ((?:[^\n]*\\\n)*[^\n]*)", content, re.MULTILINE)


# ---- checked word by word ----

TOLD = r"""
told() { printf '%s\0' "$@"; printf '\1'; }
see-in-pairs() { told "$@"; }
elsewhere() { while [ $# -gt 0 ]; do if [ "$1 $2" = "-m see_in_pairs" ]; then shift 2; told "$@"; return; fi; shift; done; }
python() { elsewhere "$@"; }
accelerate() { elsewhere "$@"; }
torchrun() { elsewhere "$@"; }
set() { :; }
source() { :; }
command_not_found_handle() { :; }
PATH=
SLURM_ARRAY_TASK_ID=0
"""  # no program is started: the shell only expands loops, variables and quotes, and every other command is nothing


def expanded(blocks: Sequence[Block]) -> list[list[list[str]]]:
    """The words of each ``see-in-pairs`` that the shell would start, for each block.

    Raises
    ------
    InputError
        When the shell cannot read a block.
    """
    script = TOLD + "".join(f"( eval {shlex.quote(chr(10).join(block.commands))} ) || :; printf '\\2'\n" for block in blocks)
    done = subprocess.run(["bash", "--noprofile", "--norc"], input=script, capture_output=True, text=True, cwd="/", check=False)
    if wrong := [line for line in done.stderr.splitlines() if "syntax error" in line or "unexpected" in line]:
        raise InputError(f"a block is no shell script: {wrong[0]}")
    return [[call.split("\0")[:-1] for call in told.split("\1")[:-1]] for told in done.stdout.split("\2")[:-1]]


@cache
def _command_tree() -> Any:
    """The command line, every command of which only notes how it was called."""
    import typer

    from paper_figures.cli import app

    def _notes(command: Any, path: tuple[str, ...]) -> None:
        if not hasattr(command, "commands"):
            command.callback = lambda **values: CALLS.append((" ".join(path), values))
        for option in () if path else command.params:
            option.callback = None  # '--version' prints, '--install-completion' changes the shell's start-up file
        for name, inner in getattr(command, "commands", {}).items():
            _notes(inner, (*path, name))

    tree = typer.main.get_command(app)
    tree.invoke_without_command = True  # 'see-in-pairs --version' names no command
    _notes(tree, ())
    return tree


CALLS: list[tuple[str, dict[str, Any]]] = []


def check(words: Sequence[str], names: bool = True) -> None:
    """Check a command line without running it: the command, its options and their values, and (`names`) whatever it names that comes along.

    Raises
    ------
    InputError
        When a command, an option, a packaged config, a key of a config, an arm or a statement does not exist, or a value is not possible.
    """
    from typer.exceptions import TyperException

    from see_in_pairs.console import spell_out_json

    CALLS.clear()
    try:
        _command_tree().main(args=spell_out_json(list(words)), prog_name="see-in-pairs", standalone_mode=False)
    except (TyperException, SystemExit) as error:
        raise InputError(error.format_message() if isinstance(error, TyperException) else f"exit code {error.code}") from None
    for command, values in CALLS if names else ():
        _check_names(command, values)


def _check_names(command: str, values: dict[str, Any]) -> None:
    """Load the packaged config that is named with its changes, and look up statements and quantities."""
    from see_in_pairs.configs import load_config

    changes, word = list(values.get("changes") or ()), values.get("config")
    if str(word).endswith((".yaml", ".yml")):
        if not (ROOT / str(word)).is_file():
            return  # a file of the reader's own
        word = ROOT / str(word)
    if command == "sweep run":
        from theory.sweeps.packaged import find_design
        from theory.sweeps.study import Study

        if (design := find_design(word)).is_file():
            Study.load(design, changes)
    elif command in (kinds := _config_kinds()):
        kind, find, default = kinds[command]
        path = find(str(word or default), "finetune" if command == "benchmark padding" else command)
        if path.is_file():
            load_config(kind, path, changes)
    elif command.startswith("theory") and (named := values.get("statements") or values.get("statement")):
        from theory.statements import statement

        for item in [named] if isinstance(named, str) else named:
            names = [quantity.name for quantity in statement(item).quantities]
            if (name := values.get("quantity")) and name not in names:
                raise InputError(f"{item} has no quantity {name!r}")


@cache
def _config_kinds() -> dict[str, tuple[Any, Any, str]]:
    """Class of the config, how it is found by name, and the default, of every command that takes one."""
    from empirical import CrossedConfig, EvaluateConfig, FinetuneConfig, InsertConfig, PhantomConfig, PretrainConfig, ReferenceConfig
    from empirical.commands.options import config_path
    from paper_figures.commands.observers import CONFIGS as OF_OBSERVERS
    from paper_figures.commands.study import CONFIGS
    from paper_figures.observers.config import ObserversConfig
    from paper_figures.study.config import StudyConfig
    from see_in_pairs.packaged import find_config

    return {
        "finetune": (FinetuneConfig, config_path, ""),
        "benchmark padding": (FinetuneConfig, config_path, ""),
        "evaluate": (EvaluateConfig, config_path, ""),
        "pretrain": (PretrainConfig, config_path, ""),
        "analyse crossed": (CrossedConfig, config_path, ""),
        "cohort phantom": (PhantomConfig, config_path, "default-phantom"),
        "cohort insert": (InsertConfig, config_path, "insert-lesions"),
        "cohort references": (ReferenceConfig, config_path, "random-references"),
        "observers": (ObserversConfig, lambda word, command: find_config(word, OF_OBSERVERS, command), "known-place"),
        "study": (StudyConfig, lambda word, command: find_config(word, CONFIGS, command), ""),
    }


# ---- run ----

SHORT = """#!/bin/sh
# 'see-in-pairs' while pages are checked: the same program, with short trainings and sweeps
case "$1 $2" in
"finetune "*) set -- "$@" --set steps=2 --set batch_size=4 --set gradient_accumulation=1 --set threads=1 --set doctor=false ;;
"evaluate "*) set -- "$@" --set threads=1 --set doctor=false ;;
"sweep gain") set -- "$@" --replicates 4 --set block=4 ;;
"cohort phantom") set -- "$@" --set n_train=60 --set n_val=20 --set n_test=40 ;;
esac
exec {program} "$@"
"""

LONGEST = 1200  # seconds of a command, many times what any takes on an idle machine

ON_TEST = "--set cohort=cohort --quiet"
POCKET = "--set cohort=cohort --set model.name=pocket --set method=full --quiet"
RECIPES = {
    "cohort": "see-in-pairs cohort phantom --out cohort --quiet",
    "runs/single/model": f"see-in-pairs finetune single-lora --out runs/single {POCKET}",
    "runs/pair/model": f"see-in-pairs finetune pair-lora --out runs/pair {POCKET}",
    "runs/single-test": f"see-in-pairs evaluate single-test --out runs/single-test {ON_TEST} --set model.name=runs/single/model",
    "runs/pair-test": f"see-in-pairs evaluate pair-test --out runs/pair-test {ON_TEST} --set model.name=runs/pair/model",
    "runs/pair-val": "see-in-pairs evaluate pair-test --out runs/pair-val --set cohort=cohort --set split=val --quiet",
    "out/paired": "see-in-pairs sweep paired_means.yaml --out out/paired --replicates 100 --quiet",
}
"""What pages take for granted, and the command that makes it."""
NEEDS = {
    "runs/single/model": ["cohort"], "runs/pair/model": ["cohort"], "runs/single-test": ["cohort", "runs/single/model"],
    "runs/pair-test": ["cohort", "runs/pair/model"], "runs/pair-val": ["cohort"], "out/paired": ["paired_means.yaml"],
}  # fmt: skip
FILES = {"paired_means.yaml": ("docs/how-to/simulation_study/paired_means.yaml", "docs/how-to/simulation_study/paired_means.py")}


def simulated_scores() -> dict[str, Any]:
    """Tables of scores, as a reader has them: two arms as CSV and Parquet, a pilot with several trainings, ratings of readers."""
    import numpy as np
    import pandas as pd

    from empirical import Records

    rng = np.random.default_rng(0)
    label = np.arange(60) % 2
    patient = rng.normal(size=60)
    items = pd.DataFrame({"item_id": [f"image-{n}" for n in range(60)], "patient_id": [f"patient-{n // 2}" for n in range(60)]})

    def _score(gain: float) -> Any:
        return 1 / (1 + np.exp(-(gain * label + 0.6 * patient + 0.6 * rng.normal(size=60))))

    arms = {"single": 0.8, "pair": 1.4, "reference_only": 0.3}
    rows = [
        items.assign(
            run_id=f"{arm}-{training}", arm=arm, train_arm=arm, train_seed=training, n_train=100, site="north", seed=0,
            label=np.where(label == 1, "nodule", "healthy"), reference_strategy="" if arm == "single" else "random", mass_outside=0.0,
            reference_ids=[[] if arm == "single" else [f"reference-{n % 10}"] for n in range(60)],
            reference_patient_ids=[[] if arm == "single" else [f"reference-{n % 10}"] for n in range(60)],
            p_positive=(p := _score(gain)), logp=[{"Yes": a, "No": b} for a, b in zip(np.log(p), np.log1p(-p), strict=True)],
            generated=None, parsed=None, score_seconds=0.0,
        )
        for arm, gain in arms.items() for training in range(3)
    ]  # fmt: skip
    records = Records(pd.concat(rows, ignore_index=True), ("nodule",), "healthy")
    right = {arm: items.assign(label=label, score=_score(arms[arm]), f1=_score(arms[arm])) for arm in ("single", "pair")}
    ratings = [right[arm].assign(score=_score(gain), arm=arm_name, reader=reader)
               for arm, arm_name, gain in (("single", "CT", 0.8), ("pair", "MRI", 1.4)) for reader in "ABCD"]  # fmt: skip
    return {
        "a.csv": right["pair"], "b.csv": right["single"], "ratings.csv": pd.concat(ratings), "pilot/records.parquet": records,
        "records.parquet": records, "single.parquet": records.of(run_id="single-0"), "pair.parquet": records.of(run_id="pair-0"),
    }  # fmt: skip


@dataclass
class Workshop:
    """Makes what pages take for granted, once, and puts it into a page's folder when a command names it."""

    folder: Path

    def __post_init__(self) -> None:
        program = self.folder / "bin" / "see-in-pairs"
        program.parent.mkdir(parents=True)
        program.write_text(SHORT.replace("{program}", shlex.quote(str(Path(sys.executable).parent / "see-in-pairs"))))
        program.chmod(0o755)
        path = os.pathsep.join((str(program.parent), str(Path(sys.executable).parent), os.environ["PATH"]))
        python_path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        self.environment = os.environ | {"PATH": path, "PYTHONPATH": python_path, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        self.stock = self.folder / "stock"
        self.tables = simulated_scores()
        for name, table in self.tables.items():
            from empirical import Records, write_records

            (self.stock / name).parent.mkdir(parents=True, exist_ok=True)
            write_records(self.stock / name, table) if isinstance(table, Records) else table.to_csv(self.stock / name, index=False)

    def run(self, command: str, folder: Path) -> subprocess.CompletedProcess[str]:
        """Run a command in a folder by bash; one that takes too long is a fault like any other, and the next ones are run."""
        words = ["timeout", "--signal=INT", "--kill-after=30", str(LONGEST), "bash", "-c", command]
        return subprocess.run(
            words, cwd=folder, env=self.environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )

    def provide(self, command: str, folder: Path) -> None:
        """Put what a command names, and nothing earlier has left, into the folder."""
        made = re.findall(r"--out[ =](\S+)", command)
        names = [
            *RECIPES,
            *FILES,
            *(str(path.relative_to(self.stock)) for path in self.stock.rglob("*") if path.suffix in (".csv", ".parquet")),
        ]
        for name in names:
            top = name.removesuffix("/model").removesuffix("/records.parquet")
            if top not in made and re.search(rf"(?<![\w./-]){re.escape(top)}(?![\w.-])", command) and not (folder / name).exists():
                self._put(name, folder)

    def _put(self, name: str, folder: Path) -> None:
        for needed in NEEDS.get(name, ()):
            if not (folder / needed).exists():
                self._put(needed, folder)
        top = name.removesuffix("/model")
        if name in FILES:
            for file in FILES[name]:
                shutil.copy(ROOT / file, folder)
            return
        if not (self.stock / name).exists():
            for needed in NEEDS.get(name, ()):
                if not (self.stock / needed).exists():
                    self._put(needed, self.stock)
            done = self.run(RECIPES[name], self.stock)
            if done.returncode:
                raise RuntimeError(f"{RECIPES[name]}\n{done.stderr}")
        source = self.stock / top
        (folder / top).parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, folder / top) if source.is_dir() else shutil.copy(source, folder / top)


def run_page(page: Path, workshop: Workshop) -> Iterator[tuple[Block, float, str]]:
    """Run a page's blocks in order; gives seconds and what went wrong, nothing where all is well."""
    folder = workshop.folder / "pages" / str(page.relative_to(ROOT).with_suffix("")).replace(os.sep, "-")
    folder.mkdir(parents=True)
    for block in read_blocks(page):
        if block.reason is not None or block.in_notebook:
            continue
        began, fault = time.monotonic(), ""
        for number, command in enumerate(block.commands, 1):
            workshop.provide(command, folder)
            done = workshop.run(command, folder)
            wanted = block.code if number == len(block.commands) else 0
            if done.returncode != wanted:
                fault = f"$ {command}\nexit code {done.returncode}, not {wanted}\n{done.stderr.strip()[-600:]}"
                break
        yield block, time.monotonic() - began, fault


def main() -> None:
    """Run all blocks, and say what failed and what is marked."""
    import tempfile

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--page", type=Path, action="append", help="Only this page; may be repeated.")
    options = parser.parse_args()
    chosen = [path.resolve() for path in options.page] if options.page else pages()
    faults, times, began = 0, 0, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="check-docs-") as folder:
        workshop = Workshop(Path(folder))
        for page in chosen:
            for block, seconds, fault in run_page(page, workshop):
                times += 1
                faults += bool(fault)
                print(f"{'FAIL' if fault else 'ok':4} {seconds:6.1f} s  {block.place}" + (f"\n{fault}\n" if fault else ""), flush=True)
    marked = [block for page in chosen for block in read_blocks(page) if block.reason is not None]
    for reason in REASONS:
        if places := [block.place for block in marked if block.reason == reason]:
            print(f"not run, {reason}: {len(places)} ({', '.join(places)})")
    print(f"{times} blocks run in {time.monotonic() - began:.0f} s, {faults} failed; {len(marked)} marked")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
