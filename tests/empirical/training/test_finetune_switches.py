"""What a run may be asked for: stored features, early stopping, a card, reporters, and a way out when memory is short."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from safetensors.numpy import load_file

from empirical.arms import assign_references, build_examples
from empirical.arms.images import image_source
from empirical.cohorts import Cohort
from empirical.prompts.example import Example
from empirical.training import trainer as trainer_module
from empirical.training.batch_size_search import StepSettings, out_of_memory
from empirical.training.config import FinetuneConfig
from empirical.training.finetune import finetune
from empirical.training.trainable import make_trainable
from empirical.vlm.config import ModelConfig
from empirical.vlm.feature_cache.tower import core_of
from empirical.vlm.inference.encoder import IGNORE, Encoder
from empirical.vlm.inference.scoring import to_device, token_log_probabilities
from empirical.vlm.loading import load_vlm
from see_in_pairs.errors import InputError
from tests.helpers.configs import PAIR, finetune_config

settings = partial(finetune_config, learning_rate=1e-2)


def weights(model: Path) -> dict[str, np.ndarray]:
    (file,) = model.glob("*.safetensors")
    return load_file(file)


def test_stored_features_train_the_same_adapter(phantom: Cohort, tmp_path: Path) -> None:
    fast = weights(finetune(settings(phantom), tmp_path / "fast", quiet=True))
    slow = weights(finetune(settings(phantom, store_features=False), tmp_path / "slow", quiet=True))
    start = weights(finetune(settings(phantom, steps=1, learning_rate=1e-9), tmp_path / "start", quiet=True))
    moved = max(np.abs(slow[name] - start[name]).max() for name in slow)
    apart = max(np.abs(slow[name] - fast[name]).max() for name in slow)
    assert moved > 0.01 and apart < 1e-3 * moved  # Adam's first steps follow signs: rounding may grow, but not show


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_adapters_are_trained_by_the_arithmetic_that_they_are_scored_with(phantom: Cohort, tmp_path: Path, dtype: str) -> None:
    config = settings(phantom, model={"dtype": dtype}, early_stopping={"every": 3}, steps=3)
    vlm = load_vlm(ModelConfig(name=str(finetune(config, tmp_path / "run", quiet=True)), dtype=dtype))
    assert vlm.model.dtype == getattr(torch, dtype) and {value.dtype for value in weights(tmp_path / "run" / "model").values()} == {
        np.dtype("float32")
    }
    assignment = assign_references(phantom, "val", config.arm, seed=config.seed, model=config.model)
    shown = build_examples(phantom, "val", config.arm, config.prompts, seed=config.seed, assignment=assignment)
    encoder = Encoder(vlm.processor, vlm.family, image_source(phantom))
    total = 0.0
    with torch.inference_mode():
        for start in range(0, len(shown), config.batch_size):
            rows = shown[start : start + config.batch_size]
            batch, labels = encoder.with_answers(rows, [row.answer for row in rows], end=True)
            scored = token_log_probabilities(vlm.model, to_device(batch, vlm.model), labels)
            total -= len(rows) * float(scored.sum() / (labels != IGNORE).sum())
    validation = pd.read_csv(tmp_path / "run" / "validation.csv")["eval_loss"].iloc[-1]
    assert total / len(shown) == pytest.approx(validation, rel=10 * torch.finfo(torch.float32).eps)  # a mean of a few losses


@pytest.mark.parametrize("every", [1, 2])
def test_a_look_at_validation_between_training_batches_takes_no_features_away(
    phantom: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    """A training batch lies ready while validation is looked at, whose batches are as many as are held."""
    from empirical.vlm.feature_cache.cache import FeatureCache

    config, plain = settings(phantom, early_stopping={"every": every}, batch_size=1), FeatureCache.__init__
    roomy = finetune(config, tmp_path / "roomy", quiet=True)
    monkeypatch.setattr(FeatureCache, "__init__", lambda *given, **more: plain(*given, **more, memory=1e-9))
    tight = finetune(config, tmp_path / "tight", quiet=True)
    assert all(np.array_equal(one, other) for one, other in zip(weights(tight).values(), weights(roomy).values(), strict=True))


def test_every_image_is_computed_once_however_many_epochs(phantom: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from empirical.vlm.feature_cache.cache import FeatureCache

    seen: list[int] = []
    plain = FeatureCache._compute

    def counting(self: FeatureCache, *given: Any) -> Any:
        before = self.computed
        made = plain(self, *given)
        seen.append(self.computed - before)
        return made

    monkeypatch.setattr(FeatureCache, "_compute", counting)
    finetune(settings(phantom, steps=20), tmp_path / "run", quiet=True)
    plan = pd.read_parquet(tmp_path / "run" / "plan.parquet")
    shown = set(plan["item_id"]) | {reference for row in plan["reference_ids"] for reference in row}
    assert len(plan) == 80 and sum(seen) == len(shown) and set(seen) == {1}


def test_features_that_gave_way_come_back(phantom: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from empirical.vlm.feature_cache import cache

    plain = cache.FeatureCache.__init__
    monkeypatch.setattr(cache.FeatureCache, "__init__", lambda self, *a, **k: plain(self, *a, **(k | {"memory": 1e-6})))
    short = weights(finetune(settings(phantom), tmp_path / "short", quiet=True))
    monkeypatch.undo()
    roomy = weights(finetune(settings(phantom), tmp_path / "roomy", quiet=True))
    assert all(np.array_equal(short[name], roomy[name]) for name in roomy)


def test_a_trained_vision_tower_is_never_stored_and_a_frozen_one_keeps_no_graph(phantom: Cohort, tmp_path: Path) -> None:
    model = finetune(settings(phantom, lora={"vision": True}, steps=2), tmp_path / "vision", quiet=True)
    moved = [np.abs(weight).max() for name, weight in weights(model).items() if "vision_model" in name and "lora_B" in name]
    assert moved and min(moved) > 0
    vlm = load_vlm(ModelConfig())
    wrapped = make_trainable(vlm, "lora", settings(phantom).lora)
    wrapped.enable_input_require_grads()
    pixels = torch.rand(1, 1, 3, 64, 64)
    assert not core_of(wrapped).get_image_features(pixels, return_dict=True).pooler_output[0].requires_grad


def test_early_stopping_looks_at_validation_only_and_keeps_the_best(phantom: Cohort, tmp_path: Path) -> None:
    stop = {"every": 2, "patience": 2}
    config = settings(phantom, early_stopping=stop, steps=40, learning_rate=0.3, method="full")  # so fast that it must go wrong
    model = finetune(config, tmp_path / "run", quiet=True)
    looks = pd.read_csv(tmp_path / "run" / "validation.csv")
    best = int(looks["eval_loss"].idxmin())
    assert len(pd.read_csv(tmp_path / "run" / "history.csv")) < 40 and len(looks) == best + 3
    again = finetune(settings(phantom, early_stopping=stop, steps=40, learning_rate=0.3, method="full"), tmp_path / "again", quiet=True)
    assert all(np.array_equal(a, b) for a, b in zip(weights(model).values(), weights(again).values(), strict=True))
    assert validation_loss(model, phantom) == pytest.approx(looks["eval_loss"].min(), rel=1e-4)
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["n_validation"] == 4
    card, steps = (model / "README.md").read_text(), len(pd.read_csv(tmp_path / "run" / "history.csv"))
    assert f"at step {looks['step'][best]}, on 4 items" in card
    assert f"shown {4 * steps} times in {steps} steps" in card  # not the whole plan


def validation_loss(model: Path, cohort: Cohort) -> float:
    from empirical.arms import ArmConfig, build_examples
    from empirical.prompts.templates import PromptConfig
    from empirical.vlm.inference.encoder import IGNORE, Encoder
    from empirical.vlm.inference.scoring import token_log_probabilities

    vlm = load_vlm(ModelConfig(name=str(model)))
    examples = build_examples(cohort, "val", ArmConfig.model_validate(PAIR), PromptConfig(), seed=0)
    batch, labels = Encoder(vlm.processor, vlm.family, cohort.image).with_answers(examples, [one.answer for one in examples], end=True)
    with torch.inference_mode():
        return float(-token_log_probabilities(vlm.model, batch, labels).sum() / (labels != IGNORE).sum())


def test_the_card_says_what_was_done_and_what_it_is_not(phantom: Cohort, tmp_path: Path) -> None:
    model = finetune(settings(phantom, steps=3, doctor=True), tmp_path / "run", quiet=True)
    card = (model / "README.md").read_text()
    record = json.loads((model / "training.json").read_text())
    for piece in (
        "Not a diagnostic device",
        "arm `pair` (demographic)",
        phantom.info.name,
        phantom.hash,
        record["parity"]["hash"],
        "seed 0",
        "  rank: 16",  # defaults, too: they may change
    ):
        assert piece in card
    assert "checks of the doctor passed" in card and "learning_rate: 0.01" in card and "24 patients" not in card
    _, front, _ = card.split("---\n", 2)
    assert yaml.safe_load(front) == {"library_name": "peft", "pipeline_tag": "image-text-to-text"}  # 'pocket' is no id on the Hub
    assert "The base is `pocket`, which is not on the Hub" in card and record["parity"]["base_weights"] in card
    kept = FinetuneConfig.model_validate(yaml.safe_load(card.split("```yaml\n")[1].split("```")[0]))
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    effective = settings(phantom, steps=3, doctor=True, gradient_checkpointing=manifest["gradient_checkpointing"])
    assert kept == effective and set(kept.model_dump()) == set(yaml.safe_load(card.split("```yaml\n")[1].split("```")[0]))
    load_vlm(ModelConfig(name=str(model)))
    losses = pd.read_csv(tmp_path / "run" / "history.csv")["loss"]
    assert f"over the last 3 steps: mean {losses.mean():.4f}" in card
    assert "{{" not in card and "{%" not in card


def test_the_card_names_a_base_on_the_hub_as_the_hub_does(phantom: Cohort) -> None:
    model = {"name": "maker/model", "revision": "0123abc"}
    card = made_card(phantom, [{"loss": 0.5, "step": 1}], model=model)
    assert yaml.safe_load(card.split("---\n", 2)[1])["base_model"] == "maker/model"
    assert "The base is `maker/model`, at commit `0123abc`." in card and "not on the Hub" not in card
    assert "whose commit a mirror of the Hub did not tell." in made_card(phantom, [], model={"name": "maker/model"})


@pytest.mark.parametrize(
    ("losses", "looks", "told"),
    [
        ([], [], "The training loss was not recorded, or was never finite.\nNo validation loss was computed."),
        ([1.25], [float("nan")], "at the last step: 1.2500; one step says nothing about its spread.\nThe validation loss was never"),
        ([1.0, 2.0, float("nan")], [float("nan"), 0.5], "over the last 2 steps: mean 1.5000 (95 % interval over steps -4.8531 to 7.8531"),
    ],
)
def test_the_card_says_in_words_what_is_no_number(phantom: Cohort, losses: list[float], looks: list[float], told: str) -> None:
    """Two steps of 1 and 2 have an interval of Student's 12.7062, of one degree of freedom, times a half either way."""
    history = [{"loss": loss, "step": 1 + step} for step, loss in enumerate(losses)]
    history += [{"eval_loss": loss, "step": 1 + step} for step, loss in enumerate(looks)]
    card = made_card(phantom, history)
    assert told in card and "nan" not in card.split("## Metrics")[1].split("## Limits")[0]
    assert ("Validation loss: best 0.5000 at step 2, on 4 items" in card) == (0.5 in looks)
    assert ("At 1 more it was not finite." in card) == (len(losses) == 3)


def made_card(cohort: Cohort, history: list[dict[str, float]], **changes: object) -> str:
    from empirical.training.model_card import run_card

    queries = cohort.queries("train")["item_id"]
    shown = pd.DataFrame({"item_id": queries, "reference_ids": [["r"]] * len(queries), "step": range(len(queries))})
    manifest = {"version": "0", "git_commit": None, "command_line": ["see-in-pairs"], "audit": [], "allowed": [], "n_train": 4}
    parity = {"hash": "0", "image_order": "reference first", "dtype": "float32", "pixel_budget": {}, "base_weights": "0"}
    manifest |= {"n_validation": 4, "weights": {"trainable": 1, "total": 2}, "parity": parity}
    return run_card(settings(cohort, **changes), cohort, manifest, shown, history)


def test_out_of_memory_ends_with_the_batch_size_that_would_fit(phantom: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room, plain = 5, trainer_module.token_log_probabilities

    def short_of_memory(model: Any, batch: dict[str, torch.Tensor], labels: torch.Tensor) -> torch.Tensor:
        if len(labels) > room:
            raise torch.OutOfMemoryError("no more")
        return plain(model, batch, labels)

    monkeypatch.setattr(trainer_module, "token_log_probabilities", short_of_memory)
    with pytest.raises(
        InputError, match=r"batch_size 16; 4 would fit, .*: set batch_size: 4 and gradient_accumulation: 8 .*32 rows \(now 32\)"
    ):
        finetune(settings(phantom, batch_size=16, gradient_accumulation=2, steps=2), tmp_path / "run", quiet=True)
    room = 0
    with pytest.raises(InputError, match=r"even with batch_size 1; set gradient_checkpointing: true, fewer pixels"):
        finetune(settings(phantom, steps=1), tmp_path / "none", quiet=True)


def test_what_fits_keeps_at_least_the_rows_of_a_step() -> None:
    def step(examples: Sequence[Example]) -> None:
        if len(examples) > 3:
            raise torch.OutOfMemoryError("no more")

    odd = FinetuneConfig.model_validate({"cohort": "c", "arm": {"arm": "single"}, "batch_size": 7})
    assert "set batch_size: 3 and gradient_accumulation: 3 for steps of 9 rows (now 7)" in str(
        out_of_memory(StepSettings.of(odd), step, [None] * 7)
    )  # type: ignore[list-item]
