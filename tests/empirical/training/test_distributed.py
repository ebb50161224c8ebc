"""Two processes that share a model (FSDP, gloo on a CPU) train as one process with twice the batch, and go on where they were killed."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import load_file

from empirical.cohorts import Cohort
from empirical.training.batch_size_search import StepSettings, out_of_memory
from empirical.training.config import FinetuneConfig
from empirical.training.distributed import refuse_mixed_formats
from empirical.training.finetune import finetune
from see_in_pairs.errors import InputError
from tests.helpers.configs import finetune_config

# accelerate 1.15 (state.py, AcceleratorState.__init__) turns FSDP on for accelerators only. The script lifts that one gate, so that all
# that comes after it runs on a CPU as on GPUs, and then runs several commands one after the other.
SCRIPT = """
import json, os, shutil, sys
from accelerate import state
from accelerate.utils import DistributedType
plain = state.AcceleratorState.__init__
def init(self, *args, **options):
    plain(self, *args, **options)
    plugin = options.get("fsdp_plugin")
    if plugin is not None and self.distributed_type == DistributedType.MULTI_CPU:
        self.fsdp_plugin = plugin
        self.distributed_type = state.PartialState._shared_state["distributed_type"] = DistributedType.FSDP
state.AcceleratorState.__init__ = init
from paper_figures.cli import app
from see_in_pairs.console import run_app
def finetune(config, out):
    return run_app(app, ["finetune", config, "--out", out, "--quiet"])
jobs, killed = json.loads(sys.argv[1])
code = max(finetune(config, whole) for whole, config in jobs.items())
if state.PartialState().is_main_process:
    for whole, copy in killed.items():  # what a kill after the second step leaves
        shutil.copytree(whole, copy)
        shutil.rmtree(copy + "/model")
        shutil.rmtree(copy + "/checkpoints/checkpoint-4")
state.PartialState().wait_for_everyone()
code = max(code, *(finetune(jobs[whole], copy) for whole, copy in killed.items()))
sys.stderr.flush()
state.PartialState().wait_for_everyone()
os._exit(code)  # at once: what gloo takes down when Python ends may abort where the other process has gone before
"""
LAUNCH = ["--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
FSDP = ["--use_fsdp", "--fsdp_version", "2", "--fsdp_auto_wrap_policy", "TRANSFORMER_BASED_WRAP"]


# Without dropout, since masks differ between processes; and a model that has learned something has next to no gradient, of whose rounding
# Adam makes whole steps.
settings = partial(finetune_config, steps=4, lora={"dropout": 0.0}, model={"name": "pocket-random"})


def launch(tmp_path: Path, runs: dict[str, FinetuneConfig], killed: dict[str, str]) -> None:
    """Train in two processes, and go on in copies of some runs, by name, from their second step: all in one start of Python."""
    (tmp_path / "sharded.py").write_text(SCRIPT)
    for name, config in runs.items():
        (tmp_path / f"{name}.yaml").write_text(config.model_dump_json())  # JSON is YAML
    jobs = {str(tmp_path / name): str(tmp_path / f"{name}.yaml") for name in runs}
    copies = {str(tmp_path / whole): str(tmp_path / copy) for whole, copy in killed.items()}
    words = [sys.executable, "-m", "accelerate.commands.launch", *FSDP, *LAUNCH, str(tmp_path / "sharded.py"), json.dumps([jobs, copies])]
    done = subprocess.run(words, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]


def weights(run: Path) -> dict[str, np.ndarray]:
    (file,) = (run / "model").glob("*.safetensors")
    return load_file(file)


def losses(run: Path) -> np.ndarray:
    return pd.read_csv(run / "history.csv")["loss"].to_numpy()


def float32_adapters_on_shared_bfloat16_weights(half: FinetuneConfig, tmp_path: Path) -> None:
    finetune(half, tmp_path / "half-one", quiet=True)
    alone, shared = (losses(tmp_path / name) for name in ("half-one", "half"))
    assert alone[-1] < 0.5 * alone[0] and shared == pytest.approx(alone, rel=2**-8)  # a rounding of bfloat16
    assert {value.dtype for value in weights(tmp_path / "half").values()} == {np.dtype("float32")}


@pytest.mark.slow
def test_processes_that_share_a_model_train_as_one_and_resume(phantom: Cohort, tmp_path: Path) -> None:
    one = {method: settings(phantom, method=method, keep_checkpoints=True) for method in ("full", "lora")}
    two = {method: config.model_copy(update={"batch_size": 2}) for method, config in one.items()}
    half = settings(phantom, method="lora", learning_rate=1e-2, model={"name": "pocket-random", "dtype": "bfloat16"})
    launch(tmp_path, two | {"half": half.model_copy(update={"batch_size": 2})}, {method: f"{method}-killed" for method in two})
    float32_adapters_on_shared_bfloat16_weights(half, tmp_path)
    for method, config in one.items():
        finetune(config, tmp_path / f"{method}-one", quiet=True)
        alone, shared = weights(tmp_path / f"{method}-one"), weights(tmp_path / method)
        assert set(shared) - set(alone) <= {"lm_head.weight"} and set(alone) <= set(shared)  # tied to the embeddings, written twice
        # As for two processes that each hold it all: the same rows, float32 sums in another order. Adam's steps follow signs, so that
        # roundings grow where a gradient is next to nothing: the largest of a million differences is a matter of chance (9e-6 on one CPU,
        # 3e-7 on another), their root mean square is not. It is 1e-8; a fault in a tensor of a hundred weights is seen from 4e-6 on.
        assert np.allclose(losses(tmp_path / f"{method}-one"), losses(tmp_path / method), rtol=1e-4)
        apart = np.concatenate([(shared[name] - alone[name]).astype(np.float64).ravel() for name in alone])
        assert np.sqrt((apart**2).mean()) < 1e-3 * 4 * 1e-5  # a hundred-thousandth of the four steps of 1e-3
    for method in two:
        killed, whole = weights(tmp_path / f"{method}-killed"), weights(tmp_path / method)
        assert all(np.array_equal(killed[name], whole[name]) for name in whole)
        assert (tmp_path / f"{method}-killed" / "history.csv").read_text() == (tmp_path / method / "history.csv").read_text()
    with pytest.raises(InputError, match=r"config\.processes: 2 there, None now"):
        finetune(two["full"], tmp_path / "full-killed", quiet=True)


@pytest.mark.parametrize(("version", "refused"), [("1", True), ("2", False)])
def test_the_old_fsdp_is_refused_where_formats_differ(monkeypatch: pytest.MonkeyPatch, version: str, refused: bool) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.setenv("FSDP_VERSION", version)
    mixed = torch.nn.ModuleList([torch.nn.Linear(2, 2), torch.nn.Linear(2, 2, dtype=torch.bfloat16)])
    refuse_mixed_formats(torch.nn.Linear(2, 2))
    if not refused:
        refuse_mixed_formats(mixed)
        return
    with pytest.raises(InputError, match=r"several formats \(bfloat16, float32\); launch with --fsdp_version 2"):
        refuse_mixed_formats(mixed)


def test_memory_of_several_processes_is_not_tried_out(phantom: Cohort) -> None:
    assert "batch_size 16; 8 may fit: set batch_size: 8 and gradient_accumulation: 2" in str(
        out_of_memory(StepSettings.of(settings(phantom, batch_size=16)), None, [])
    )
