"""Speed of finetuning: a step of ours against one of TRL's SFTTrainer, on the same rows, from the same weights, with the same loss.

Both are transformers' Trainer at heart and are told the same; each brings its own collator and its own way to the loss. The pocket model
is so small that Python's and the processor's time counts as much as arithmetic. Pictures lie in memory for both.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from transformers import Trainer, TrainerCallback
from transformers.trainer_callback import PrinterCallback

from empirical.benchmark.items import Items
from empirical.training.arguments import schedule, training_arguments
from empirical.training.config import FinetuneConfig
from empirical.training.prepare import prepare
from empirical.training.trainer import AnswerTrainer, collate
from empirical.vlm.encoding import IGNORE, Encoder
from empirical.vlm.loading import ModelConfig, VisionLanguageModel, load_vlm
from empirical.vlm.store import FeatureStore, StoredEncoder

WAYS = ("full", "lora", "lora, stored features")
LEAST = 1.0  # times TRL's steps per second
ROUNDS, ROWS, ITEMS = 9, 8, Items(24, 4, 64)


class Clock(TrainerCallback):
    """Seconds between the ends of steps: all that a step takes, its data included, and nothing of how a run begins and ends."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.ended = 0.0

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        now = time.perf_counter()
        if state.global_step > 1:
            self.seconds.append(now - self.ended)
        self.ended = now


def settings(way: str, steps: int) -> FinetuneConfig:
    method = way.partition(",")[0]
    content = {"cohort": "", "arm": {"arm": "pair", "references": {"strategy": "random"}}, "method": method, "lora": {"dropout": 0}}
    return FinetuneConfig.model_validate(content | {"steps": steps, "batch_size": ROWS, "learning_rate": 1e-4})


def model_for(config: FinetuneConfig) -> tuple[VisionLanguageModel, Any]:
    torch.manual_seed(0)  # of the adapters
    vlm = load_vlm(ModelConfig())
    return vlm, prepare(vlm, config)


def our_trainer(config: FinetuneConfig, out: Path, pictures: dict[str, Any], stored: bool) -> tuple[AnswerTrainer, Any]:
    vlm, model = model_for(config)
    encoder, serving = Encoder(vlm.processor, vlm.family, pictures.__getitem__), nullcontext()
    if stored:
        store = FeatureStore(vlm, batch_size=1)
        store.add(set(pictures), encoder)  # the first epoch pays for the features; a run has many
        encoder, serving = StoredEncoder(encoder, store), store.serving()
    arguments = training_arguments(config, out, gpu=False)
    arguments.save_strategy = "no"  # type: ignore[assignment]
    examples = ITEMS.examples() * (config.steps * ROWS // ITEMS.queries + 1)
    return AnswerTrainer(model=model, args=arguments, train_dataset=examples, data_collator=collate(encoder)), serving


def their_trainer(config: FinetuneConfig, out: Path, pictures: dict[str, Any]) -> Trainer:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    vlm, model = model_for(config)
    encoder, end = Encoder(vlm.processor, vlm.family, pictures.__getitem__), vlm.processor.tokenizer.eos_token
    rows = [
        {"prompt": encoder.text(row.parts), "completion": vlm.family.answer_prefix + row.answer + end, "images": list(row.images)}
        for row in ITEMS.examples() * (config.steps * ROWS // ITEMS.queries + 1)
    ]
    data = Dataset.from_list(rows).with_transform(lambda few: few | {"images": [[pictures[name] for name in row] for row in few["images"]]})
    same = schedule(config, out, gpu=False) | {"save_strategy": "no", "report_to": [], "train_sampling_strategy": "sequential"}
    checkpointing = "activation_checkpointing" if "activation_checkpointing" in SFTConfig.__dataclass_fields__ else "gradient_checkpointing"
    arguments = SFTConfig(**same, **{checkpointing: False}, bf16=False, max_length=None, completion_only_loss=True)
    trainer = SFTTrainer(model=model, args=arguments, train_dataset=data, processing_class=vlm.processor)
    trainer.remove_callback(PrinterCallback)
    return trainer


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
    ours, serving = our_trainer(config, tmp_path / "ours", pictures, "stored" in way)
    theirs = their_trainer(config, tmp_path / "theirs", pictures)
    clocks = Clock(), Clock()
    with serving:
        same_rows(ours, theirs)
        ours.train()
        theirs.train()
        assert losses(ours)[0] == pytest.approx(losses(theirs)[0], rel=1e3 * float(np.finfo(np.float32).eps))
        assert losses(ours) == pytest.approx(losses(theirs), rel=1e-3)  # after a few steps of the optimiser rounding has grown
        for trainer, clock in zip((ours, theirs), clocks, strict=True):
            trainer.add_callback(clock)
        benchmark.pedantic(ours.train, setup=lambda: (theirs.train(), None)[1], rounds=ROUNDS if timed else 1)  # in turns
    if not timed:
        return
    mine, yours = (np.array(clock.seconds).reshape(ROUNDS, -1) for clock in clocks)
    ratios = np.median(yours, axis=1) / np.median(mine, axis=1)
    benchmark.extra_info |= {"ms a step": round(1e3 * float(np.median(mine)), 1), "TRL's": round(1e3 * float(np.median(yours)), 1)}
    benchmark.extra_info["times TRL's, by rounds"] = [round(float(ratio), 3) for ratio in sorted(ratios)]
    assert np.median(ratios) >= LEAST
