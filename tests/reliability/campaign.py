"""The kill campaign: every pipeline is killed at random moments, run again to its end, and compared with a run left alone.

``make reliability`` runs it; `TEXT` says what is counted.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from see_in_pairs.files import read_json, write_json
from see_in_pairs.processes import usable_cores
from see_in_pairs.runs import git_commit
from tests.reliability.cases import write_section

LATE = 0.25
"""Share of the kills that wait for a result and strike within half a second of it, while the last files are saved."""

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
TIMES = ("score_seconds", "seconds", "started", "train_seconds")
"""Columns that say how long something took: the only ones that may differ."""

RELATIVE = {"arm": "pair", "references": {"strategy": "demographic", "columns": ["family"], "caliper": {}}}
PHANTOM = {"n_train": 24, "n_val": 4, "n_test": 40, "relatives": 1}
TINY = {"vision_width": 32, "vision_layers": 1, "width": 32, "layers": 1, "heads": 2, "image_size": 32, "patch_size": 16}
PIECES = """
import time
from theory.sweeps import generator, method

@generator("normal draws")
def draws(*, rng, n):
    time.sleep(0.004)
    return rng.normal(size=n)

@method("mean")
def mean(data):
    return {"estimate": data.mean(), "se": data.std() / len(data) ** 0.5}
"""


@dataclass(frozen=True)
class Pipeline:
    """One command: its words, the files that are its result, and how many of a hundred kills it gets."""

    name: str
    words: list[str]
    results: tuple[str, ...]
    kills: int


@dataclass
class Alone:
    """What a run leaves that nobody kills."""

    seconds: float
    results: dict[str, str]  # hashes
    files: set[str]
    keys: set[str]  # of the manifest
    lines: set[str]  # of standard error


@dataclass
class Tally:
    """What happened to the runs of one pipeline: numbers of kills, and a line for each fault."""

    kills: dict[str, int] = field(default_factory=dict)
    after_the_end: int = 0
    runs: int = 0
    different: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    stripped: list[str] = field(default_factory=list)
    left_over: list[str] = field(default_factory=list)
    noise: list[str] = field(default_factory=list)

    @property
    def faults(self) -> dict[str, list[str]]:
        """All lists of faults, by what the table calls them."""
        return {
            "results that differ": self.different,
            "processes left behind": self.orphans,
            "not resumed": self.refused,
            "stripped manifests": self.stripped,
            "left-over files": self.left_over,
            "more said than one line": self.noise,
        }


def pipelines(folder: Path) -> list[Pipeline]:
    """Write the inputs of all pipelines into a folder."""

    def config(name: str, content: dict[str, Any]) -> str:
        (folder / name).write_text(yaml.safe_dump(content, sort_keys=False))
        return str(folder / name)

    (folder / "pieces.py").write_text(PIECES)
    small = [word for key, value in PHANTOM.items() for word in ("--set", f"{key}={value}")]
    cohort = folder / "cohort"
    if not (cohort / "cohort.parquet").is_file():
        subprocess.run([*PROGRAM, "cohort", "phantom", "--out", str(cohort), "--quiet", *small], check=True)
    for source in sorted((cohort / "images").glob("*.png")):
        kind = "well" if "reference" in source.name or hash_of(source)[0] < "8" else "ill"
        (folder / "pictures" / kind).mkdir(parents=True, exist_ok=True)
        shutil.copy(source, folder / "pictures" / kind / source.name)
    cells: dict[str, Any] = {
        "name": "n",
        "pieces": ["pieces.py"],
        "generate": "normal draws",
        "methods": ["mean"],
        "grid": {"n": [5, 10, 20]},
    }
    training = {"cohort": str(cohort), "arm": RELATIVE, "method": "full", "steps": 16, "batch_size": 4, "save_every": 4, "threads": 1}
    arms = [{"arm": "single"}, RELATIVE, {"arm": "duplicate"}]
    block = {"cohorts": ["a"], "n_train": ["all"], "seeds": [0, 1]}
    study = {
        "title": "Killed", "model": {"name": "pocket-random"}, "arms": {"single": {"arm": "single"}, "pair": RELATIVE},
        "cohorts": {"a": {"phantom": {"n_train": 12, "n_val": 0, "n_test": 24}}},
        "training": {"method": "full", "steps": 3, "batch_size": 6, "threads": 1, "doctor": False},
        "evaluation": {"batch_size": 24, "threads": 1, "doctor": False},
        "comparisons": [["pair", "single"]], "keep_models": False, "blocks": [block],
    }  # fmt: skip
    pretraining = {"model": TINY, "steps": 20, "batch_size": 4, "questions": 20, "examine_every": 10, "save_every": 5, "threads": 1}
    crossed = {
        "cohort": str(cohort), "models": [{"name": "pocket"}, {"name": "pocket-random"}], "patients": 4, "references": 6,
        "pairing": RELATIVE["references"], "batch_size": 4, "threads": 1,
    }  # fmt: skip
    scoring = {"cohort": str(cohort), "arms": arms, "batch_size": 2, "threads": 1}
    grid = {"base": pretraining, "models": {"tiny": TINY}, "learning_rates": [0.001], "seeds": [0, 1]}
    sweep = [config("sweep.yaml", cells | {"replicates": 1000, "block": 50}), "--workers", "2"]
    everything = ["--kind", "folder", "--root", str(folder / "pictures"), "--healthy", "well"]
    pretrained = ("*/model/*.safetensors", "*/learning_curve.csv", "summary.csv")
    return [
        Pipeline("sweep", ["sweep", *sweep], ("blocks/*.parquet",), 17),
        Pipeline("theory verify", ["theory", "verify", "T1", "--replicates", "100000", "--workers", "2"], ("verify.parquet",), 10),
        Pipeline("cohort phantom", ["cohort", "phantom", *small, "--set", "n_test=400"], ("cohort.*", "truth.npz", "*/*.png"), 16),
        Pipeline("cohort import", ["cohort", "import", *everything], ("cohort.*", "*.csv"), 17),
        Pipeline("finetune", ["finetune", config("train.yaml", training)], ("model/*.safetensors", "plan.parquet"), 10),
        Pipeline("evaluate", ["evaluate", config("eval.yaml", scoring)], ("records.parquet",), 9),
        Pipeline("analyse crossed", ["analyse", "crossed", config("crossed.yaml", crossed)], ("*.parquet",), 5),
        Pipeline("pretrain-grid", ["pretrain-grid", config("grid.yaml", grid), "--workers", "2"], pretrained, 5),
        Pipeline("study", ["study", config("study.yaml", study), "--workers", "2"], ("study.csv", "comparisons.csv"), 7),
        Pipeline("reproduce", ["reproduce", "--smoke"], ("claims.json", "records/records.parquet"), 4),
    ]


PROGRAM = [sys.executable, "-m", "see_in_pairs"]


def hash_of(file: Path) -> str:
    """Hash what a file says: of a table its rows in a fixed order, without times; of any other file its bytes."""
    if file.suffix not in (".parquet", ".csv"):
        return hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    table = pd.read_parquet(file) if file.suffix == ".parquet" else pd.read_csv(file, dtype=str)
    return hash_of_rows(table)


def hash_of_rows(table: pd.DataFrame) -> str:
    columns = [name for name in table.columns if name not in TIMES]
    rows = sorted(repr(row) for row in table[columns].itertuples(index=False, name=None))
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:12]


def result_of(pipeline: Pipeline, out: Path) -> dict[str, str]:
    """Hash every result; a sweep's blocks may be spread over files in any way, so that its files count as one."""
    if pipeline.name == "sweep":
        blocks = pd.concat([pd.read_parquet(file) for file in sorted(out.glob("blocks/[0-9]*.parquet"))])
        return {"blocks": hash_of_rows(blocks)}
    return {str(file.relative_to(out)): hash_of(file) for pattern in pipeline.results for file in sorted(out.glob(pattern))}


def start(pipeline: Pipeline, out: Path, log: Path) -> subprocess.Popen[bytes]:
    """Start a run in a session of its own, as a terminal or a batch system does."""
    (out.parent / "tmp").mkdir(exist_ok=True)
    surroundings = os.environ | {"TMPDIR": str(out.parent / "tmp"), "SEE_IN_PAIRS_CACHE": str(out.parent / "cache")}
    words = [*PROGRAM, *pipeline.words, "--out", str(out), "--quiet"]
    with open(log, "wb") as stream:
        return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=stream, start_new_session=True, env=surroundings)


def files_of(pipeline: Pipeline, out: Path) -> set[str]:
    """Files of a run and temporary ones around it; a sweep's blocks may be spread over files in any way."""
    own = {str(file.relative_to(out)) for file in out.rglob("*") if file.is_file()}
    if pipeline.name == "sweep":
        own = {name for name in own if not re.fullmatch(r"blocks/\d+\.parquet", name)}
    around = [file for place in ("cohort", "cache", "pictures") for file in (out.parent / place).rglob(".*") if file.suffix != ".lock"]
    return own | {str(file) for file in around}


def left_behind(session: int, seconds: float = 15.0) -> list[int]:
    """The processes of a session that are there after some seconds."""
    end = time.monotonic() + seconds
    while True:
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                try:
                    state, _, _, its_session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
                except (OSError, ValueError):
                    continue
                if int(its_session) == session and state != "Z":
                    found.append(int(entry.name))
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.25)


def run_and_kill(pipeline: Pipeline, folder: Path, alone: Alone, rng: random.Random, tally: Tally) -> str:
    """Kill a run once, at a random moment in a random way; return in which."""
    out, log, number, to_all = folder / "killed", folder / "log.txt", rng.choice(SIGNALS), rng.random() < 0.5
    how = f"{number.name} to {'all' if to_all else 'one'}"
    process, began = start(pipeline, out, log), time.monotonic()
    if late := rng.random() < LATE:
        clock = time.time()
        while process.poll() is None and not any(written_since(clock, file) for one in pipeline.results for file in out.glob(one)):
            time.sleep(0.02)
    time.sleep(rng.uniform(0.0, 0.5 if late else alone.seconds))
    moment = time.monotonic() - began
    if process.poll() is not None:
        tally.after_the_end += 1
        if process.returncode:
            tally.refused.append(f"started again: {last_line(log)}")
    elif to_all:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    process.wait()
    tally.kills[how] = tally.kills.get(how, 0) + 1
    how = f"{how} after {moment:.1f} s"
    for orphan in left_behind(process.pid):
        tally.orphans.append(f"{how}: process {orphan}")
        os.kill(orphan, signal.SIGKILL)
    said = [line for line in log.read_text(errors="replace").splitlines() if line not in alone.lines]
    expected = "see-in-pairs: error: interrupted; run the same command again to resume"
    if number is signal.SIGKILL:  # Python's own tracker of resources, which outlives the process, says what it takes away
        said = [line for line in said if "resource_tracker" not in line and "warnings.warn(" not in line]
    if said not in ([], [expected]) and not in_pythons_start("\n".join(said)):
        shutil.copy(log, folder / f"noise-{pipeline.name}-{sum(tally.kills.values())}.txt")
        tally.noise.append(f"{how}: {said[-1]}")
    return how


def written_since(clock: float, file: Path) -> bool:
    """Whether a file, which may be gone by now, was written after a time."""
    try:
        return file.stat().st_mtime > clock
    except OSError:
        return False


def in_pythons_start(text: str) -> bool:
    """Whether an interrupt came before Python reached the first line of the program."""
    return text.startswith("Traceback") and "see_in_pairs" not in text and text.endswith("KeyboardInterrupt")


def last_line(log: Path) -> str:
    return (log.read_text(errors="replace").strip().splitlines() or ["nothing was said"])[-1]


def killed_and_resumed(pipeline: Pipeline, folder: Path, alone: Alone, kills: int, rng: random.Random, tally: Tally) -> None:
    """Kill a run, and what resumes it, as often as is asked; run it to its end, and compare."""
    out = folder / "killed"
    shutil.rmtree(out, ignore_errors=True)
    how = ", then ".join(run_and_kill(pipeline, folder, alone, rng, tally) for _ in range(kills))
    tally.runs += 1
    if start(pipeline, out, folder / "log.txt").wait() != 0:
        tally.refused.append(f"{how}: {last_line(folder / 'log.txt')}")
        return
    found = result_of(pipeline, out)
    if differ := sorted(name for name in found.keys() | alone.results if found.get(name) != alone.results.get(name)):
        tally.different.append(f"{how}: {differ[:3]}")
    if missing := alone.keys - manifest_keys(out):
        tally.stripped.append(f"{how}: {sorted(missing)}")
    if more := files_of(pipeline, out) - alone.files:
        tally.left_over.append(f"{how}: {sorted(more)[:3]}")


def manifest_keys(out: Path) -> set[str]:
    """Keys of all manifests of a run that say something."""
    keys = set()
    for file in out.rglob("manifest.json"):
        entries = read_json(file)
        keys |= {f"{file.relative_to(out)}: {key}" for key, value in entries.items() if value not in (None, [], {}) and key != "resumed"}
    return keys


def run_alone(pipeline: Pipeline, folder: Path) -> Alone:
    """Run a pipeline that nobody kills."""
    out, log = folder / "alone", folder / "alone.txt"
    shutil.rmtree(out, ignore_errors=True)
    began = time.monotonic()
    if start(pipeline, out, log).wait() != 0:
        raise SystemExit(f"{pipeline.name}: fails when it is left alone: {log.read_text()[-500:]}")
    seconds = time.monotonic() - began
    if not (results := result_of(pipeline, out)):
        raise SystemExit(f"{pipeline.name}: left no results")
    return Alone(seconds, results, files_of(pipeline, out), manifest_keys(out), set(log.read_text().splitlines()))


def campaign(folder: Path, kills: int, seed: int, only: set[str], minutes: float, say: Callable[[str], None]) -> dict[str, Tally]:
    """Kill each pipeline its share of times; tallies of earlier calls for other pipelines are kept in the folder.

    Each has its part of the minutes, and what it does not need goes to the next: on a slow machine there are fewer kills.
    """
    end, everything = time.monotonic() + 60.0 * minutes, pipelines(folder)
    chosen = [pipeline for pipeline in everything if not only or pipeline.name in only]
    for place, pipeline in enumerate(chosen):
        told: dict[str, int] = {}
        its_end = time.monotonic() + (end - time.monotonic()) / (len(chosen) - place)
        alone, rng = run_alone(pipeline, folder), random.Random(f"{seed} {pipeline.name}")
        say(f"{pipeline.name}: {alone.seconds:.0f} s when it is left alone, {len(alone.results)} results")
        tally = Tally()
        wanted = max(1, round(pipeline.kills * kills / 100))
        while (left := wanted + tally.after_the_end - sum(tally.kills.values())) > 0:  # what came too late killed nothing
            if tally.runs and time.monotonic() > its_end:
                say(f"  {left} kills left out: its time is over")
                break
            killed_and_resumed(pipeline, folder, alone, min(left, rng.choice((1, 2, 3))), rng, tally)
            for what, faults in tally.faults.items():
                for fault in faults[told.get(what, 0) :]:
                    say(f"  {what}: {fault}")
                told[what] = len(faults)
        write_json(folder / "tallies" / f"{pipeline.name}.json", tally)
    kept = {name: folder / "tallies" / f"{name}.json" for name in (pipeline.name for pipeline in everything)}
    return {name: Tally(**read_json(file)) for name, file in kept.items() if file.is_file()}


TEXT = """\
Each pipeline ran once without a disturbance.
Then it was killed by SIGKILL, SIGTERM or SIGINT, at a moment drawn uniformly from the time that it takes.
Every fourth kill comes within half a second of its first result, while the last files are saved.
The signal goes to the one process that the user started, or to all of its processes at once, as Ctrl-C on a terminal does.
Some runs were started again and killed again.
At the end the same command ran to its end, and its result was compared with that of the undisturbed run.
The inputs are phantoms, pocket models and a sweep of a few seconds.

- **Results that differ**: weights, tables and pictures, bit by bit. Only columns of times may differ.
- **Processes left behind**: worker processes that are still there 15 seconds after the kill.
- **Not resumed**: the same command, run again, ended with an error.
- **Stripped manifests**: a `manifest.json` of the folder lacks a key that the other run recorded.
- **Left-over files**: files that the other run does not have, above all temporary ones: in the folder, beside its inputs or in the cache.
- **More said than one line**: an interrupted run printed more on standard error than that it was interrupted, such as a traceback.
  Two things do not count: after SIGKILL, Python itself may name the semaphores that it removed,
  and an interrupt may come before Python reaches the program's first line.

The system's temporary folder is not inspected: what a program keeps there is lost to SIGKILL, and the system clears it.

"""


def table(tallies: dict[str, Tally], seed: int) -> str:
    """The table of a campaign, as Markdown."""
    ways = [f"{number.name} to {whom}" for number in SIGNALS for whom in ("one", "all")]
    total = Tally()
    lines = [f"| pipeline | kills | of these after its end | runs compared | {' | '.join(total.faults)} |", "|---" * 10 + "|"]
    for name, tally in tallies.items():
        counts = [sum(tally.kills.values()), tally.after_the_end, tally.runs, *map(len, tally.faults.values())]
        lines.append(f"| {name} | {' | '.join(map(str, counts))} |")
        total.after_the_end += tally.after_the_end
        total.runs += tally.runs
        total.kills = {way: total.kills.get(way, 0) + tally.kills.get(way, 0) for way in ways}
        for mine, its in zip(total.faults.values(), tally.faults.values(), strict=True):
            mine += its
    counts = [sum(total.kills.values()), total.after_the_end, total.runs, *map(len, total.faults.values())]
    lines.append(f"| **all** | {' | '.join(map(str, counts))} |")
    how = ", ".join(f"{way.replace('SIG', '')} {number}" for way, number in total.kills.items())
    machine = f"{platform.system()}, {usable_cores()} cores, Python {platform.python_version()}"
    return "\n".join(lines) + f"\n\nKills by signal: {how}. Seed {seed}; commit {git_commit()}; {machine}.\n"


def main() -> None:
    """Run the campaign from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=23, help="how long to go on; 'inf' for all kills")
    parser.add_argument("--folder", type=Path, required=True, help="a folder to work in, at first empty")
    parser.add_argument("--only", action="append", default=[], help="a pipeline; may be given several times")
    parser.add_argument("--table", type=Path, help="the page whose section on kills is to be written")
    given = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what is started must not inherit that it is ignored, as in background jobs
    given.folder.mkdir(parents=True, exist_ok=True)
    tallies = campaign(
        given.folder.resolve(), given.kills, given.seed, set(given.only), given.minutes, lambda text: print(text, flush=True)
    )
    print(table(tallies, given.seed))
    if given.table:
        write_section(given.table, "Kills", TEXT + table(tallies, given.seed))
    sys.exit(any(any(tally.faults.values()) for tally in tallies.values()))


if __name__ == "__main__":
    main()
