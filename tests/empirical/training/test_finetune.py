from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from empirical.cohorts import Cohort
from empirical.prompts.example import Example
from empirical.training.config import FinetuneConfig
from empirical.training.data_order import DataOrder, training_plan
from empirical.training.finetune import finetune
from empirical.vlm.inference.encoder import Encoder
from see_in_pairs.errors import InputError
from tests.helpers.configs import PAIR, finetune_config
from tests.helpers.processes import start

settings = partial(finetune_config, method="full")


def weights(model: Path) -> dict[str, np.ndarray]:
    (file,) = model.glob("*.safetensors")
    return load_file(file)


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_killed_run_resumes_to_the_same_weights(phantom: Cohort, tmp_path: Path, method: str) -> None:
    config = settings(phantom, method=method, steps=16, save_every=2, keep_checkpoints=True)
    process = start(partial(finetune, quiet=True), config, tmp_path / "killed")
    deadline = time.monotonic() + 120
    while not list((tmp_path / "killed").glob("checkpoints/checkpoint-*/complete")) and time.monotonic() < deadline:
        assert process.is_alive(), "the run ended before it could be killed"
        time.sleep(0.02)
    process.kill()
    process.join()
    assert not (tmp_path / "killed" / "model").exists()
    resumed = finetune(config, tmp_path / "killed", quiet=True)
    whole = finetune(config, tmp_path / "whole", quiet=True)
    assert same(weights(resumed), weights(whole))
    assert (tmp_path / "killed" / "history.csv").read_text() == (tmp_path / "whole" / "history.csv").read_text()


def losses(run: Path) -> np.ndarray:
    return pd.read_csv(run / "history.csv")["loss"].to_numpy()


def test_gradient_accumulation_equals_one_large_batch(phantom: Cohort, tmp_path: Path) -> None:
    finetune(settings(phantom, steps=3, batch_size=8), tmp_path / "one", quiet=True)
    finetune(settings(phantom, steps=3, batch_size=4, gradient_accumulation=2), tmp_path / "two", quiet=True)
    # Adam forgives a wrong scale of the gradient, the logged loss does not: it must be the mean over the step's rows in both.
    assert np.allclose(losses(tmp_path / "one"), losses(tmp_path / "two"), rtol=1e-4)


def test_rows_are_shown_in_the_order_of_the_plan(phantom: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    plain = Encoder.with_answers

    def recording(self: Encoder, examples: Sequence[Example], *rest: Any, **options: Any) -> Any:
        shown.extend(example.item_id for example in examples)
        return plain(self, examples, *rest, **options)

    monkeypatch.setattr(Encoder, "with_answers", recording)
    finetune(settings(phantom, steps=4), tmp_path / "run", quiet=True)
    assert shown == pd.read_parquet(tmp_path / "run" / "plan.parquet")["item_id"].tolist()


def test_two_processes_train_as_one_with_twice_the_batch(phantom: Cohort, tmp_path: Path) -> None:
    one = settings(phantom, steps=3, batch_size=4)
    two = one.model_copy(update={"batch_size": 2})
    (tmp_path / "two.yaml").write_text(two.model_dump_json())  # JSON is YAML
    words = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "paper_figures.cli"]
    command = [sys.executable, *words, "finetune", str(tmp_path / "two.yaml"), "--out", str(tmp_path / "two"), "--quiet"]
    subprocess.run(command, check=True, capture_output=True, timeout=180)
    finetune(one, tmp_path / "one", quiet=True)
    assert np.allclose(
        losses(tmp_path / "one"), losses(tmp_path / "two"), rtol=1e-4
    )  # the same rows in the same steps; float32 sums in another order
    assert (tmp_path / "two" / "model" / "model.safetensors").is_file()
    assert not (tmp_path / "two" / "model" / "training_args.bin").exists()


@pytest.mark.parametrize("method", ["full", "lora"])
def test_gradient_checkpointing_changes_memory_not_weights(phantom: Cohort, tmp_path: Path, method: str) -> None:
    plain = finetune(settings(phantom, method=method, steps=2), tmp_path / "plain", quiet=True)
    thrifty = finetune(settings(phantom, method=method, steps=2, gradient_checkpointing=True), tmp_path / "thrifty", quiet=True)
    assert same(weights(plain), weights(thrifty))


def test_another_config_in_the_same_folder_is_refused_and_a_finished_run_is_kept(phantom: Cohort, tmp_path: Path) -> None:
    model = finetune(settings(phantom, steps=1), tmp_path / "run", quiet=True)
    stamp = (model / "model.safetensors").stat().st_mtime_ns
    finetune(settings(phantom, steps=1), tmp_path / "run", quiet=True)
    assert (model / "model.safetensors").stat().st_mtime_ns == stamp
    with pytest.raises(InputError, match=r"config\.steps: 1 there, 2 now"):
        finetune(settings(phantom, steps=2), tmp_path / "run", quiet=True)
    assert (model / "model.safetensors").stat().st_mtime_ns == stamp


@pytest.mark.parametrize("harm", ["cut short", "flipped", "gone"])
def test_a_finished_model_that_was_damaged_is_not_called_finished(phantom: Cohort, tmp_path: Path, harm: str) -> None:
    file = finetune(settings(phantom, steps=1), tmp_path / "run", quiet=True) / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-5] ^= 64
    file.write_bytes(content[:-9] if harm == "cut short" else content)
    if harm == "gone":
        file.unlink()
    with pytest.raises(InputError, match=f"{file}: has changed since it was written; delete {file.parent} and run the same command again"):
        finetune(settings(phantom, steps=1), tmp_path / "run", quiet=True)


def test_the_plan_shows_easy_items_first_then_every_item_once_an_epoch(phantom: Cohort) -> None:
    config = settings(phantom, steps=14, batch_size=4, curriculum={"column": "contrast", "target": 1.0})
    plan = [item for item, _ in training_plan(phantom, DataOrder.of(config))]
    contrast = phantom.table.set_index("item_id")["contrast"]
    easy = [item for item in plan if contrast[item] > 1]
    assert plan[: len(easy)] == easy and len(easy) == 8
    assert list(contrast[easy]) == sorted(contrast[easy], reverse=True)
    epochs = np.array(plan[8:]).reshape(2, 24)
    assert all(len(set(epoch)) == 24 for epoch in epochs) and list(epochs[0]) != list(epochs[1])


def test_small_training_sets_are_nested_and_balanced(phantom: Cohort) -> None:
    label = phantom.table.set_index("item_id")["label"]
    orders = [DataOrder.of(settings(phantom, n_train=n, steps=20)) for n in (6, 12)]
    few, more = ({item for item, _ in training_plan(phantom, order)} for order in orders)
    assert few < more and len(few) == 6
    assert label[list(few)].value_counts().tolist() == [3, 3]
    with pytest.raises(InputError, match="n_train: 99 asked for"):
        training_plan(phantom, DataOrder.of(settings(phantom, n_train=99)))


def test_the_plan_on_disk_names_items_and_references(phantom: Cohort, tmp_path: Path) -> None:
    finetune(settings(phantom, steps=2), tmp_path / "run", quiet=True)
    plan = pd.read_parquet(tmp_path / "run" / "plan.parquet")
    assert plan["step"].tolist() == [0] * 4 + [1] * 4
    family = phantom.table.set_index("item_id")["family"]
    assert all(family[row.item_id] == family[row.reference_ids[0]] for row in plan.itertuples())


def test_a_cohort_of_one_class_is_refused(phantom: Cohort, tmp_path: Path) -> None:
    healthy = phantom.table[phantom.table["label"] == phantom.info.healthy]
    folder = tmp_path / "cohort"
    folder.mkdir()
    from dataclasses import replace

    info = replace(phantom.info, image_root=str(phantom.folder))
    Cohort(folder, info, healthy.reset_index(drop=True)).save()
    with pytest.raises(InputError, match="both classes are needed"):
        finetune(FinetuneConfig.model_validate({"cohort": str(folder), "arm": PAIR}), tmp_path / "run", quiet=True)
