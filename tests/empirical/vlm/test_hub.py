"""A model that is nowhere is one line, at once; one that is in the cache needs no Hub."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled, RepositoryNotFoundError

from empirical.cohorts import Cohort
from empirical.evaluation.config import EvaluateConfig
from empirical.evaluation.evaluate import evaluate
from empirical.evaluation.shards import ItemKeys
from empirical.training.config import FinetuneConfig
from empirical.training.finetune import finetune
from empirical.vlm.config import ModelConfig
from empirical.vlm.feature_cache.cache import cache_key
from empirical.vlm.hub import check_available, pin_revision
from empirical.vlm.loading import load_vlm
from empirical.vlm.model_id import files_hash, resolve, weights_hash
from see_in_pairs.errors import InputError

NAME = "nobody/nothing-7b"


def hub(monkeypatch: pytest.MonkeyPatch, answer: Exception | None) -> Mock:
    asked = Mock(side_effect=answer)
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", asked)
    return asked


def of_status(kind: type[HfHubHTTPError]) -> HfHubHTTPError:
    return kind("401 Client Error.\nRequest ID: 1", response=Mock(headers={}, status_code=401))


@pytest.mark.parametrize(
    "error",
    [of_status(RepositoryNotFoundError), OfflineModeIsEnabled("offline mode is on"), OSError("no such host\nat all"), TimeoutError("slow")],
)
def test_a_model_that_is_nowhere_is_one_line(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    hub(monkeypatch, error)
    with pytest.raises(InputError, match="no such folder, not in the local cache") as caught:
        load_vlm(ModelConfig(name=NAME))
    assert "\n" not in str(caught.value) and str(error).splitlines()[0] in str(caught.value)


def test_the_hub_is_asked_only_for_what_is_not_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = hub(monkeypatch, None)
    check_available(str(tmp_path))
    assert asked.call_count == 0
    check_available(NAME, "abc")
    assert asked.call_count == 1 and asked.call_args.kwargs["revision"] == "abc"
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_, **__: "config.json")
    check_available(NAME)
    assert asked.call_count == 1


def test_a_mirror_that_answers_no_questions_is_left_to_the_loader(monkeypatch: pytest.MonkeyPatch) -> None:
    hub(monkeypatch, of_status(HfHubHTTPError))
    check_available(NAME)


ID, OLD, NEW = "me/tiny", "a" * 40, "b" * 40


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a local cache as the Hub's client keeps one, with two commits of a model, and no connection."""
    folder = tmp_path / "hub" / "models--me--tiny"
    for commit, name in ((OLD, "pocket"), (NEW, "pocket-random")):
        shutil.copytree(resolve(name), folder / "snapshots" / commit)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(OLD)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return folder


def move(cache: Path) -> None:
    (cache / "refs" / "main").write_text(NEW)


@pytest.mark.parametrize("revision", [None, "main", OLD])
def test_a_hub_id_is_loaded_at_a_commit_that_is_put_down(cache: Path, revision: str | None) -> None:
    vlm = load_vlm(ModelConfig(name=ID, revision=revision))
    assert vlm.config.revision == OLD
    assert torch.equal(vlm.model.state_dict()["lm_head.weight"], load_vlm(ModelConfig(name="pocket")).model.state_dict()["lm_head.weight"])
    assert pin_revision(ModelConfig(name="pocket")).revision is None


def test_the_commit_is_asked_of_the_hub_where_the_cache_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", Mock(return_value=Mock(sha=NEW)))
    assert pin_revision(ModelConfig(name=NAME)).revision == NEW == weights_hash(NAME)
    assert pin_revision(ModelConfig(name=NAME, revision=OLD)).revision == OLD


def test_another_commit_under_the_same_name_has_another_identity(cache: Path, phantom: Cohort, tmp_path: Path) -> None:
    def identity() -> list[object]:
        config = EvaluateConfig.model_validate({"cohort": str(phantom.folder), "arms": [{"arm": "single"}], "model": {"name": ID}})
        context = ItemKeys(config, phantom).context
        return [weights_hash(ID), files_hash(ID), cache_key(load_vlm(ModelConfig(name=ID))), context]

    before = identity()
    assert identity() == before
    move(cache)
    assert all(one != other for one, other in zip(identity(), before, strict=True))


def test_scores_of_another_commit_are_not_taken_for_those_of_this_one(cache: Path, phantom: Cohort, tmp_path: Path) -> None:
    content = {"cohort": str(phantom.folder), "arms": [{"arm": "single"}], "model": {"name": ID}, "threads": 1, "doctor": False}
    config = EvaluateConfig.model_validate(content)
    before = evaluate(config, tmp_path / "run", quiet=True).table["p_positive"]
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["config"]["model"]["revision"] == manifest["config"]["weights_hash"] == OLD
    move(cache)
    with pytest.raises(InputError, match=f"revision: .{OLD}. there, .{NEW}. now"):
        evaluate(config, tmp_path / "run", quiet=True)
    assert (evaluate(config, tmp_path / "other", quiet=True).table["p_positive"] != before).any()


def test_an_adapter_comes_back_on_the_commit_that_it_was_trained_on(
    cache: Path, phantom: Cohort, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    content = {"cohort": str(phantom.folder), "arm": {"arm": "single"}, "model": {"name": ID}, "steps": 1, "batch_size": 2, "doctor": False}
    folder = finetune(FinetuneConfig.model_validate(content), tmp_path / "run", quiet=True)
    assert not [warning for warning in recwarn if "remote file" in str(warning.message)]  # the Hub was not asked, as peft would have it
    record = json.loads((folder / "training.json").read_text())
    assert record["base_revision"] == record["parity"]["base_weights"] == OLD
    assert f"`{ID}`, at commit `{OLD}`" in (folder / "README.md").read_text()
    move(cache)
    assert json.loads((folder / "adapter_config.json").read_text())["revision"] == OLD
    load_vlm(ModelConfig(name=str(folder)))
    (folder / "training.json").write_text(json.dumps(record | {"base_revision": None}))
    with pytest.raises(InputError, match=f"base_weights {OLD}, now {NEW}"):
        load_vlm(ModelConfig(name=str(folder)))
