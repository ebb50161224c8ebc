"""The GPU suite at toy size on a CPU, and the count of FLOP against torch's own counter."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from empirical.benchmark.evaluation import PATHS, half_precision_equality
from empirical.benchmark.flops import finetuning_step, language_weights, peak_of, vision_forward, vision_weights
from empirical.benchmark.items import Items
from empirical.benchmark.shapes import SHAPES, build
from empirical.benchmark.suite import BenchmarkConfig, run_suite
from empirical.training.config import FinetuneConfig
from empirical.training.prepare import prepare
from empirical.vlm.encoding import Encoder
from empirical.vlm.loading import ModelConfig
from empirical.vlm.scoring import token_log_probabilities
from see_in_pairs.console import run_app
from see_in_pairs.errors import InputError

TINY = SHAPES["tiny"]


def test_the_suite_runs_at_toy_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from paper_figures.cli import app

    assert run_app(app, ["benchmark", "gpu", "--tiny", "--out", str(tmp_path / "out"), "--json", "-"]) == 0
    captured = capsys.readouterr()
    rows = json.loads(captured.out)
    assert rows == json.loads((tmp_path / "out" / "benchmark.json").read_text())
    table = pd.read_csv(tmp_path / "out" / "benchmark.csv")
    assert table.groupby("part").size().to_dict() == {"equality": len(PATHS), "evaluation": len(PATHS) + 1, "finetuning": 3}
    speeds = table[table["part"] != "equality"]
    assert (speeds["seconds_low"] <= speeds["seconds"]).all() and (speeds["seconds"] <= speeds["seconds_high"]).all()
    assert speeds["data_wait"].dropna().between(0, 1).all() and table["utilisation"].isna().all()  # a CPU's peak is not in our table
    assert (table["largest_difference"].dropna() < 1e-4).all()
    assert "times the plain loop" in captured.err


def test_true_shapes_without_a_gpu_are_refused(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(InputError, match="sees no GPU"):
        run_suite(BenchmarkConfig(), tmp_path, quiet=True)


@pytest.mark.parametrize(("name", "language", "vision"), [("3b", 2.77e9, 0.67e9), ("7b", 6.53e9, 0.68e9)])
def test_true_shapes_have_the_weights_their_names_say(name: str, language: float, vision: float) -> None:
    """Qwen2.5-VL-3B has 3.75e9 weights, the 7B 8.29e9 (their cards); what is missing here is embeddings, biases, most of the merger."""
    assert language_weights(SHAPES[name]) == pytest.approx(language, rel=0.01)
    assert vision_weights(SHAPES[name]) == pytest.approx(vision, rel=0.1)
    shape = SHAPES[name]
    embeddings = shape.vocabulary * shape.width * (1 if shape.tied else 2)
    merger = (4 * shape.vision_width) ** 2 + 4 * shape.vision_width * shape.width
    total = language_weights(shape) + vision_weights(shape) + embeddings + 3 * merger / 4
    assert total == pytest.approx({"3b": 3.75e9, "7b": 8.29e9}[name], rel=0.005)


def test_the_count_is_that_of_torch() -> None:
    vlm = build(TINY, ModelConfig(name="tiny", device="cpu", attention="eager"))
    items, core = Items(2, 2, TINY.image), vlm.model.model
    rows = items.examples()
    encoder = Encoder(vlm.processor, vlm.family, items.picture)
    batch, labels = encoder.with_answers(rows, [row.answer for row in rows], end=True)
    with FlopCounterMode(display=False) as vision, torch.no_grad():
        core.get_image_features(batch["pixel_values"], batch["image_grid_thw"])
    assert vision.get_total_flops() == 4 * vision_forward(TINY)
    config = FinetuneConfig.model_validate({"cohort": "", "arm": {"arm": "single"}, "lora": {"dropout": 0.0, "rank": 4}})
    model = prepare(vlm, config)
    with FlopCounterMode(display=False) as step:
        (-token_log_probabilities(model, batch, labels).sum()).backward()
    tokens = batch["input_ids"].shape[1]
    counted = finetuning_step(TINY, rows=2, tokens=tokens, images=2, answer=labels.shape[1], rank=4, stored=False)
    masked = 2 * 3 * TINY.layers * 4 * tokens**2 * TINY.width / 2  # eager attention computes the half that the causal mask hides
    narrow = TINY.kv_heads * TINY.width // TINY.heads
    ends_here = 2 * tokens * 2 * (TINY.width**2 + 2 * TINY.width * narrow + 3 * TINY.width * 4)  # nothing below the first layer is trained
    assert counted.total + masked - ends_here == step.get_total_flops()
    stored = finetuning_step(TINY, rows=2, tokens=tokens, images=2, answer=labels.shape[1], rank=4, stored=True)
    assert counted.total - stored.total == pytest.approx(4 * vision_forward(TINY))


def test_half_precision_is_held_against_float32_and_weights_come_back() -> None:
    vlm = build(TINY, ModelConfig(name="tiny", device="cpu", dtype="bfloat16"))
    before = {name: weight.clone() for name, weight in vlm.model.state_dict().items()}
    rows = half_precision_equality(vlm, Items(6, 2, TINY.image), 4)
    assert [row["path"] for row in rows] == list(PATHS) and all(row["within"] for row in rows)
    assert rows[0]["error"] > 1e-4  # bfloat16 does round
    after = vlm.model.state_dict()
    assert vlm.model.dtype == torch.bfloat16 and all(torch.equal(before[name], after[name]) for name in before)


def test_peaks_are_looked_up_by_name() -> None:
    assert peak_of("NVIDIA H200") == peak_of("NVIDIA H100 80GB HBM3") == 989e12
    assert peak_of("GeForce") is None
