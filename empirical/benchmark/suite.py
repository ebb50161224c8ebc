"""The whole suite for one machine: every path of evaluation, every variant of a step, equality; one table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from empirical.benchmark.shapes import SHAPES
from see_in_pairs.configs import StrictConfig
from see_in_pairs.console import say
from see_in_pairs.errors import InputError
from see_in_pairs.files import write_json, write_text
from see_in_pairs.runs import RunFolder

if TYPE_CHECKING:
    import pandas as pd


class BenchmarkConfig(StrictConfig):
    """What is run.

    Parameters
    ----------
    shapes : tuple of str
        ``tiny``, ``3b``, ``7b``.
    queries, references : int
        Of the evaluation.
    rounds : int
        How often each path of it is timed.
    eval_batch, train_batch, steps : int
        Rows per batch, and timed finetuning steps.
    dtype, device, attention : str
        As for a model.
    peak_tflops : float, optional
        The device's dense peak in the number format used; by default from our table of GPUs.
    seed : int
        Of weights and pictures.
    """

    shapes: tuple[Literal["tiny", "3b", "7b"], ...] = ("3b", "7b")
    queries: int = Field(default=500, ge=4)
    references: int = Field(default=20, ge=1)
    rounds: int = Field(default=3, ge=1)
    eval_batch: int = Field(default=32, ge=1)
    train_batch: int = Field(default=8, ge=1)
    steps: int = Field(default=10, ge=2)
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    attention: str | None = None
    peak_tflops: float | None = Field(default=None, gt=0)
    seed: int = Field(default=0, ge=0)


def run_suite(config: BenchmarkConfig, out: Path, *, quiet: bool = False) -> pd.DataFrame:
    """Run the suite.

    Parameters
    ----------
    config : BenchmarkConfig
        What is run.
    out : Path
        Folder for ``benchmark.csv``, ``benchmark.json`` and the manifest.
    quiet : bool, default False
        No messages.

    Returns
    -------
    pandas.DataFrame
        One row per shape, part and path.

    Raises
    ------
    InputError
        When a large shape is asked for on a machine without a GPU.
    """
    import pandas as pd
    import torch

    if set(config.shapes) != {"tiny"} and not torch.cuda.is_available():
        raise InputError("benchmark gpu: torch sees no GPU; the true shapes need one. '--tiny' runs the same suite at toy size anywhere")
    with RunFolder(out, "benchmark gpu", config.model_dump(), seed=config.seed) as run:
        rows = [row for shape in config.shapes for row in _shape(config, shape, quiet)]
        table = pd.DataFrame(rows)
        write_text(run.path / "benchmark.csv", table.to_csv(index=False))
        write_json(run.path / "benchmark.json", table.to_dict("records"))
        run.count("outside_bound", int((table["within"] == False).sum()) if "within" in table else 0)  # noqa: E712 (missing is not False)
    return table


def _shape(config: BenchmarkConfig, name: str, quiet: bool) -> list[dict[str, Any]]:
    import torch

    from empirical.benchmark.evaluation import compare_paths, half_precision_equality
    from empirical.benchmark.flops import peak_of
    from empirical.benchmark.items import Items
    from empirical.benchmark.shapes import build
    from empirical.benchmark.training import compare_steps
    from empirical.vlm.loading import ModelConfig

    shape = SHAPES[name]
    say(f"{name}: {config.queries} queries beside {config.references} references, images of {shape.image_tokens} tokens", quiet)
    model = ModelConfig(name=name, dtype=config.dtype, device=config.device, attention=config.attention)
    vlm = build(shape, model, config.seed)
    gpu = vlm.model.device.type == "cuda"
    peak = config.peak_tflops * 1e12 if config.peak_tflops else (peak_of(torch.cuda.get_device_name(0)) if gpu else None)
    items = Items(config.queries, config.references, shape.image, config.seed)
    few = Items(min(config.queries, 2 * config.eval_batch), min(config.references, 4), shape.image, config.seed)
    rows = [
        *compare_paths(vlm, items, config.eval_batch, config.rounds),
        *half_precision_equality(vlm, few, config.eval_batch),
        *compare_steps(vlm, shape, few, config.train_batch, config.steps, peak),
    ]
    for row in rows:
        say(_line(row), quiet)
    del vlm
    if gpu:
        torch.cuda.empty_cache()
    return [{"shape": name} | row for row in rows]


def _line(row: dict[str, Any]) -> str:
    start = f"  {row['part']}, {row['path']}: "
    if row["part"] == "equality":
        return f"{start}error {row['error']:.1e} against float32, bound {row['bound']:.1e}: {'within' if row['within'] else 'OUTSIDE'}"
    memory = "" if row["peak_gib"] is None else f", {row['peak_gib']:.1f} GiB"
    speed = f"{row['per_second']:.1f} per second ({row['seconds_low']:.3g} to {row['seconds_high']:.3g} s)"
    if row["part"] == "evaluation":
        return f"{start}{speed}, {row['ratio']:.1f} times the plain loop ({row['ratio_low']:.1f} to {row['ratio_high']:.1f}){memory}"
    used = "" if row["utilisation"] is None else f", {row['utilisation']:.0%} of the peak"
    return f"{start}{speed}{used}, {row['data_wait']:.0%} waiting for data{memory}"
