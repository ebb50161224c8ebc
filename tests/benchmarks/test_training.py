"""Speed of finetuning: a step of ours against one of TRL's SFTTrainer, on the same rows, from the same weights, with the same loss.

Both are transformers' Trainer at heart and are told the same; each brings its own collator and its own way to the loss. The pocket model
is so small that Python's and the processor's time counts as much as arithmetic. Pictures lie in memory for both.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from transformers import Trainer

from empirical.benchmark.items import Items
from empirical.benchmark.training import WARM, StepClock, our_trainer
from empirical.benchmark.trl_baseline import sft_trainer
from empirical.training.config import FinetuneConfig
from empirical.training.trainer import AnswerTrainer
from empirical.vlm.config import ModelConfig
from empirical.vlm.inference.encoder import IGNORE
from empirical.vlm.loading import load_vlm

WAYS = ("full", "lora", "lora, stored features")
LEAST = 1.0  # times TRL's steps per second
ROUNDS, ROWS, ITEMS = 9, 8, Items(24, 4, 64)


def settings(way: str, steps: int) -> FinetuneConfig:
    method = way.partition(",")[0]
    content = {"cohort": "", "arm": {"arm": "pair", "references": {"strategy": "random"}}, "method": method, "lora": {"dropout": 0}}
    return FinetuneConfig.model_validate(content | {"steps": steps, "batch_size": ROWS, "learning_rate": 1e-4})


def trainers(config: FinetuneConfig, out: Path, pictures: dict[str, Any], stored: bool) -> tuple[AnswerTrainer, Any, Trainer]:
    """Ours, what must be active while it trains, and TRL's, each on a model of its own."""
    examples = ITEMS.examples() * (config.steps * ROWS // ITEMS.queries + 1)
    ours, serving = our_trainer(load_vlm(ModelConfig()), config, examples, pictures, stored, out / "ours")
    return ours, serving, sft_trainer(load_vlm(ModelConfig()), config, examples, pictures, out / "theirs")


def losses(trainer: Trainer) -> list[float]:
    return [row["loss"] for row in trainer.state.log_history if "loss" in row]


def same_rows(ours: AnswerTrainer, theirs: Trainer) -> None:
    """Both show the same tokens, supervise the same of them, and show the same pictures; only padding may lie elsewhere."""
    mine, yours = (next(iter(trainer.get_train_dataloader())) for trainer in (ours, theirs))
    for row in range(ROWS):
        for name, present in (("input_ids", "attention_mask"), ("labels", "labels")):
            kept = [batch[name][row][batch[present][row] > (IGNORE if present == "labels" else 0)].tolist() for batch in (mine, yours)]
            assert kept[0] == kept[1] and kept[0]
    if mine["pixel_values"].is_floating_point():  # else the numbers of stored features stand in for the pictures
        assert torch.equal(mine["pixel_values"], yours["pixel_values"])


@pytest.mark.parametrize("way", WAYS)
def test_a_step_against_trl(benchmark: BenchmarkFixture, tmp_path: Path, way: str) -> None:
    pytest.importorskip("trl", reason="trl is not installed (pip install -c constraints.txt 'see-in-pairs[benchmarks]')")
    torch.set_num_threads(1)
    timed = benchmark.enabled
    config, pictures = settings(way, 20 if timed else 3), {name: ITEMS.picture(name) for row in ITEMS.examples() for name in row.images}
    ours, serving, theirs = trainers(config, tmp_path, pictures, "stored" in way)
    with serving:
        same_rows(ours, theirs)
        ours.train()
        theirs.train()
        assert losses(ours)[0] == pytest.approx(losses(theirs)[0], rel=1e3 * float(np.finfo(np.float32).eps))
        assert losses(ours) == pytest.approx(losses(theirs), rel=1e-3)  # after a few steps of the optimiser rounding has grown
        clocks = StepClock(ours), StepClock(theirs)
        benchmark.pedantic(ours.train, setup=lambda: (theirs.train(), None)[1], rounds=ROUNDS if timed else 1)  # in turns
    if not timed:
        return
    mine, yours = (np.diff(np.reshape(clock.ends, (ROUNDS, config.steps)), axis=1)[:, WARM - 1 :] for clock in clocks)
    ratios = np.median(yours, axis=1) / np.median(mine, axis=1)
    benchmark.extra_info |= {"ms a step": round(1e3 * float(np.median(mine)), 1), "TRL's": round(1e3 * float(np.median(yours)), 1)}
    benchmark.extra_info["times TRL's, by rounds"] = [round(float(ratio), 3) for ratio in sorted(ratios)]
    assert np.median(ratios) >= LEAST
