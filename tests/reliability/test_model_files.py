"""Model folders as nobody should make them: refused in one line, and never taken for another model."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from empirical.training.checkpoints import still_whole
from empirical.training.distributed import check_launch
from empirical.training.trainable import refuse_adapter
from empirical.vlm.config import ModelConfig
from empirical.vlm.loading import load_vlm
from empirical.vlm.model_id import files_hash, resolve, training_record, weights_hash
from see_in_pairs.errors import InputError
from see_in_pairs.limits import time_limit
from see_in_pairs.runs import RunFolder


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
    with pytest.raises(InputError, match="contains no weights"):
        weights_hash(str(model))


def test_an_index_of_pickles_or_of_nothing_is_refused(model: Path) -> None:
    write_index(model, "", ending="bin")
    with pytest.raises(InputError, match="not a safetensors file"):
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


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """A folder that says that it is an adapter."""
    folder = tmp_path / "adapter"
    folder.mkdir()
    save_file({"lora_B": torch.ones(1)}, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(folder)}))
    return folder


def readers() -> list[Callable[[str], object]]:
    return [weights_hash, files_hash, refuse_adapter, lambda name: load_vlm(ModelConfig(name=name))]


def test_an_adapter_that_is_its_own_base_or_one_of_a_ring_is_one_line(adapter: Path) -> None:
    other = Path(shutil.copytree(adapter, adapter.parent / "other"))
    for base in (adapter, other):
        (adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(base)}))
        for read in readers():
            with pytest.raises(InputError, match="is itself an adapter"):
                read(str(adapter))


@pytest.mark.parametrize("settings", ["[]", "{}", '{"base_model_name_or_path": 3}', '{"base_model_name_or_path": ["a"]}', "{"])
def test_an_adapter_whose_base_is_no_name_is_one_line(adapter: Path, settings: str) -> None:
    (adapter / "adapter_config.json").write_text(settings)
    for read in readers():
        with pytest.raises(InputError, match="adapter") as caught:
            read(str(adapter))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "record",
    ["[]", "3", '{"train_seed": "a"}', '{"n_train": 1e3}', '{"n_train": true}', '{"train_arm": 7}', '{"parity": []}', '{"files": "a"}',
     '{"base_model": {}}', '{"train_seed": 99999999999999999999}', '{"base_model": 1, "base_model": 2'],
)  # fmt: skip
def test_a_record_of_training_that_finetune_did_not_write_is_one_line(tmp_path: Path, record: str) -> None:
    folder = Path(shutil.copytree(resolve("pocket"), tmp_path / "model"))
    (folder / "training.json").write_text(record)
    for read in (training_record, lambda name: load_vlm(ModelConfig(name=name)), lambda name: still_whole(Path(name))):
        with pytest.raises(InputError, match=r"training\.json") as caught:
            read(str(folder))
        assert "\n" not in str(caught.value)


def test_a_record_of_training_may_hold_nulls_and_may_not_lead_out(tmp_path: Path) -> None:
    (tmp_path / "training.json").write_text(json.dumps({"train_seed": None, "parity": None, "base_revision": None}))
    assert training_record(str(tmp_path)) == {}
    (tmp_path / "training.json").write_text(json.dumps({"files": {"../secret": "0"}}))
    with pytest.raises(InputError, match="outside of the model's folder"):
        still_whole(tmp_path)


@pytest.mark.parametrize("name", ["~nobody-of-that-name/model", "~nobody-of-that-name", "x" * 5000, "/" + "x" * 5000, "a\0b"])
def test_a_model_name_that_is_no_path_is_one_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for read in (resolve, training_record) if name.startswith("~") else ():
        with pytest.raises(InputError, match="no such user"):
            read(name)
    for read in readers()[:2]:
        with pytest.raises(InputError) as caught:
            read(name)
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "content", ["[]", '{"config_hash": 3}', '{"config_hash": "a", "counts": 3}', '{"config_hash": "a", "resumed": {}}']
)
def test_a_manifest_that_no_run_wrote_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(InputError, match="is not the manifest of a run"):
        RunFolder(tmp_path, "demo", {})


@pytest.mark.parametrize(
    "variables",
    [{"RANK": "banana"}, {"RANK": "-1"}, {"RANK": "1.5"}, {"RANK": ""}, {"WORLD_SIZE": "two"}, {"WORLD_SIZE": "0"}, {"LOCAL_RANK": "x"},
     {"RANK": "3"}, {"RANK": "2", "WORLD_SIZE": "2"}],
)  # fmt: skip
def test_numbers_of_processes_that_no_launcher_sets_are_one_line(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=r"RANK=|WORLD_SIZE=") as caught:
        check_launch()
    assert "unset" in str(caught.value)


def test_numbers_that_a_launcher_sets_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    check_launch()
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "-1"}.items():
        monkeypatch.setenv(name, value)
    check_launch()


@pytest.mark.parametrize("kind", ["pipe", "device", "endless"])
@pytest.mark.parametrize("name", ["tokenizer_config.json", "generation_config.json", "chat_template.jinja"])
def test_a_file_of_a_model_that_never_ends_is_one_line(tmp_path: Path, name: str, kind: str) -> None:
    folder = Path(shutil.copytree(resolve("pocket"), tmp_path / "model"))
    (folder / name).unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(folder / name)
    elif kind == "device":
        (folder / name).symlink_to("/dev/zero")
    else:
        with open(folder / name, "wb") as stream:
            stream.truncate(2**36)
    with pytest.raises(InputError, match=rf"{name}: (is a device or a pipe|has 68,719,476,736 bytes)"):
        load_vlm(ModelConfig(name=str(folder)))


@pytest.mark.parametrize("content", [b"", b"x" * 100, bytes(100)])
def test_weights_that_are_not_whole_are_refused_before_they_are_hashed(tmp_path: Path, content: bytes) -> None:
    folder = Path(shutil.copytree(resolve("pocket"), tmp_path / "model"))
    (folder / "model.safetensors").write_bytes(content)
    os.truncate(folder / "model.safetensors", 2**38)  # without content on the disk; to hash it would take minutes
    for read in (weights_hash, files_hash):
        with pytest.raises(InputError, match="not a complete safetensors file"), time_limit(20.0, "hashing"):
            read(str(folder))
