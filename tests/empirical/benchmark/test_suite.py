"""The GPU suite at toy size on a CPU, and the count of FLOP against torch's own counter."""

from __future__ import annotations

import json
import weakref
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from empirical.benchmark import suite, timing, trl_baseline
from empirical.benchmark.config import VARIANTS, BenchmarkConfig
from empirical.benchmark.evaluation import LOOPS
from empirical.benchmark.flops import finetuning_step, language_weights, peak_of, vision_forward, vision_weights
from empirical.benchmark.items import Items
from empirical.benchmark.precision import CHECKS, EQUALITY_PATHS, equality_row, with_adapters
from empirical.benchmark.row_store import ROWS, RowStore
from empirical.benchmark.shapes import SHAPES, build
from empirical.benchmark.suite import run_suite
from empirical.benchmark.targets import MET, MISSED, NOT_MEASURED, verdicts
from empirical.benchmark.timing import MEASURED, OUT_OF_MEMORY, attempt
from empirical.benchmark.training import WARM
from empirical.training.config import LoraConfig
from empirical.training.trainable import make_trainable
from empirical.vlm.config import ModelConfig, VisionLanguageModel
from empirical.vlm.inference.encoder import Encoder
from empirical.vlm.inference.scoring import token_log_probabilities
from empirical.vlm.lora_precision import compute_in_base_dtype
from see_in_pairs.console import run_app
from see_in_pairs.errors import InputError

TINY = SHAPES["tiny"]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the whole suite at toy size."""
    from paper_figures.cli import app

    out = tmp_path_factory.mktemp("benchmark") / "out"
    assert run_app(app, ["benchmark", "gpu", "--tiny", "--out", str(out), "--quiet"]) == 0
    return out


def test_the_suite_runs_at_toy_size(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from paper_figures.cli import app

    done = [file for file in (toy / "pieces").iterdir() if json.loads(file.read_text())["status"] == MEASURED]  # TRL may be missing
    before = {file.name: file.stat().st_mtime_ns for file in done}
    assert len(done) >= len(ROWS["evaluation"])
    assert run_app(app, ["benchmark", "gpu", "--tiny", "--out", str(toy), "--json", "-"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows == json.loads((toy / "benchmark.json").read_text())
    table = pd.read_csv(toy / "benchmark.csv")
    assert table.groupby("part").size().to_dict() == {part: len(paths) for part, paths in ROWS.items()}
    speeds = table[(table["part"] != "equality") & (table["status"] == MEASURED)]
    assert (speeds["seconds_low"] <= speeds["seconds"]).all() and (speeds["seconds"] <= speeds["seconds_high"]).all()
    assert speeds["data_wait"].dropna().between(0, 1).all() and table["utilisation"].isna().all()  # a CPU's peak is not in our table
    assert (table["largest_difference"].dropna() < 1e-4).all() and table["within"].dropna().all()
    ours = table[table["path"].isin([path for path, variant in VARIANTS.items() if not variant.trl])]
    assert (ours["status"] == MEASURED).all() and (table.loc[table["part"] == "evaluation", "status"] == MEASURED).all()
    assert before == {file.name: file.stat().st_mtime_ns for file in done}


def test_all_ways_to_a_step_show_the_same_and_have_the_same_loss(toy: Path) -> None:
    """Adapters begin as no change, so the first loss depends on weights, rows and supervised tokens alone."""
    table = pd.read_csv(toy / "benchmark.csv")
    losses = table[(table["part"] == "finetuning") & (table["status"] == MEASURED)]["first_loss"]
    assert len(losses) >= 3 and losses.max() - losses.min() < 1e3 * np.finfo(np.float32).eps * losses.max()


class Canned:
    """Stands in for `Bench`: rows as a device would give them, at once; what runs out of memory, or ends, is asked for."""

    full: tuple[str, ...] = ()
    ends_at: str = ""
    made: ClassVar[list[tuple[str, str, str]]] = []

    def __init__(self, config: BenchmarkConfig, name: str) -> None:
        self.name = name

    def row(self, part: str, path: str) -> dict[str, Any]:
        if path == self.ends_at:
            raise KeyboardInterrupt
        self.made.append((self.name, part, path))
        return attempt(lambda: self.measure(part, path))

    def measure(self, part: str, path: str) -> dict[str, Any]:
        if path in self.full:
            raise torch.OutOfMemoryError("CUDA out of memory")
        if part == "equality":
            return {"items": 2, "dtype": "bfloat16", "scores": [[0.0, -1.0 - (0 if path.endswith("float32") else 0.125)]]}
        fast = {"everything": 0.5, "stored features": 0.25}.get(path, 1.0)
        content = {"items": 10 if path in LOOPS else 20, "seconds": [fast, 2 * fast, 3 * fast], "peak_gib": 1.0, "scores": [[0.0, -1.0]]}
        return content | (
            {"waited": [0.1] * 3, "tokens": 9, "flop": 250e12, "losses": [0.7], "peak": 1000e12} if part == "finetuning" else {}
        )

    def free(self) -> None:
        pass


@pytest.fixture
def canned(monkeypatch: pytest.MonkeyPatch) -> type[Canned]:
    """A machine with an H200, whose rows cost nothing."""
    monkeypatch.setattr(suite, "Bench", Canned)
    monkeypatch.setattr(suite, "_facts", lambda config: {"device": "NVIDIA H200"})
    monkeypatch.setattr(suite, "_require_gpu", lambda config: None)
    for name, value in {"full": (), "ends_at": "", "made": []}.items():
        monkeypatch.setattr(Canned, name, value)
    return Canned


def test_a_killed_suite_goes_on_and_repeats_nothing(canned: type[Canned], tmp_path: Path) -> None:
    canned.ends_at = "like lengths"
    with pytest.raises(KeyboardInterrupt):
        run_suite(BenchmarkConfig(shapes=("7b",)), tmp_path / "out", quiet=True)
    first = list(canned.made)
    assert len(first) == 4 and len(pd.read_csv(tmp_path / "out" / "benchmark.csv")) == 4  # the table is there at any moment
    canned.ends_at = ""
    run_suite(BenchmarkConfig(shapes=("7b",), parts=("equality",)), tmp_path / "out", quiet=True)
    run_suite(BenchmarkConfig(shapes=("7b", "3b")), tmp_path / "out", quiet=True)
    table = pd.read_csv(tmp_path / "out" / "benchmark.csv")
    assert len(canned.made) == len(set(canned.made)) == len(table) == 2 * sum(map(len, ROWS.values()))
    with pytest.raises(InputError, match=r"config\.steps: 10 there, 11 now"):
        run_suite(BenchmarkConfig(shapes=("7b",), steps=11), tmp_path / "out", quiet=True)


def test_a_row_without_memory_says_so_and_the_others_go_on(canned: type[Canned], tmp_path: Path) -> None:
    canned.full = ("plain batches", "TRL")
    table = run_suite(BenchmarkConfig(shapes=("7b",)), tmp_path, quiet=True).set_index(["part", "path"])
    assert (table["status"] == OUT_OF_MEMORY).sum() == 3 and len(table) == sum(map(len, ROWS.values()))
    assert table.loc[("finetuning", "images every step"), "status"] == MEASURED
    assert table["times_trl"].dropna().index.get_level_values("path").str.endswith("checkpointing").all()  # TRL's own row is missing
    page = (tmp_path / "README.md").read_text()
    assert "| plain batches | out of memory |" in page and "nothing to compare it with | **not measured** |" in page
    done = list(canned.made)
    run_suite(BenchmarkConfig(shapes=("7b",)), tmp_path, quiet=True)
    assert canned.made == done  # what does not fit will not fit


def test_targets_are_judged_by_the_numbers(canned: type[Canned], tmp_path: Path) -> None:
    """Median step .5 s for 250 of 1000 TFLOP/s; TRL's 2 s; the loop's 10 items in 2 s against 20 in 1 s."""
    table = run_suite(BenchmarkConfig(shapes=("7b",)), tmp_path, quiet=True)
    told = {verdict.target.partition(" (")[0]: (verdict.measured, verdict.verdict) for verdict in verdicts(table, "NVIDIA H200")}
    assert told["7b finetuning, model FLOP utilisation"] == ("50.0% (33.3% to 100.0%)", MET)
    assert told["7b finetuning, times TRL's steps per second"] == ("4.00 (1.33 to 12.00)", MET)
    assert told["7b evaluation, times the plain loop"] == ("4.00 (1.33 to 12.00)", MET)
    assert told["7b error of every path against float32"][1] == MET
    slower = table.assign(utilisation=0.399, times_trl=1.49, times_loop=3.99, within=table["within"].where(table["within"].isna(), False))
    assert [verdict.verdict for verdict in verdicts(slower, "NVIDIA H200")] == [MISSED] * 4
    for other, device in ((table, "NVIDIA A100"), (table.assign(shape="3b"), "NVIDIA H200")):
        assert {verdict.verdict for verdict in verdicts(other, device)} == {NOT_MEASURED}
    assert "| **met** |" in (tmp_path / "README.md").read_text()


def test_trl_that_is_missing_or_fails_is_a_row_that_is_tried_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(trl_baseline, "NEEDED", ("no_such_package",))
    row = suite.Bench(BenchmarkConfig(shapes=("tiny",)), "tiny").row("finetuning", "TRL")
    assert row == {"status": "not installed: no_such_package"}
    assert trl_baseline.or_why_not(lambda: {}["key"]) == {"status": "failed: KeyError: 'key'"}
    with pytest.raises(torch.OutOfMemoryError):
        trl_baseline.or_why_not(lambda: (_ for _ in ()).throw(torch.OutOfMemoryError("full")))
    store = RowStore(tmp_path)
    store.add("tiny", "finetuning", "TRL", row)
    assert ("finetuning", "TRL") in store.missing("tiny", ["finetuning"])


def test_rounds_end_where_the_next_would_take_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(100))  # each look at the clock is a second later
    monkeypatch.setattr(timing, "now", lambda: float(next(ticks)))
    assert timing.timed(lambda: None, 9, most=3).seconds == (1.0, 1.0, 1.0)
    assert timing.timed(lambda: None, 2, most=9).seconds == (1.0, 1.0)
    assert timing.timed(lambda: None, 9, most=0.1).seconds == (1.0,)


def test_a_timed_step_is_the_one_that_finetune_runs_and_frees_its_model() -> None:
    bench = suite.Bench(BenchmarkConfig(shapes=("tiny",), train_batch=2, steps=2), "tiny")
    alive = weakref.ref(bench._model().model)
    row = bench.row("finetuning", "images every step")
    assert len(row["losses"]) == WARM + 2 and len(row["seconds"]) == len(row["waited"]) == 2
    assert all(0 < waited < seconds for waited, seconds in zip(row["waited"], row["seconds"], strict=True))
    assert alive() is None


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


def in_place(made: Any, one: Any, other: Any, out_shape: Any = None, **_: Any) -> int:
    """Count a product that is added in place, which torch's own table lacks."""
    return int(2 * one[0] * one[1] * other[1])


def test_the_count_is_that_of_torch() -> None:
    vlm = build(TINY, ModelConfig(name="tiny", device="cpu", attention="eager"))
    items, core = Items(2, 2, TINY.image), vlm.model.model
    rows = items.examples()
    encoder = Encoder(vlm.processor, vlm.family, items.picture)
    batch, labels = encoder.with_answers(rows, [row.answer for row in rows], end=True)
    with FlopCounterMode(display=False) as vision, torch.no_grad():
        core.get_image_features(batch["pixel_values"], batch["image_grid_thw"])
    assert vision.get_total_flops() == 4 * vision_forward(TINY)
    model = make_trainable(vlm, "lora", LoraConfig(dropout=0.0, rank=4))
    with FlopCounterMode(display=False, custom_mapping={torch.ops.aten.addmm_: in_place}) as step:
        (-token_log_probabilities(model, batch, labels).sum()).backward()
    tokens = batch["input_ids"].shape[1]
    counted = finetuning_step(TINY, rows=2, tokens=tokens, images=2, answer=labels.shape[1], rank=4, stored=False)
    masked = 2 * 3 * TINY.layers * 4 * tokens**2 * TINY.width / 2  # eager attention computes the half that the causal mask hides
    narrow = TINY.kv_heads * TINY.width // TINY.heads
    ends_here = 2 * tokens * 2 * (TINY.width**2 + 2 * TINY.width * narrow + 3 * TINY.width * 4)  # nothing below the first layer is trained
    assert counted.total + masked - ends_here == step.get_total_flops()
    stored = finetuning_step(TINY, rows=2, tokens=tokens, images=2, answer=labels.shape[1], rank=4, stored=True)
    assert counted.total - stored.total == pytest.approx(4 * vision_forward(TINY))


def test_the_way_through_float32_leaves_a_model_as_it_was() -> None:
    vlm = build(TINY, ModelConfig(name="tiny", device="cpu", dtype="bfloat16"))
    items, before = Items(6, 2, TINY.image), {name: weight.clone() for name, weight in _tensors(vlm)}
    own = equality_row(vlm, items, "plain batches", 4)
    exact = equality_row(vlm, items, "float32", 4)
    assert own["dtype"] == "bfloat16" and np.abs(np.array(own["scores"]) - exact["scores"]).max() > 1e-4  # bfloat16 does round
    after = dict(_tensors(vlm))
    assert all(before[name].dtype == after[name].dtype and torch.equal(before[name], after[name]) for name in before)
    assert any(tensor.dtype == torch.float32 for name, tensor in after.items() if "inv_freq" in name)
    assert equality_row(vlm, items, "plain batches", 4) == own


def adapted_table(tmp_path: Path) -> pd.DataFrame:
    config = BenchmarkConfig(shapes=("tiny",), parts=("equality",), dtype="bfloat16", queries=8, references=2, eval_batch=4, device="cpu")
    return run_suite(config, tmp_path / "out", quiet=True).set_index("path")


def test_adapters_are_held_against_pefts_in_scores_and_gradients(tmp_path: Path) -> None:
    table = adapted_table(tmp_path)
    assert set(table.index) == set(EQUALITY_PATHS) and table.loc[list(CHECKS), "within"].all() and (table["status"] == MEASURED).all()
    assert (table.loc[["adapters", "gradients", "adapters, peft", "gradients, peft"], "error"] > 1e-4).all()  # bfloat16 does round
    bound = 2 * table.loc["gradients, peft", "error"] + 1e3 * np.finfo(np.float32).eps
    assert table.loc["gradients", "bound"] == pytest.approx(bound)


def test_adapters_that_lose_a_tenth_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from empirical.benchmark import precision

    rounded = precision.adapted_row

    def spoiled(vlm: VisionLanguageModel, items: Items, path: str, batch_size: int) -> dict[str, Any]:
        with monkeypatch.context() as patch:
            if path in ("adapters", "gradients"):
                patch.setattr(precision, "compute_in_base_dtype", weaker)
            return rounded(vlm, items, path, batch_size)

    def weaker(model: Any) -> Any:
        for module in compute_in_base_dtype(model).modules():
            if isinstance(getattr(module, "scaling", None), dict):
                module.scaling = {name: 0.9 * value for name, value in module.scaling.items()}
        return model

    monkeypatch.setattr("empirical.benchmark.precision.adapted_row", spoiled)
    within = adapted_table(tmp_path)["within"]
    assert not within["adapters"] and not within["gradients"] and within["adapters, everything"]


@pytest.mark.parametrize("ours", [True, False])
def test_a_model_is_without_adapters_again(ours: bool) -> None:
    vlm = build(TINY, ModelConfig(name="tiny", device="cpu"))
    before = [(name, weight.requires_grad) for name, weight in vlm.model.named_parameters()]
    items = Items(4, 2, TINY.image)
    plain = equality_row(vlm, items, "plain batches", 4)
    with with_adapters(vlm, 0, ours) as adapted:
        assert equality_row(adapted, items, "plain batches", 4)["scores"] != plain["scores"]
    assert [(name, weight.requires_grad) for name, weight in vlm.model.named_parameters()] == before
    assert equality_row(vlm, items, "plain batches", 4) == plain and not hasattr(vlm.model, "peft_config")


def _tensors(vlm: VisionLanguageModel) -> list[tuple[str, torch.Tensor]]:
    return [*vlm.model.named_parameters(), *vlm.model.named_buffers()]


def test_peaks_are_looked_up_by_name() -> None:
    assert peak_of("NVIDIA H200") == peak_of("NVIDIA H100 80GB HBM3") == 989e12
    assert peak_of("GeForce") is None
