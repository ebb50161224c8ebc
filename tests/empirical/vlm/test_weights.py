"""Weights are whole, an adapter is all there and does something, and what stands on other weights is not taken for the same."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from empirical.cohorts import Cohort
from empirical.evaluation.config import EvaluateConfig
from empirical.evaluation.evaluate import evaluate
from empirical.training.config import FinetuneConfig
from empirical.training.finetune import finetune
from empirical.vlm.config import ModelConfig
from empirical.vlm.doctor import diagnose
from empirical.vlm.feature_cache.cache import cache_key
from empirical.vlm.loading import load_vlm
from empirical.vlm.model_id import files_hash, resolve, weights_hash
from see_in_pairs.errors import InputError

Change = Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(resolve("pocket"), tmp_path_factory.mktemp("base") / "pocket"))


@pytest.fixture(scope="module")
def trained(phantom: Cohort, base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = {"cohort": str(phantom.folder), "arm": {"arm": "single"}, "model": {"name": str(base)}, "steps": 1, "batch_size": 2}
    return finetune(FinetuneConfig.model_validate(config | {"doctor": False}), tmp_path_factory.mktemp("run"), quiet=True)


@pytest.fixture
def adapter(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "adapter"))


def rewrite(file: Path, change: Change) -> None:
    save_file(change(load_file(file)), file, {"format": "pt"})


def refusal(name: Path | str, **settings: object) -> str:
    with pytest.raises(InputError) as caught:
        load_vlm(ModelConfig.model_validate({"name": str(name)} | settings))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def evaluation(cohort: Cohort, name: Path | str) -> EvaluateConfig:
    content = {"cohort": str(cohort.folder), "arms": [{"arm": "single"}], "model": {"name": str(name)}, "threads": 1, "doctor": False}
    return EvaluateConfig.model_validate(content)


ADAPTERS: dict[str, tuple[Change, str]] = {
    "lacks tensors": (lambda tensors: dict(list(tensors.items())[2:]), "lacks 2 tensors"),
    "has others": (lambda tensors: tensors | {"base_model.model.elsewhere.lora_A.weight": torch.ones(2)}, "no place for 1 tensors"),
    "names of another base": (lambda tensors: {name.replace("layers.", "blocks."): value for name, value in tensors.items()}, "lacks"),
    "nothing": (lambda tensors: {name: value * ("lora_A" in name) for name, value in tensors.items()}, "has no effect"),
    "other shapes": (lambda tensors: {name: value[:1].contiguous() for name, value in tensors.items()}, "size mismatch for"),
}


@pytest.mark.parametrize("case", ADAPTERS)
def test_an_adapter_is_loaded_whole_or_not_at_all(case: str, adapter: Path) -> None:
    change, words = ADAPTERS[case]
    rewrite(adapter / "adapter_model.safetensors", change)
    assert words in refusal(adapter)


def test_an_adapter_without_its_weights_asks_nobody_for_them(adapter: Path) -> None:
    (adapter / "adapter_model.safetensors").unlink()
    assert "adapter_model.safetensors, are missing" in refusal(adapter)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def test_a_file_of_weights_that_was_cut_off_is_named(adapter: Path, tmp_path: Path) -> None:
    whole = Path(shutil.copytree(resolve("pocket"), tmp_path / "whole"))
    (whole / "model.safetensors").write_bytes(b"no safetensors at all")
    assert f"{whole / 'model.safetensors'}: not a complete safetensors file" in refusal(whole)
    record = json.loads((adapter / "training.json").read_text())
    base = Path(shutil.copytree(resolve("pocket"), tmp_path / "base"))
    (adapter / "training.json").write_text(json.dumps(record | {"base_model": str(base)}))
    cut(base / "model.safetensors")
    assert f"{base / 'model.safetensors'}: not a complete" in refusal(adapter)
    (adapter / "training.json").write_text(json.dumps(record))
    cut(adapter / "adapter_model.safetensors")
    assert f"{adapter / 'adapter_model.safetensors'}: not a complete" in refusal(adapter)


def test_a_model_that_lacks_weights_is_not_filled_up_with_random_ones(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = Path(shutil.copytree(resolve("pocket"), tmp_path / "model"))
    rewrite(folder / "model.safetensors", lambda tensors: {name: value for name, value in tensors.items() if "layers.0.mlp" not in name})
    library = transformers.utils.logging.get_logger("transformers")
    before = library.level
    library.setLevel("WARNING")
    library.addHandler(caplog.handler)
    assert "weights are missing" in refusal(folder)
    library.removeHandler(caplog.handler)
    assert not caplog.records and library.level == logging.WARNING  # transformers has a table of them to show
    library.setLevel(before)


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}', '{"model_type": 3, "vision_config": 5}'])
@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "processor_config.json"])
def test_a_broken_description_of_a_model_is_one_line(file: str, content: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(resolve("pocket"), tmp_path / "model"))
    (folder / file).write_text(content)
    assert str(folder) in refusal(folder)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"peft_type": "LORA", "r": "many"}', '{"peft_type": "BANANA"}'])
def test_a_broken_description_of_an_adapter_is_one_line(content: str, adapter: Path) -> None:
    (adapter / "adapter_config.json").write_text(content)
    assert str(adapter) in refusal(adapter)


@pytest.mark.parametrize("size", ["banana", {"longest_edge": 0}, {"longest_edge": -3}, {"height": 4}, None, []])
def test_a_size_that_no_picture_can_have_is_refused_before_anything_runs(size: object) -> None:
    assert "model.image_processor: 'pocket' does not work with" in refusal("pocket", image_processor={"size": size})


@pytest.mark.parametrize("method", ["lora", "full"])
def test_training_does_not_begin_on_an_adapter(method: str, phantom: Cohort, trained: Path, base: Path, tmp_path: Path) -> None:
    config = {"cohort": str(phantom.folder), "arm": {"arm": "single"}, "model": {"name": str(trained)}, "steps": 1, "method": method}
    with pytest.raises(InputError, match=r"is an adapter on .*method: full") as caught:
        finetune(FinetuneConfig.model_validate(config), tmp_path / "run", quiet=True)
    assert str(base) in str(caught.value) and not (tmp_path / "run").exists()


def test_an_adapter_on_an_adapter_from_elsewhere_is_not_loaded(adapter: Path, trained: Path) -> None:
    record = json.loads((adapter / "training.json").read_text())
    (adapter / "training.json").write_text(json.dumps(record | {"base_model": str(trained)}))
    assert "is itself an adapter" in refusal(adapter)


def test_finished_scores_stand_on_the_base_of_an_adapter_too(phantom: Cohort, adapter: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(resolve("pocket"), tmp_path / "base"))
    record = json.loads((adapter / "training.json").read_text())
    (adapter / "training.json").write_text(json.dumps(record | {"base_model": str(base)}))
    before, files = weights_hash(str(adapter)), files_hash(str(adapter))
    evaluate(evaluation(phantom, adapter), tmp_path / "eval", quiet=True)
    rewrite(base / "model.safetensors", lambda tensors: {name: value * 1.01 for name, value in tensors.items()})
    assert weights_hash(str(adapter)) != before and files_hash(str(adapter)) != files
    with pytest.raises(InputError, match="weights_hash"):
        evaluate(evaluation(phantom, adapter), tmp_path / "eval", quiet=True)
    (tmp_path / "eval" / "manifest.json").unlink()  # and the pieces themselves are not taken, so that parity speaks
    with pytest.raises(InputError, match="trained with base_weights"):
        evaluate(evaluation(phantom, adapter), tmp_path / "eval", quiet=True)


def test_stored_features_stand_on_the_base_that_is_loaded(adapter: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(resolve("pocket"), tmp_path / "base"))
    record = json.loads((adapter / "training.json").read_text())
    (adapter / "training.json").write_text(json.dumps(record | {"base_model": str(base)}))
    before = cache_key(load_vlm(ModelConfig(name=str(adapter))))
    rewrite(base / "model.safetensors", lambda tensors: {name: value * 1.01 for name, value in tensors.items()})
    assert cache_key(load_vlm(ModelConfig(name=str(adapter), allow_mismatch=("base_weights",)))) != before


def test_the_doctor_examines_a_finetuned_adapter_and_leaves_it_as_it_was(trained: Path, recwarn: pytest.WarningsRecorder) -> None:
    diagnosis = diagnose(ModelConfig(name=str(trained)))
    assert diagnosis.passed, [check for check in diagnosis.checks if not check.passed]
    own = next(check for check in diagnosis.checks if check.name == "an adapter that comes with the model does something")
    assert "tensors, moves scores by" in own.detail
    assert not [warning for warning in recwarn if "is_gradient_checkpointing" in str(warning.message)]


def test_training_says_nothing_that_users_can_do_nothing_about(recwarn: pytest.WarningsRecorder) -> None:
    from empirical.training.config import LoraConfig
    from empirical.training.trainable import make_trainable

    assert any("lora_A" in name for name, _ in make_trainable(load_vlm(ModelConfig()), "lora", LoraConfig()).named_parameters())
    assert not [warning for warning in recwarn if "is_gradient_checkpointing" in str(warning.message)]


def test_the_doctor_sees_an_adapter_that_does_nothing(trained: Path) -> None:
    from empirical.prompts.templates import PromptConfig
    from empirical.vlm.doctor import adapters
    from empirical.vlm.doctor.model_under_test import ModelUnderTest

    vlm = load_vlm(ModelConfig(name=str(trained)))
    names = [name for name, _ in vlm.model.named_parameters()]
    assert adapters.gradients(ModelUnderTest(vlm, PromptConfig()))[0]
    assert [name for name, _ in vlm.model.named_parameters()] == names
    with torch.no_grad():
        for name, weight in vlm.model.named_parameters():
            if "lora_B" in name:
                weight.zero_()
    assert not adapters.loaded_adapter(ModelUnderTest(vlm, PromptConfig()))[0]


@pytest.mark.parametrize("answer", ["<image>", "yes<end_of_utterance>", "<fake_token_around_image>"])
def test_an_answer_of_special_tokens_is_refused(answer: str, phantom: Cohort, tmp_path: Path) -> None:
    config = evaluation(phantom, "pocket").model_dump() | {"prompts": {"positive": answer}}
    with pytest.raises(InputError, match="special token '<"):
        evaluate(EvaluateConfig.model_validate(config), tmp_path / "eval", quiet=True)


def test_what_may_differ_is_called_by_its_name() -> None:
    from see_in_pairs.configs import parse_config

    with pytest.raises(InputError, match=r"allow_mismatch.*'base_weights'"):
        parse_config(ModelConfig, {"allow_mismatch": ["foo"]}, "x.yaml")


def test_scores_that_are_no_numbers_in_float32_are_not_sent_to_float32(phantom: Cohort, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(resolve("pocket"), tmp_path / "model"))
    rewrite(folder / "model.safetensors", lambda tensors: {name: value * float("nan") for name, value in tensors.items()})
    for dtype, words in (("float32", "in float32 already"), ("bfloat16", "load the model with dtype: float32")):
        config = evaluation(phantom, folder).model_dump() | {"model": {"name": str(folder), "dtype": dtype}}
        with pytest.raises(InputError, match=words) as caught:
            evaluate(EvaluateConfig.model_validate(config), tmp_path / dtype, quiet=True)
        assert ("load the model with" in str(caught.value)) == (dtype == "bfloat16")
