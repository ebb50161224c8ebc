"""Several pretraining runs side by side: architectures, learning rates and seeds, and one table of what each learned."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, field_validator

from empirical.pretraining.config import PretrainConfig
from empirical.vlm.pocket.config import PocketConfig
from see_in_pairs.configs import SeedNumber, StrictConfig
from see_in_pairs.console import log
from see_in_pairs.files import read_table, write_text
from see_in_pairs.processes import run_in_processes
from see_in_pairs.runs import RunFolder, begun_before

if TYPE_CHECKING:
    import pandas as pd


class GridConfig(StrictConfig):
    """Which runs are made: every model with every learning rate and seed, with the same other settings.

    Parameters
    ----------
    base : PretrainConfig
        Settings that all runs have in common.
    models : dict of str to PocketConfig
        Architectures and sizes to compare, by name.
    learning_rates : list of float
        Peak learning rates of AdamW, each named once.
    seeds : list of int
        Each decides the first weights and the questions of a run; several give a mean with an interval.
    """

    base: PretrainConfig
    models: dict[str, PocketConfig] = Field(min_length=1)
    learning_rates: list[Annotated[float, Field(gt=0, le=1e3)]] = Field(min_length=1)
    seeds: list[SeedNumber] = Field(min_length=1)

    @field_validator("learning_rates", "seeds")
    @classmethod
    def _once(cls, values: list[Any]) -> list[Any]:
        if len(set(values)) < len(values):
            raise ValueError(f"{values}: name each once")
        return values


@dataclass(frozen=True)
class GridRun:
    """One run of the grid."""

    model: str  # name of its shape
    learning_rate: float
    seed: int

    @property
    def folder(self) -> str:
        """Name of the run's folder."""
        return f"{self.model}-{self.learning_rate:g}-{self.seed}"

    def settings(self, grid: GridConfig) -> PretrainConfig:
        """All settings of the run."""
        shape = grid.models[self.model].model_copy(update={"seed": self.seed})
        return grid.base.model_copy(update={"model": shape, "learning_rate": self.learning_rate, "seed": self.seed})


def cells(grid: GridConfig) -> list[GridRun]:
    """List the runs in the order in which they start: one seed of everything, then the next."""
    return [GridRun(model, rate, seed) for seed, rate, model in product(grid.seeds, grid.learning_rates, grid.models)]


def pretrain_grid(grid: GridConfig, out: Path, *, workers: int = 1, quiet: bool = False) -> pd.DataFrame:
    """Run the grid; called again after a kill, it continues."""
    import pandas as pd

    with RunFolder(out, "pretrain-grid", grid.model_dump()) as run:
        wanted = cells(grid)
        log(f"pretrain-grid: {len(wanted)} runs of {grid.base.steps} steps, {workers} at a time", quiet)
        for cell, _ in run_in_processes(partial(_pretrain, grid, run.path), wanted, workers):  # a finished run is not trained again
            log(f"finished {cell.folder}", quiet)
        table = pd.concat([_read(run.path / cell.folder, cell) for cell in wanted], ignore_index=True)
        write_text(run.path / "grid.csv", table.to_csv(index=False))
        summary = summarise(table)
        write_text(run.path / "summary.csv", summary.to_csv(index=False))
    return summary


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Average over seeds: ``value`` is the mean, ``low`` and ``high`` its 95 % t interval, missing with one seed.

    The interval is for new trainings with new questions.
    """
    from scipy import stats

    by = table.groupby(["model", "learning_rate", "kind", "test", "change", "measure"], sort=False)["value"]
    found = by.agg(["count", "mean", "std"]).reset_index().rename(columns={"count": "seeds", "mean": "value"})
    half = stats.t.ppf(0.975, (found["seeds"] - 1).where(found["seeds"] > 1)) * found.pop("std") / found["seeds"] ** 0.5
    return found.assign(low=found["value"] - half, high=found["value"] + half)


def _pretrain(grid: GridConfig, out: Path, cell: GridRun) -> None:
    from empirical.pretraining.pretrain import pretrain

    pretrain(cell.settings(grid), out / cell.folder, quiet=True)


def _read(folder: Path, cell: GridRun) -> pd.DataFrame:
    table = read_table(folder / "examination.csv").fillna({"change": ""})
    seconds = begun_before(folder).get("counts", {}).get("training_seconds", 0)
    table.insert(0, "model", cell.model)
    table.insert(1, "learning_rate", cell.learning_rate)
    table.insert(2, "seed", cell.seed)
    return table.assign(seconds=seconds)
