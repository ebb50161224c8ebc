"""Deterministic kernels are on for the whole of a training and off after it; one process trains on one device."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from transformers import Trainer, TrainingArguments

from empirical.cohorts import Cohort
from empirical.training import trainer as trainer_module
from empirical.training.determinism import REPRODUCIBLE, WORKSPACE, deterministic_kernels
from empirical.training.distributed import one_device
from empirical.training.finetune import finetune
from see_in_pairs.errors import InputError
from tests.helpers.configs import finetune_config


@pytest.fixture(autouse=True)
def _workspace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin as a new process does, and leave no variable behind."""
    monkeypatch.setenv(WORKSPACE, "")
    monkeypatch.delenv(WORKSPACE)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)


settings = finetune_config


def test_a_deterministic_run_resumes_to_the_same_weights_and_leaves_torch_as_it_was(
    phantom: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, plain, seen = settings(phantom, deterministic=True), trainer_module.token_log_probabilities, []

    def dying_in_the_sixth_step(*arguments: Any) -> Any:
        seen.append((torch.are_deterministic_algorithms_enabled(), os.environ.get(WORKSPACE)))
        if len(seen) == 6:
            raise KeyboardInterrupt
        return plain(*arguments)

    monkeypatch.setattr(trainer_module, "token_log_probabilities", dying_in_the_sixth_step)
    with pytest.raises(KeyboardInterrupt):
        finetune(config, tmp_path / "killed", quiet=True)
    assert not torch.are_deterministic_algorithms_enabled()
    resumed, whole = finetune(config, tmp_path / "killed", quiet=True), finetune(config, tmp_path / "whole", quiet=True)
    assert set(seen) == {(True, REPRODUCIBLE[0])} and len(seen) == 6 + 2 + 6
    assert not torch.are_deterministic_algorithms_enabled()
    (one,), (other,) = resumed.glob("*.safetensors"), whole.glob("*.safetensors")
    killed, never = load_file(one), load_file(other)
    assert killed.keys() == never.keys() and all(np.array_equal(killed[name], never[name]) for name in never)
    seen.clear()
    with pytest.raises(InputError, match=r"config\.deterministic: True there, False now"):
        finetune(settings(phantom), tmp_path / "whole", quiet=True)
    finetune(settings(phantom, steps=1), tmp_path / "plain", quiet=True)
    assert {on for on, _ in seen} == {False}


def test_pretraining_is_deterministic_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from empirical.pretraining import pretrain as module
    from empirical.pretraining.config import PretrainConfig

    seen = []
    monkeypatch.setattr(module, "_train", lambda *_: seen.append(torch.are_deterministic_algorithms_enabled()))
    for wanted in (True, False):
        module.pretrain(PretrainConfig(deterministic=wanted), tmp_path / str(wanted), quiet=True)
    assert seen == [True, False]


def test_all_flags_come_back() -> None:
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = True
    try:
        with deterministic_kernels(True):
            assert not torch.is_deterministic_algorithms_warn_only_enabled() and not torch.backends.cudnn.benchmark
        assert torch.is_deterministic_algorithms_warn_only_enabled() and torch.backends.cudnn.benchmark
        with deterministic_kernels(False):
            assert torch.is_deterministic_algorithms_warn_only_enabled() and torch.backends.cudnn.benchmark
    finally:
        torch.use_deterministic_algorithms(False)
        torch.backends.cudnn.benchmark = False


def test_what_cannot_be_deterministic_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"^deterministic: put_ .*; set deterministic: false"), deterministic_kernels(True):
        raise RuntimeError("put_ does not have a deterministic implementation, but you set ... You can turn off determinism. More.")
    with pytest.raises(RuntimeError, match="shapes"), deterministic_kernels(True):
        raise RuntimeError("shapes do not match")
    monkeypatch.setenv(WORKSPACE, ":0:0")
    with (
        pytest.raises(InputError, match=r"WORKSPACE_CONFIG is ':0:0'; start again with CUBLAS_WORKSPACE_CONFIG=:4096:8"),
        deterministic_kernels(True),
    ):
        pass
    monkeypatch.delenv(WORKSPACE)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    with pytest.raises(InputError, match="CUDA has started without CUBLAS_WORKSPACE_CONFIG"), deterministic_kernels(True):
        pass
    monkeypatch.setenv(WORKSPACE, REPRODUCIBLE[1])
    with deterministic_kernels(True):
        assert torch.are_deterministic_algorithms_enabled()


def test_one_process_trains_on_one_of_several_devices(tmp_path: Path) -> None:
    arguments = TrainingArguments(str(tmp_path), use_cpu=True, report_to=[], per_device_train_batch_size=4)
    assert one_device(arguments) == "" and arguments.n_gpu <= 1
    arguments._n_gpu = 3  # what it sees on such a machine
    assert arguments.train_batch_size == 12
    assert one_device(arguments).startswith("3 GPUs are visible, one is used; 'accelerate launch --num_processes 3")
    assert arguments.n_gpu == 1 and arguments.train_batch_size == 4
    model = torch.nn.Linear(2, 2)
    assert not isinstance(Trainer(model, arguments)._wrap_model(model), torch.nn.DataParallel)
