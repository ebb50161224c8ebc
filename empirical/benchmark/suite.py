"""The whole suite for one machine, row by row: every path of evaluation, equality, every variant of a step; one table."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from empirical.benchmark.config import VARIANTS, BenchmarkConfig
from empirical.benchmark.evaluation import LOOPS, loop_row, path_row
from empirical.benchmark.flops import peak_of
from empirical.benchmark.items import Items
from empirical.benchmark.precision import equality_row
from empirical.benchmark.report import page
from empirical.benchmark.row_store import RowStore
from empirical.benchmark.shapes import SHAPES, build
from empirical.benchmark.table import table
from empirical.benchmark.timing import MEASURED, attempt
from empirical.vlm.config import ModelConfig, VisionLanguageModel
from empirical.vlm.loading import device_of
from empirical.vlm.out_of_memory import clear_device_cache
from see_in_pairs.console import log
from see_in_pairs.errors import InputError
from see_in_pairs.files import write_json, write_text
from see_in_pairs.runs import RunFolder, git_commit, library_versions

if TYPE_CHECKING:
    import pandas as pd

SHOWN = ("python", "torch", "transformers", "peft", "accelerate", "trl")


def run_suite(config: BenchmarkConfig, out: Path, *, quiet: bool = False) -> pd.DataFrame:
    """Time and compare everything, and save each row when it is finished; called again, it measures the missing rows.

    Returns one row per shape, part and path, those of earlier calls included.
    """
    _require_gpu(config)
    facts = _facts(config)
    with RunFolder(out, "benchmark gpu", config.identity() | {"on": facts}, seed=config.seed) as run:
        store = RowStore(run.path / "pieces")
        for shape in config.shapes:
            bench = Bench(config, shape)
            for part, path in store.missing(shape, config.parts):
                store.add(shape, part, path, bench.row(part, path) | _measured_now())
                _log_row(_write(run, store, config, facts), shape, part, path, quiet)
            bench.free()
        rows = _write(run, store, config, facts)
        run.count("outside_bound", int((rows["within"] == False).sum()))  # noqa: E712 (missing is not False)
    return rows


class Bench:
    """One shape; its model is built when a row first needs it."""

    def __init__(self, config: BenchmarkConfig, name: str) -> None:
        self.config, self.name, self.shape = config, name, SHAPES[name]
        self._vlm: VisionLanguageModel | None = None

    def row(self, part: str, path: str) -> dict[str, Any]:
        """Measure a row; after a row that ran out of memory or put adapters on the model, the next row gets a new model."""
        measured = attempt(lambda: {"evaluation": self._evaluation, "equality": self._equality, "finetuning": self._finetuning}[part](path))
        if part == "finetuning" or measured["status"] != MEASURED:
            self.free()
        return measured

    def free(self) -> None:
        """Drop the model, and free its memory."""
        self._vlm = None
        clear_device_cache()

    def _model(self) -> VisionLanguageModel:
        if self._vlm is None:
            config = self.config
            model = ModelConfig(name=self.name, dtype=config.dtype, device=config.device, attention=config.attention)
            self._vlm = build(self.shape, model, config.seed)
        return self._vlm

    def _items(self, queries: int, references: int) -> Items:
        return Items(min(queries, self.config.queries), min(references, self.config.references), self.shape.image, self.config.seed)

    def _evaluation(self, path: str) -> dict[str, Any]:
        config, vlm = self.config, self._model()
        if path in LOOPS:
            items = self._items(config.loop_queries, config.references)
            return loop_row(vlm, items, config.rounds, config.row_seconds, own_vision=LOOPS[path])
        items = self._items(config.queries, config.references)
        return path_row(vlm, items, path, config.eval_batch, config.rounds, config.row_seconds)

    def _equality(self, path: str) -> dict[str, Any]:
        return equality_row(self._model(), self._items(2 * self.config.eval_batch, 4), path, self.config.eval_batch)

    def _finetuning(self, path: str) -> dict[str, Any]:
        from empirical.benchmark.training import step_row
        from empirical.benchmark.trl_baseline import missing, or_why_not

        variant = VARIANTS[path]
        if variant.trl and (absent := missing()):
            return {"status": f"not installed: {absent}"}
        config, vlm = self.config, self._model()
        items = self._items(2 * config.eval_batch, 4)

        def steps() -> dict[str, Any]:
            return step_row(vlm, self.shape, items, variant, config.train_batch, config.steps)

        return (or_why_not(steps) if variant.trl else steps()) | {"peak": self._peak(vlm)}

    def _peak(self, vlm: VisionLanguageModel) -> float | None:
        import torch

        if self.config.peak_tflops is not None:
            return self.config.peak_tflops * 1e12
        return peak_of(torch.cuda.get_device_name(0)) if vlm.model.device.type == "cuda" else None


def _require_gpu(config: BenchmarkConfig) -> None:
    import torch

    if set(config.shapes) != {"tiny"} and not torch.cuda.is_available():
        raise InputError("benchmark gpu: torch sees no GPU; the true shapes need one. '--tiny' runs the same suite at toy size anywhere")


def _facts(config: BenchmarkConfig) -> dict[str, Any]:
    """Device and library versions, part of the run's identity: rows of different devices or libraries must not be mixed."""
    import platform

    import torch

    gpu = device_of(ModelConfig(device=config.device)).type == "cuda"
    named = torch.cuda.get_device_name(0) if gpu else f"a CPU ({platform.machine()})"
    memory = {"GPU memory": f"{torch.cuda.get_device_properties(0).total_memory / 2**30:.0f} GiB"} if gpu else {}
    versions = library_versions() | {"trl": _version("trl")}
    cuda = {"CUDA": torch.version.cuda, "cuDNN": torch.backends.cudnn.version()} if gpu else {}
    return {"device": named} | memory | {name: versions[name] for name in SHOWN if name in versions} | cuda


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _measured_now() -> dict[str, Any]:
    return {"measured": datetime.now(UTC).isoformat(timespec="seconds"), "git_commit": git_commit()}


def _write(run: RunFolder, store: RowStore, config: BenchmarkConfig, facts: dict[str, Any]) -> pd.DataFrame:
    """Write table and page after every row, so that they are always up to date."""
    rows = table(store.all())
    write_text(run.path / "benchmark.csv", rows.to_csv(index=False))
    write_json(run.path / "benchmark.json", rows.to_dict("records"))
    host = {"CPU cores": run.manifest["hardware"]["cores"], "main memory": f"{run.manifest['hardware']['memory_gib']} GiB"}
    write_text(run.path / "README.md", page(rows, facts | host, config.identity()))
    return rows


def _log_row(rows: pd.DataFrame, shape: str, part: str, path: str, quiet: bool) -> None:
    row: Any = rows[(rows["shape"] == shape) & (rows["part"] == part) & (rows["path"] == path)].to_dict("records")[0]
    log(f"  {shape}, {part}, {path}: {_in_words(row)}", quiet)


def _lacks(value: float | None) -> bool:
    return value is None or value != value


def _in_words(row: dict[str, Any]) -> str:
    if row["status"] != MEASURED or (row["part"] == "equality" and _lacks(row["error"])):
        return str(row["status"])
    if row["part"] == "equality":
        return f"error {row['error']:.1e} against float32, bound {row['bound']:.1e}: {'within' if row['within'] else 'OUTSIDE'}"
    memory = "" if _lacks(row["peak_gib"]) else f", {row['peak_gib']:.1f} GiB"
    speed = f"{row['per_second']:.1f} per second ({row['seconds_low']:.3g} to {row['seconds_high']:.3g} s)"
    name = "loop" if row["part"] == "evaluation" else "trl"
    ratio = row[f"times_{name}"]
    against = "" if _lacks(ratio) else f", {ratio:.1f} times {'the plain loop' if name == 'loop' else 'TRL'}"
    return f"{speed}{against}{memory}"
