from __future__ import annotations

import json
from pathlib import Path

import pytest

from empirical.cohorts import Cohort
from empirical.prompts.templates import PromptConfig
from empirical.training.config import FinetuneConfig
from empirical.training.finetune import finetune
from empirical.vlm.config import ModelConfig
from empirical.vlm.input_spec import image_order, input_spec
from empirical.vlm.loading import load_vlm
from see_in_pairs.errors import InputError


@pytest.fixture(scope="module")
def adapter(phantom: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = {"cohort": str(phantom.folder), "arm": {"arm": "single"}, "steps": 1, "batch_size": 2, "doctor": False}
    return finetune(FinetuneConfig.model_validate(config), tmp_path_factory.mktemp("run"), quiet=True)


def test_what_is_saved_is_what_is_loaded(adapter: Path) -> None:
    record = json.loads((adapter / "training.json").read_text())["parity"]
    assert record["image_order"] == "reference first" and record["dtype"] == "float32"
    assert record["pixel_budget"]["size"] == {"longest_edge": 64} and record["base_weights"] and record["hash"]
    vlm = load_vlm(ModelConfig(name=str(adapter)))
    assert input_spec(vlm, PromptConfig())["hash"] == record["hash"]


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"dtype": "bfloat16", "device": "cpu"}, "dtype"),
        ({"image_processor": {"size": {"longest_edge": 32}}}, "pixel_budget"),
        ({"image_processor": {"resample": 0}}, "resize"),
    ],
)
def test_a_model_read_otherwise_than_it_was_trained_is_refused_unless_allowed(adapter: Path, change: dict[str, object], part: str) -> None:
    with pytest.raises(InputError, match=f"trained with {part} .*allow_mismatch: .{part}."):
        load_vlm(ModelConfig.model_validate({"name": str(adapter)} | change))
    load_vlm(ModelConfig.model_validate({"name": str(adapter), "allow_mismatch": (part,)} | change))


def test_a_template_that_was_edited_after_training_is_noticed(adapter: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "model"
    shutil.copytree(adapter, copy)
    template = copy / "chat_template.jinja"
    template.write_text(template.read_text().replace("Assistant:", "Answer:"))
    with pytest.raises(InputError, match="trained with chat_template"):
        load_vlm(ModelConfig(name=str(copy)))


def test_another_base_under_the_same_name_is_noticed(adapter: Path, tmp_path: Path) -> None:
    import shutil

    from empirical.vlm.pocket import PocketConfig, build_pocket

    copy, base = tmp_path / "model", tmp_path / "base"
    shutil.copytree(adapter, copy)
    base.mkdir()
    build_pocket(base, PocketConfig(seed=7))
    record = json.loads((copy / "training.json").read_text())
    (copy / "training.json").write_text(json.dumps(record | {"base_model": str(base)}))
    with pytest.raises(InputError, match="trained with base_weights"):
        load_vlm(ModelConfig(name=str(copy)))


def test_the_order_of_images_is_part_of_it() -> None:
    assert image_order(PromptConfig()) == "reference first"
    assert image_order(PromptConfig(pair="pair_query_first")) == "query first"
    vlm = load_vlm(ModelConfig())
    assert input_spec(vlm, PromptConfig())["hash"] != input_spec(vlm, PromptConfig(pair="pair_query_first"))["hash"]


def test_an_unknown_setting_of_the_image_processor_is_named() -> None:
    with pytest.raises(InputError, match=r"has no setting 'sise' .*size"):
        load_vlm(ModelConfig(image_processor={"sise": 3}))
