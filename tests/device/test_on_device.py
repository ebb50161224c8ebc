"""The commands on a pretended GPU: nothing is left on the wrong side, and the scores are the CPU's. README.md says how it is made.

A machine with a GPU needs no such device, and one without a compiler cannot make it; there the test is skipped and says so.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import load_file

from empirical.cohorts import Cohort
from empirical.cohorts.phantom import PhantomConfig, make_phantom
from tests.helpers.configs import PAIR

HERE = Path(__file__).parent
COMPILER = shutil.which("g++") or shutil.which("clang++")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if torch.cuda.is_available() or torch.version.cuda is not None:
        pytest.skip("this PyTorch knows real GPUs")
    if COMPILER is None:
        pytest.skip("no C++ compiler to build the device with")
    wheel = Path(torch.__file__).parent
    include = [f"-I{wheel / 'include'}", f"-I{wheel / 'include' / 'torch' / 'csrc' / 'api' / 'include'}"]
    out = tmp_path_factory.mktemp("device") / "device.so"
    linked = [f"-L{wheel / 'lib'}", "-lc10", "-ltorch_cpu", "-ltorch"]
    words = [COMPILER, "-shared", "-fPIC", "-std=c++20", *include, str(HERE / "device.cpp"), "-o", str(out), *linked]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    if done.returncode:
        pytest.skip(f"the device cannot be built against torch {torch.__version__}: {done.stderr.splitlines()[0]}")
    return out


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    config = PhantomConfig.model_validate({"n_train": 16, "n_val": 4, "n_test": 12, "relatives": 2, "warmup": {"n": 4}, "rho": 0.9})
    return make_phantom(config, tmp_path_factory.mktemp("cohort"), seed=1)


def config(path: Path, **settings: Any) -> str:
    path.write_text(json.dumps(settings))  # JSON is YAML
    return str(path)


def test_what_does_not_belong_together_is_noticed(library: Path) -> None:
    script = (
        f"import sys; sys.path.insert(0, {str(HERE)!r})\n"
        f"import on_device; on_device.load({str(library)!r}); on_device.answer_for_the_driver()\n"
        "import os, torch\n"
        "there = torch.ones(3, device='cuda')\n"
        "look_up = lambda: torch.nn.functional.embedding(there.long(), torch.ones(3, 2))\n"
        "for wrong in (lambda: there + torch.ones(3), look_up, there.numpy):\n"
        "    try: wrong()\n"
        "    except (RuntimeError, TypeError): continue\n"
        "    os._exit(1)\n"
        "weight = torch.ones(3, 3, device='cuda', requires_grad=True)\n"
        "(weight @ there).sum().backward()\n"
        "with torch.autocast('cuda', dtype=torch.bfloat16): half = (weight @ there).dtype\n"
        "os._exit(0 if weight.grad.is_cuda and weight.grad.cpu().sum() == 9 and half == torch.bfloat16 else 2)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], timeout=300).returncode == 0


@dataclass
class Ran:
    """What the commands left: a folder, exit codes by name, and all that was said."""

    folder: Path
    codes: dict[str, int]
    said: str


@pytest.fixture(scope="module")
def ran(library: Path, cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Run all commands in one process, since most of the time of a short one goes to imports."""
    out = tmp_path_factory.mktemp("ran")
    base = {"cohort": str(cohort.folder), "arm": PAIR, "batch_size": 4, "save_every": 2, "doctor": False}
    float32 = {"name": "pocket", "dtype": "float32"}
    lora = config(out / "lora.yaml", **base, steps=4, model=float32, method="lora", gradient_checkpointing=True)
    full = config(out / "full.yaml", **base, steps=2, model={"name": "pocket"}, method="full", early_stopping={"every": 1})
    adapter = {"name": str(out / "lora" / "model"), "dtype": "float32"}
    arms = {"cohort": str(cohort.folder), "arms": [{"arm": "single"}, PAIR], "model": adapter}
    scored = config(out / "scored.yaml", **arms)
    half = config(out / "half.yaml", **(arms | {"model": {"name": str(out / "full" / "model")}, "doctor": False}))
    commands = {
        "doctor": ["doctor", "--model", "pocket"],
        "lora": ["finetune", lora, "--out", str(out / "lora")],
        "full": ["finetune", full, "--out", str(out / "full")],
        "scored": ["evaluate", scored, "--out", str(out / "there")],
        "half": ["evaluate", half, "--out", str(out / "half")],
        "alignment": ["analyse", "alignment", scored, "--out", str(out / "alignment")],
        "attribution": ["analyse", "attribution", scored, "--out", str(out / "attribution")],
        "benchmark": ["benchmark", "gpu", "--tiny", "--out", str(out / "benchmark")],
    }
    script = [sys.executable, str(HERE / "on_device.py"), str(library), json.dumps(list(commands.values()))]
    done = subprocess.run(script, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    return Ran(out, dict(zip(commands, json.loads(done.stdout.splitlines()[-1]), strict=True)), done.stderr)


@pytest.mark.parametrize("command", ["doctor", "lora", "full", "scored", "half", "alignment", "attribution", "benchmark"])
def test_commands_run_on_a_device(ran: Ran, command: str) -> None:
    assert ran.codes[command] == 0, ran.said[-3000:]


def test_scores_on_a_device_are_those_on_the_cpu(ran: Ran) -> None:
    from paper_figures.cli import app
    from see_in_pairs.console import run_app

    assert run_app(app, ["evaluate", str(ran.folder / "scored.yaml"), "--out", str(ran.folder / "here"), "--quiet"]) == 0
    there, here = (pd.read_parquet(ran.folder / name / "records.parquet").sort_values(["arm", "item_id"]) for name in ("there", "here"))
    nats = [np.array([[value for _, value in answers] for answers in table["logp"]]) for table in (there, here)]
    assert np.abs(nats[0] - nats[1]).max() < 1e-4  # a thousand roundings of float32


def test_a_trial_on_a_device_decides_on_checkpointing(library: Path, cohort: Cohort, tmp_path: Path) -> None:
    base = {"cohort": str(cohort.folder), "arm": PAIR, "batch_size": 4, "steps": 2, "doctor": False, "model": {"name": "pocket"}}
    words = ["finetune", config(tmp_path / "run.yaml", **base, method="lora"), "--out"]
    script = (
        f"import sys; sys.path.insert(0, {str(HERE)!r})\n"
        f"import on_device; on_device.load({str(library)!r}); on_device.answer_for_the_driver()\n"
        "import os, torch\n"
        "from empirical.training import memory_estimate\n"
        "from paper_figures.cli import app\n"
        "from see_in_pairs.console import run_app\n"
        "memory_estimate.LARGE = 0  # any model is a large one\n"
        f"code = run_app(app, {[*words, str(tmp_path / 'free')]!r})\n"
        "torch.cuda.max_memory_allocated = lambda device: 2**33  # all of the device\n"
        f"code += run_app(app, {[*words, str(tmp_path / 'full')]!r})\n"
        "sys.stderr.flush(); os._exit(code)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    manifests = [json.loads((tmp_path / name / "manifest.json").read_text()) for name in ("free", "full")]
    assert [manifest["gradient_checkpointing"] for manifest in manifests] == [False, True]
    assert all(manifest["gradient_checkpointing_by_trial"] for manifest in manifests)
    one, other = (load_file(tmp_path / name / "model" / "adapter_model.safetensors") for name in ("free", "full"))
    assert one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)
