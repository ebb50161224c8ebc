"""The commands ``benchmark gpu`` and ``benchmark padding``."""

from __future__ import annotations

from typing import Annotated

import typer

from empirical.commands.options import config_path, with_seed
from see_in_pairs.console import Changes, Config, Json, Out, Quiet, Seed, SeedChange, emit_json, log, new_app
from see_in_pairs.errors import CheckFailed

app = new_app("Time the harness on this machine against a plain loop.")


# The settings of '--tiny'.
TOY = {"shapes": ("tiny",), "queries": 12, "references": 2, "loop_queries": 6, "rounds": 1, "eval_batch": 4, "train_batch": 2, "steps": 2}


@app.command("gpu")
def gpu(
    out: Out,
    shape: Annotated[
        list[str] | None, typer.Option("--shape", metavar="SHAPE", help="3b or 7b (Qwen2.5-VL, random weights); default: both.")
    ] = None,
    part: Annotated[
        list[str] | None, typer.Option("--part", metavar="PART", help="evaluation, equality or finetuning; default: all three.")
    ] = None,
    tiny: Annotated[
        bool, typer.Option("--tiny", help="Toy size for any machine: a test that the suite runs; the numbers mean little.")
    ] = False,
    queries: Annotated[int | None, typer.Option("--queries", metavar="N", min=4, help="Queries of the evaluation (500).")] = None,
    references: Annotated[
        int | None, typer.Option("--references", metavar="N", min=1, help="References shared by the queries (20).")
    ] = None,
    loop_queries: Annotated[
        int | None,
        typer.Option("--loop-queries", metavar="N", min=1, help="Queries for timing the plain loop, whose cost is per item (60)."),
    ] = None,
    rounds: Annotated[
        int | None, typer.Option("--rounds", metavar="N", min=1, help="Number of times that each path of the evaluation is timed (3).")
    ] = None,
    eval_batch: Annotated[
        int | None, typer.Option("--eval-batch", metavar="N", min=1, help="Rows of a forward pass in the evaluation (32).")
    ] = None,
    batch: Annotated[int | None, typer.Option("--batch", metavar="N", min=1, help="Rows of a finetuning step (8).")] = None,
    steps: Annotated[int | None, typer.Option("--steps", metavar="N", min=2, help="Finetuning steps timed (10).")] = None,
    peak_tflops: Annotated[
        float | None, typer.Option("--peak-tflops", metavar="X", help="The device's dense bfloat16 peak, if it is not known.")
    ] = None,
    json: Json = None,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Time evaluation and finetuning at the true shapes of Qwen2.5-VL.

    Exit code 1 when a fast path is not as exact as the plain one.
    """
    from empirical.benchmark.config import BenchmarkConfig
    from empirical.benchmark.suite import run_suite
    from see_in_pairs.configs import parse_config

    asked: dict[str, object] = {
        "shapes": shape, "parts": part, "queries": queries, "references": references, "loop_queries": loop_queries, "rounds": rounds,
        "eval_batch": eval_batch, "train_batch": batch, "steps": steps, "peak_tflops": peak_tflops,
    }  # fmt: skip
    content: dict[str, object] = {"seed": seed} | (TOY if tiny else {}) | {name: value for name, value in asked.items() if value}
    config = parse_config(BenchmarkConfig, content, source="benchmark gpu")
    log(f"time {', '.join(config.shapes)} ({', '.join(config.parts)}) into {out}; random weights, nothing is downloaded", quiet)
    table = run_suite(config, out, quiet=quiet)
    log(f"{out / 'README.md'}: targets, all rows, and their meaning", quiet)
    if json is not None:
        emit_json(table.to_dict("records"), json)
    outside = table[table["within"] == False]  # noqa: E712 (missing is not False)
    if len(outside):
        raise CheckFailed(f"{len(outside)} path(s) lose more than the plain one: {', '.join(outside['path'])}; see {out / 'benchmark.csv'}")


@app.command("padding")
def padding(
    config: Config,
    changes: Changes = None,
    most: Annotated[
        int, typer.Option("--rows", metavar="N", min=1, help="Number of rows of the training plan to count, from the first.")
    ] = 2000,
    json: Json = None,
    seed: SeedChange = None,
    quiet: Quiet = False,
) -> None:
    """Count the padding in the batches of a finetuning run. Packing could save at most this much."""
    from empirical.benchmark.padding import count_padding
    from empirical.training.config import FinetuneConfig
    from see_in_pairs.configs import load_config

    settings = load_config(FinetuneConfig, config_path(config, "finetune"), with_seed(changes, seed))
    log(f"count the padding in the first {most} rows of the training plan; nothing is written, no model is trained", quiet)
    found = count_padding(settings, most, quiet=quiet)
    if json is not None:
        return emit_json(found, json)
    rows, least, longest, batch = found["rows"], found["fewest_tokens"], found["most_tokens"], found["batch_size"]
    print(f"{rows} rows of {least} to {longest} tokens, {batch} to a batch")
    print(f"padding: {found['padding']:.2%} of all positions in the plan's order, {found['padding_by_length']:.2%} in batches by length")
