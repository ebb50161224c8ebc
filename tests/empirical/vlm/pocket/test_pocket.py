from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from empirical.pretraining.config import PretrainConfig
from empirical.pretraining.dataset import wordings
from empirical.pretraining.evaluation import EvalCondition, evaluate_pretrained
from empirical.prompts.templates import prompt_text
from empirical.vlm.config import ModelConfig
from empirical.vlm.doctor import diagnose
from empirical.vlm.loading import load_vlm
from empirical.vlm.model_id import resolve, weights_hash
from empirical.vlm.pocket import PocketConfig, build_pocket, random_pocket_path
from see_in_pairs.errors import InputError
from see_in_pairs.files import sha256


def test_the_pocket_model_is_the_same_bytes_from_the_same_seed(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        (tmp_path / name).mkdir()
        build_pocket(tmp_path / name, PocketConfig(seed=seed))
    a, b, c = (sha256(tmp_path / name / "model.safetensors") for name in "abc")
    assert a == b != c
    assert all(sha256(file) == sha256(tmp_path / "b" / file.name) for file in (tmp_path / "a").iterdir())


def test_building_leaves_the_global_random_state_alone(tmp_path: Path) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    build_pocket(tmp_path, PocketConfig())
    assert torch.equal(before, torch.get_rng_state())


def test_a_study_may_ask_the_pocket_model_in_words_it_was_neither_trained_nor_examined_with() -> None:
    asked = {re.sub(r"\{\w+\}", "{}", wording) for kind in wordings().values() for part in kind.values() for wording in part}
    for name in ("single_any_mark", "pair_any_mark"):
        assert re.sub(r"\{\w+\}", "{}", prompt_text(name)) not in asked


@pytest.mark.parametrize("name", ["pocket", "pocket-random"])
def test_a_pocket_model_is_a_folder_like_any_other(name: str) -> None:
    folder = Path(resolve(name))
    assert (folder / "model.safetensors").stat().st_size < 8 * 2**20
    by_name, by_path = load_vlm(ModelConfig(name=name)), load_vlm(ModelConfig(name=str(folder)))
    pairs = zip(by_name.model.state_dict().items(), by_path.model.state_dict().items(), strict=True)
    assert all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)
    assert weights_hash(name) == weights_hash(str(folder))


@pytest.mark.parametrize("name", ["pocket", "pocket-random"])
def test_the_doctor_passes_the_pocket_models(name: str) -> None:
    assert diagnose(ModelConfig(name=name)).passed


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all"])
def test_a_missing_folder_is_one_line(name: str) -> None:
    with pytest.raises(InputError, match="no such folder"):
        load_vlm(ModelConfig(name=name))


def test_a_folder_without_a_model_and_pickled_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither a config"):
        load_vlm(ModelConfig(name=str(tmp_path)))
    build_pocket(tmp_path, PocketConfig())
    (tmp_path / "model.safetensors").unlink()
    torch.save({}, tmp_path / "pytorch_model.bin")  # loading it would run whatever code is pickled in it
    with pytest.raises(InputError, match="cannot be loaded"):
        load_vlm(ModelConfig(name=str(tmp_path)))


def test_an_unknown_family_is_named(tmp_path: Path) -> None:
    build_pocket(tmp_path, PocketConfig())
    config = tmp_path / "config.json"
    config.write_text(config.read_text().replace('"model_type": "idefics3"', '"model_type": "aya_vision"'))
    with pytest.raises(InputError):
        load_vlm(ModelConfig(name=str(tmp_path)))


def test_the_default_is_the_bundled_model_that_has_learned_and_it_has_its_card() -> None:
    assert ModelConfig().name == "pocket"
    assert (Path(resolve("pocket")) / "README.md").is_file()
    assert resolve("pocket-random") == str(random_pocket_path())
    assert weights_hash("pocket") != weights_hash("pocket-random")


@pytest.mark.parametrize(("name", "low", "high"), [("pocket", 0.8, 1.0), ("pocket-random", 0.25, 0.75)])
def test_one_pocket_model_has_learned_to_compare_and_the_other_has_learned_nothing(name: str, low: float, high: float) -> None:
    """Held-out pairs, of which one picture tells nothing; the AUROC of guesses on 100 has a standard error of .06."""
    vlm = load_vlm(ModelConfig(name=name, dtype="float32"))
    found = evaluate_pretrained(vlm, PretrainConfig(), iter([EvalCondition("same", "pictures")]), 100)
    assert low < found["value"].iloc[0] <= high


def test_internvl_is_a_pocket_model_too(tmp_path: Path) -> None:
    build_pocket(tmp_path, PocketConfig(architecture="internvl", patch_size=8, merge=2))
    assert diagnose(ModelConfig(name=str(tmp_path))).passed


@pytest.mark.parametrize("architecture", ["idefics3", "internvl"])
def test_what_a_shape_may_be_transformers_takes(tmp_path: Path, architecture: str) -> None:
    bound = next(part.le for part in PocketConfig.model_fields["initializer_range"].metadata if hasattr(part, "le"))
    sizes = {"vision_width": 32, "vision_layers": 1, "width": 32, "layers": 1, "heads": 2, "image_size": 32}
    build_pocket(tmp_path / "m", PocketConfig.model_validate({"architecture": architecture, "initializer_range": bound, **sizes}))
