"""A model that is nowhere is one line, at once; one that is in the cache needs no Hub."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import pytest
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled, RepositoryNotFoundError

from empirical.vlm.hub import check_available
from empirical.vlm.loading import ModelConfig, load_vlm
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
