"""Every supported family: a tiny model of its real architecture goes through doctor, finetuning, saving, loading and evaluation."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import load_file

from empirical.arms import ArmConfig, build_examples
from empirical.cohorts import Cohort
from empirical.evaluation.config import EvaluateConfig
from empirical.evaluation.evaluate import evaluate
from empirical.prompts.templates import PromptConfig
from empirical.training.config import FinetuneConfig
from empirical.training.finetune import finetune
from empirical.vlm.config import ModelConfig
from empirical.vlm.doctor import diagnose, diagnose_loaded
from empirical.vlm.inference.batch_scorer import PLAIN, BatchScorer
from empirical.vlm.inference.encoder import Encoder
from empirical.vlm.inference.scoring import answer_log_probabilities
from empirical.vlm.loading import load_vlm
from tests.helpers.configs import PAIR
from tests.helpers.tiny_models import FAMILIES, save_tiny


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(request.param, tmp_path_factory.mktemp(request.param))


def test_the_doctor_finds_nothing_wrong(checkpoint: Path) -> None:
    failed = [check for check in diagnose(ModelConfig(name=str(checkpoint))).checks if not check.passed]
    assert failed == []


def test_lora_finetuning_saves_an_adapter_that_loads_to_the_same_scores(checkpoint: Path, phantom: Cohort, tmp_path: Path) -> None:
    config = FinetuneConfig.model_validate(
        {
            "cohort": str(phantom.folder),
            "arm": PAIR,
            "model": {"name": str(checkpoint)},
            "steps": 2,
            "batch_size": 4,
            "learning_rate": 0.05,
            "doctor": False,
        }
    )
    trained = finetune(config, tmp_path / "run", quiet=True)
    assert (trained / "adapter_model.safetensors").is_file()
    examples = build_examples(phantom, "test", ArmConfig.model_validate(PAIR), PromptConfig(), seed=0)[:3]

    def scores(name: Path) -> np.ndarray:
        vlm = load_vlm(ModelConfig(name=str(name)))
        return answer_log_probabilities(vlm.model, Encoder(vlm.processor, vlm.family, phantom.image), examples, ("yes", "no"))

    assert np.abs(scores(trained) - scores(checkpoint)).max() > 1e-3  # the adapter is not a no-op
    assert np.array_equal(scores(trained), scores(trained))
    evaluation = {
        "cohort": str(phantom.folder),
        "arms": [PAIR, {"arm": "single"}],
        "model": {"name": str(trained)},
        "batch_size": 4,
        "doctor": False,
    }
    table = evaluate(EvaluateConfig.model_validate(evaluation), tmp_path / "eval", quiet=True).table
    pair = table[table["arm"] == "pair"].set_index("item_id")
    for example, row in zip(examples, scores(trained), strict=True):
        assert np.allclose(list(pair.loc[example.item_id, "logp"].values()), row, atol=1e-4)
    assert set(table["train_arm"]) == {"pair"}


def test_adapters_on_a_half_format_are_trained_in_it_with_and_without_stored_features(
    checkpoint: Path, phantom: Cohort, tmp_path: Path
) -> None:
    """Without autocast nothing brings pictures to the model's format but us."""
    base = {
        "cohort": str(phantom.folder),
        "arm": PAIR,
        "model": {"name": str(checkpoint), "dtype": "bfloat16"},
        "steps": 2,
        "batch_size": 2,
    }
    ways = {"stored": {}, "every step": {"store_features": False}, "vision": {"lora": {"vision": True}}}
    for name, way in ways.items():
        trained = finetune(
            FinetuneConfig.model_validate(base | {"doctor": False, "learning_rate": 0.05} | way), tmp_path / name, quiet=True
        )
        first, second = weights_of(trained), json.loads((trained / "training.json").read_text())["parity"]["dtype"]
        assert second == "bfloat16" and {value.dtype for value in first.values()} == {np.dtype("float32")}
        moved = [key for key, value in first.items() if "lora_B" in key and value.any()]
        assert bool([key for key in moved if "vision" in key or "visual" in key]) == (name == "vision") and moved
    stored, anew = (pd.read_csv(tmp_path / name / "history.csv")["loss"].to_numpy() for name in ("stored", "every step"))
    assert stored == pytest.approx(anew, abs=0.1)  # a few roundings of logits of a few units, at 2 ** -8


def weights_of(model: Path) -> dict[str, np.ndarray]:
    return load_file(model / "adapter_model.safetensors")


def test_an_adapter_is_read_as_fast_and_as_exactly(checkpoint: Path, phantom: Cohort, tmp_path: Path) -> None:
    config = {"cohort": str(phantom.folder), "arm": PAIR, "model": {"name": str(checkpoint)}, "steps": 1, "batch_size": 2, "doctor": False}
    trained = finetune(
        FinetuneConfig.model_validate(config | {"learning_rate": 0.05, "lora": {"vision": True}}), tmp_path / "run", quiet=True
    )
    vlm = load_vlm(ModelConfig(name=str(trained)))
    assert diagnose_loaded(vlm).passed  # every check, on a model with adapters
    built = build_examples(phantom, "test", ArmConfig.model_validate(PAIR), PromptConfig(), seed=0)[:4]
    shared = [replace(example, images=(built[0].images[0], example.images[1])) for example in built]
    encoder = Encoder(vlm.processor, vlm.family, phantom.image)
    fast = BatchScorer(vlm, encoder, ("yes", "no"), 4)
    plain = BatchScorer(vlm, encoder, ("yes", "no"), 4, PLAIN).scores(shared)[0]
    assert np.abs(fast.scores(shared)[0] - plain).max() < 1e3 * np.finfo(np.float32).eps
    assert fast.prefix_cache is not None and fast.prefix_cache.n_prefilled == 1


def test_a_question_without_an_image_is_scored_by_every_path(checkpoint: Path, phantom: Cohort, tmp_path: Path) -> None:
    """No pixels reach the model: all items have one score, that of the words read by the language model alone."""
    vlm = load_vlm(ModelConfig(name=str(checkpoint)))
    encoder = Encoder(vlm.processor, vlm.family, phantom.image)
    examples = build_examples(phantom, "test", ArmConfig(arm="question_only"), PromptConfig(), seed=0)[:3]
    assert not any(example.images for example in examples)
    plain = BatchScorer(vlm, encoder, None, 2, PLAIN).scores(examples)[0]
    fast = BatchScorer(vlm, encoder, None, 2).scores(examples)[0]
    assert np.ptp(plain, axis=0).max() < 1e-5 and np.abs(fast - plain).max() < 1e-4
    ids = vlm.processor.tokenizer(encoder.text(examples[0].parts), add_special_tokens=False, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        logits = vlm.model(input_ids=ids.to(vlm.model.device)).logits[0, -1].float().log_softmax(dim=-1)
    first = [encoder.answer_ids(answer)[0] for answer in ("yes", "no")]
    if all(len(encoder.answer_ids(answer)) == 1 for answer in ("yes", "no")):
        assert np.abs(plain[0] - logits[first].cpu().numpy()).max() < 1e-4
    config = {"cohort": str(phantom.folder), "arm": {"arm": "question_only"}, "model": {"name": str(checkpoint)}, "method": "full"}
    settings = FinetuneConfig.model_validate(config | {"steps": 2, "batch_size": 2, "doctor": False})
    assert (finetune(settings, tmp_path / "run", quiet=True) / "model.safetensors").is_file()
