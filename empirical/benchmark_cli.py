"""The command ``benchmark``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from see_in_pairs.console import Json, Quiet, Seed, emit_json, new_app, say
from see_in_pairs.errors import CheckFailed

app = new_app("How fast the harness is on this machine, against a plain transformers loop.")


@app.callback()
def benchmark() -> None:
    """How fast the harness is on this machine, against a plain transformers loop."""


@app.command("gpu")
def gpu(
    out: Annotated[Path, typer.Option("--out", help="Folder for the result.")],
    shape: Annotated[list[str] | None, typer.Option("--shape", help="3b or 7b (Qwen2.5-VL, random weights); by default both.")] = None,
    tiny: Annotated[
        bool, typer.Option("--tiny", help="Toy size, on any machine: shows that the suite runs; its numbers mean little.")
    ] = False,
    queries: Annotated[int, typer.Option("--queries", min=4, help="Queries of the evaluation.")] = 500,
    references: Annotated[int, typer.Option("--references", min=1, help="References that they share.")] = 20,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Rows of a finetuning step.")] = 8,
    peak_tflops: Annotated[
        float | None, typer.Option("--peak-tflops", help="The device's dense bfloat16 peak, if we do not know it.")
    ] = None,
    json: Json = None,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Evaluation and finetuning at the true shapes of Qwen2.5-VL; exit code 1 when a fast path is not as exact as the plain one."""
    from empirical.benchmark.suite import BenchmarkConfig, run_suite
    from see_in_pairs.configs import parse_config

    toy = {"shapes": ("tiny",), "queries": 12, "references": 2, "rounds": 1, "eval_batch": 4, "train_batch": 2, "steps": 2}
    true = {"shapes": tuple(shape or ("3b", "7b")), "queries": queries, "references": references, "train_batch": batch}
    content = (toy if tiny else true) | {"peak_tflops": peak_tflops, "seed": seed}
    config = parse_config(BenchmarkConfig, content, source="benchmark gpu")
    say(f"time {', '.join(config.shapes)} into {out}; random weights, nothing is downloaded", quiet)
    table = run_suite(config, out, quiet=quiet)
    if json is not None:
        emit_json(table.to_dict("records"), json)
    outside = table[table["within"] == False]  # noqa: E712 (missing is not False)
    if len(outside):
        raise CheckFailed(f"{len(outside)} path(s) lose more than the plain one: {', '.join(outside['path'])}; see {out / 'benchmark.csv'}")
