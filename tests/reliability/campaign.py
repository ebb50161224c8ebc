"""The kill campaign: every pipeline is killed at random moments, run again to its end, and compared bit by bit with a run left alone.

``make reliability`` runs it and writes its table. A kill is SIGKILL, SIGTERM or SIGINT to the one process that the user started; what is
counted: results that differ, processes that are left behind, runs that cannot be resumed, and manifests that lack what a run left alone
records.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
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

from see_in_pairs.files import read_json, write_text

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
TIMES = ("score_seconds", "seconds", "started", "train_seconds")
"""Columns that say how long something took: the only ones that may differ."""

RELATIVE = {"arm": "pair", "references": {"strategy": "demographic", "columns": ["family"], "caliper": {}}}
PHANTOM = {"n_train": 24, "n_val": 4, "n_test": 60, "relatives": 1}
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
    """One command: its words, and the files that are its result."""

    name: str
    words: list[str]
    results: tuple[str, ...]
    share: float = 1.0  # of the kills, against the others


@dataclass
class Tally:
    """What happened to the runs of one pipeline."""

    kills: dict[str, int] = field(default_factory=dict)
    after_the_end: int = 0
    different: list[str] = field(default_factory=list)
    orphans: int = 0
    refused: list[str] = field(default_factory=list)
    stripped: list[str] = field(default_factory=list)


def pipelines(folder: Path) -> list[Pipeline]:
    """Write the inputs of all pipelines into a folder."""

    def config(name: str, content: dict[str, Any]) -> str:
        (folder / name).write_text(yaml.safe_dump(content, sort_keys=False))
        return str(folder / name)

    (folder / "pieces.py").write_text(PIECES)
    small = [word for key, value in PHANTOM.items() for word in ("--set", f"{key}={value}")]
    cohort = folder / "cohort"
    subprocess.run([*PROGRAM, "cohort", "phantom", "--out", str(cohort), "--quiet", *small], check=True)
    for source in sorted((cohort / "images").glob("*.png")):
        kind = "well" if "reference" in source.name or hash_of(source)[0] < "8" else "ill"
        (folder / "pictures" / kind).mkdir(parents=True, exist_ok=True)
        shutil.copy(source, folder / "pictures" / kind / source.name)
    cells = {"name": "n", "pieces": ["pieces.py"], "generate": "normal draws", "methods": ["mean"], "grid": {"n": [5, 10, 20]}}
    training = {"cohort": str(cohort), "arm": RELATIVE, "method": "full", "steps": 16, "batch_size": 4, "save_every": 4, "threads": 1}
    arms = [{"arm": "single"}, RELATIVE, {"arm": "duplicate"}]
    block = {"cohorts": ["a"], "n_train": [4, "all"], "seeds": [0, 1]}
    study = {
        "title": "Killed", "model": {"name": "pocket-random"}, "arms": {"single": {"arm": "single"}, "pair": RELATIVE},
        "cohorts": {"a": {"phantom": {"n_train": 12, "n_val": 0, "n_test": 24}}},
        "training": {"method": "full", "steps": 3, "batch_size": 6, "threads": 1, "doctor": False},
        "evaluation": {"batch_size": 24, "threads": 1, "doctor": False},
        "comparisons": [["pair", "single"]], "keep_models": False, "blocks": [block],
    }  # fmt: skip
    pretraining = {"model": TINY, "steps": 60, "batch_size": 4, "questions": 20, "examine_every": 20, "save_every": 10, "threads": 1}
    crossed = {
        "cohort": str(cohort), "models": [{"name": "pocket"}, {"name": "pocket-random"}], "patients": 4, "references": 6,
        "pairing": RELATIVE["references"], "batch_size": 4, "threads": 1,
    }  # fmt: skip
    scoring = {"cohort": str(cohort), "arms": arms, "batch_size": 2, "threads": 1}
    sweep = [config("sweep.yaml", cells | {"replicates": 1000, "block": 50}), "--workers", "2"]
    everything = ["--kind", "folder", "--root", str(folder / "pictures"), "--healthy", "well", "--quiet"]
    return [
        Pipeline("sweep", ["sweep", *sweep], ("blocks/*.parquet",)),
        Pipeline("cohort phantom", ["cohort", "phantom", *small, "--set", "n_test=800"], ("cohort.parquet", "truth.npz", "images/*.png")),
        Pipeline("cohort import", ["cohort", "import", *everything], ("cohort.parquet", "*.csv")),
        Pipeline("finetune", ["finetune", config("train.yaml", training)], ("model/*.safetensors", "plan.parquet")),
        Pipeline("evaluate", ["evaluate", config("eval.yaml", scoring)], ("records.parquet",)),
        Pipeline("analyse crossed", ["analyse", "crossed", config("crossed.yaml", crossed)], ("*.parquet",)),
        Pipeline("pretrain", ["pretrain", config("pretrain.yaml", pretraining)], ("model/*.safetensors", "learning_curve.csv")),
        Pipeline("study", ["study", config("study.yaml", study), "--workers", "2"], ("study.csv", "comparisons.csv"), share=0.6),
        Pipeline("reproduce", ["reproduce", "--smoke"], ("claims.json", "records/records.parquet"), share=0.25),
    ]  # fmt: skip


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
    with open(log, "ab") as stream:
        words = [*PROGRAM, *pipeline.words, "--out", str(out), *([] if "--quiet" in pipeline.words else ["--quiet"])]
        return subprocess.Popen(words, stdout=stream, stderr=stream, start_new_session=True)


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


def one_kill(
    pipeline: Pipeline, folder: Path, expected: dict[str, str], keys: set[str], seconds: float, rng: random.Random, tally: Tally
) -> None:
    """Kill a run once, run it to its end, and compare."""
    out, log, how = folder / "killed", folder / "log.txt", rng.choice(SIGNALS)
    shutil.rmtree(out, ignore_errors=True)
    process = start(pipeline, out, log)
    time.sleep(rng.uniform(0.0, seconds))
    tally.after_the_end += process.poll() is not None
    process.send_signal(how)
    process.wait()
    tally.kills[how.name] = tally.kills.get(how.name, 0) + 1
    for number in left_behind(process.pid):
        tally.orphans += 1
        os.kill(number, signal.SIGKILL)
    if start(pipeline, out, log).wait() != 0:
        tally.refused.append(f"{how.name}: {log.read_text(errors='replace').strip().splitlines()[-1:]}")
        return
    found = result_of(pipeline, out)
    if found != expected:
        tally.different.append(
            f"{how.name}: {sorted(name for name in found.keys() | expected if found.get(name) != expected.get(name))[:3]}"
        )
    if missing := keys - manifest_keys(out):
        tally.stripped.append(f"{how.name}: {sorted(missing)}")


def manifest_keys(out: Path) -> set[str]:
    manifest = read_json(out / "manifest.json")
    return {key for key, value in manifest.items() if value not in (None, [], {})}


def campaign(folder: Path, kills: int, seed: int, only: set[str], say: Callable[[str], None]) -> dict[str, Tally]:
    """Kill each pipeline its share of times."""
    chosen = [one for one in pipelines(folder) if not only or one.name in only]
    total, rng, tallies = sum(one.share for one in chosen), random.Random(seed), {}
    for pipeline in chosen:
        out = folder / "alone"
        shutil.rmtree(out, ignore_errors=True)
        began = time.monotonic()
        if start(pipeline, out, folder / "alone.txt").wait() != 0:
            raise SystemExit(f"{pipeline.name}: fails when it is left alone: {(folder / 'alone.txt').read_text()[-500:]}")
        seconds = time.monotonic() - began
        expected, keys = result_of(pipeline, out), manifest_keys(out)
        if not expected:
            raise SystemExit(f"{pipeline.name}: left no results")
        tallies[pipeline.name] = tally = Tally()
        for _ in range(max(1, round(kills * pipeline.share / total))):
            one_kill(pipeline, folder, expected, keys, seconds, rng, tally)
        say(f"{pipeline.name} ({seconds:.0f} s, {len(expected)} results): {tally}")
    return tallies


def page(tallies: dict[str, Tally], seed: int) -> str:
    """The table of a campaign, as Markdown."""
    counted = "results that differ | left behind | not resumed | stripped manifests |"
    head = f"| pipeline | kills (KILL, TERM, INT) | of these after its end | {counted}"
    lines = [head, "|---|---|---|---|---|---|---|"]
    for name, tally in tallies.items():
        counts = ", ".join(str(tally.kills.get(one.name, 0)) for one in SIGNALS)
        cells = [
            f"{sum(tally.kills.values())} ({counts})",
            tally.after_the_end,
            len(tally.different),
            tally.orphans,
            len(tally.refused),
            len(tally.stripped),
        ]
        lines.append(f"| {name} | " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + f"\n\nSeed {seed}; moments are uniform over the time that a run takes when it is left alone.\n"


def main() -> None:
    """Run the campaign from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, required=True, help="an empty folder to work in")
    parser.add_argument("--only", action="append", default=[], help="a pipeline; may be given several times")
    parser.add_argument("--table", type=Path, help="where to write the table")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    tallies = campaign(given.folder.resolve(), given.kills, given.seed, set(given.only), lambda text: print(text, flush=True))
    print(page(tallies, given.seed))
    if given.table:
        write_text(given.table, page(tallies, given.seed))
    sys.exit(any(tally.different or tally.orphans or tally.refused or tally.stripped for tally in tallies.values()))


if __name__ == "__main__":
    main()
