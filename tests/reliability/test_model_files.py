"""Model folders as nobody should make them: refused in one line, and never taken for another model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from empirical.vlm.config import ModelConfig
from empirical.vlm.loading import load_vlm
from empirical.vlm.model_id import files_hash, resolve, weights_hash
from see_in_pairs.errors import InputError


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A copy of the bundled model, with two files of weights in a folder beside it."""
    folder = Path(shutil.copytree(resolve("pocket"), tmp_path / "model"))
    tensors = load_file(folder / "model.safetensors")
    (tmp_path / "elsewhere").mkdir()
    for number in range(2):
        part = {name: tensor for place, name in enumerate(sorted(tensors)) if place % 2 == number for tensor in [tensors[name]]}
        save_file(part, tmp_path / "elsewhere" / f"part-{number}.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").unlink()
    return folder


def write_index(folder: Path, place: str, ending: str = "safetensors") -> None:
    names = sorted(load_file(Path(resolve("pocket")) / "model.safetensors"))
    shards = {name: f"{place}part-{number % 2}.{ending}" for number, name in enumerate(names)}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": shards}))


@pytest.mark.parametrize("place", ["../elsewhere/", "ABSOLUTE", "sub/../../elsewhere/", "..\\elsewhere\\", "C:\\"])
def test_an_index_that_leads_out_of_the_folder_is_refused(model: Path, place: str) -> None:
    write_index(model, f"{model.parent}/elsewhere/" if place == "ABSOLUTE" else place)
    for read in (weights_hash, files_hash, lambda name: load_vlm(ModelConfig(name=name))):
        with pytest.raises(InputError, match="outside of the model's folder") as caught:
            read(str(model))
        assert "\n" not in str(caught.value)


def test_shards_below_the_folder_are_hashed(model: Path) -> None:
    shutil.move(model.parent / "elsewhere", model / "sub")
    write_index(model, "sub/")
    before, files = weights_hash(str(model)), files_hash(str(model))
    assert before.count("-") == 1 and "sub/part-0.safetensors" in files
    load_vlm(ModelConfig(name=str(model)))
    shard = model / "sub" / "part-1.safetensors"
    save_file({name: tensor * 1.01 for name, tensor in load_file(shard).items()}, shard, metadata={"format": "pt"})
    assert weights_hash(str(model)) != before and files_hash(str(model)) != files


def test_weights_that_a_config_names_are_hashed_or_refused(model: Path) -> None:
    shutil.move(model.parent / "elsewhere", model / "sub")
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"transformers_weights": "sub/part-0.safetensors"}))
    assert len(weights_hash(str(model))) == 16
    (model / "config.json").write_text(json.dumps(config | {"transformers_weights": "../elsewhere/part-0.safetensors"}))
    with pytest.raises(InputError, match="outside of the model's folder"):
        weights_hash(str(model))


def test_a_folder_without_weights_has_no_hash(model: Path) -> None:
    with pytest.raises(InputError, match="holds no weights"):
        weights_hash(str(model))


def test_an_index_of_pickles_or_of_nothing_is_refused(model: Path) -> None:
    write_index(model, "", ending="bin")
    with pytest.raises(InputError, match="no safetensors file"):
        weights_hash(str(model))
    for content in ("[]", "{}", '{"weight_map": 3}', "{"):
        (model / "model.safetensors.index.json").write_text(content)
        with pytest.raises(InputError, match="index") as caught:
            weights_hash(str(model))
        assert "\n" not in str(caught.value)


def test_a_mirror_that_does_not_tell_the_commit_is_not_an_empty_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("empirical.vlm.model_id.commit_of", lambda *_: "")
    for read in (weights_hash, files_hash):
        with pytest.raises(InputError, match=r"model\.revision"):
            read("nobody/nothing-7b")
