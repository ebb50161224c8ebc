"""Out of memory: what the failed step held is given back before anything is tried, and what is tried is the whole step at its longest."""

from __future__ import annotations

import json
import math
import shutil
import weakref
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image
from pydicom.data import get_testdata_file

from empirical.arms.images import image_area
from empirical.cohorts import Cohort
from empirical.prompts.example import Example
from empirical.prompts.templates import Part
from empirical.training import setup
from empirical.training import trainer as trainer_module
from empirical.training.batch_size_search import StepSettings, longest_first, out_of_memory
from empirical.training.checkpointing_trial import fits_without_checkpointing
from empirical.training.finetune import finetune
from empirical.training.memory_estimate import check_fixed_memory, checkpointing, fixed_memory
from empirical.vlm.out_of_memory import is_out_of_memory, largest_that_fits, report_out_of_memory, runs_in_memory
from see_in_pairs.errors import InputError
from tests.helpers.configs import finetune_config

settings = partial(finetune_config, steps=1, batch_size=16)


class SmallDevice:
    """Runs out of memory by what is really alive: every pass takes an activation per row, and then once more for its second half."""

    def __init__(self, room: int) -> None:
        self.room, self.plain = room, trainer_module.token_log_probabilities
        self.alive: list[tuple[weakref.ref[torch.Tensor], int]] = []
        self.held_at_start: list[int] = []

    def used(self) -> int:
        return sum(rows for reference, rows in self.alive if reference() is not None)

    def take(self, rows: int) -> torch.Tensor:
        if self.used() + rows > self.room:
            raise torch.OutOfMemoryError("no more")
        activation = torch.ones(rows, requires_grad=True) * 2
        self.alive.append((weakref.ref(activation), rows))
        return activation

    def forward(self, model: Any, batch: dict[str, torch.Tensor], labels: torch.Tensor) -> torch.Tensor:
        self.held_at_start.append(self.used())
        first = self.take(len(labels))
        second = self.take(len(labels))
        return self.plain(model, batch, labels) + 0 * (first.sum() + second.sum())


def test_the_failed_step_is_forgotten_before_half_of_it_is_tried(phantom: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = SmallDevice(room=16)  # 16 rows want 32, 8 rows 16: they fit just where nothing of the first is left
    monkeypatch.setattr(trainer_module, "token_log_probabilities", device.forward)
    with pytest.raises(InputError, match="batch_size 16; 8 would fit"):
        finetune(settings(phantom), tmp_path / "run", quiet=True)
    assert device.held_at_start == [0, 0, 0]  # the step, and the two passes of a step with accumulation


def test_a_step_that_dies_in_its_update_is_tried_with_the_update(phantom: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room_for_moments(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("no more")

    monkeypatch.setattr(torch.optim.AdamW, "step", no_room_for_moments)
    with pytest.raises(
        InputError, match=r"even with batch_size 1 \(weights, gradients and Adam's moments take .* GiB \(16 bytes for each of"
    ):
        finetune(settings(phantom, method="full", batch_size=2), tmp_path / "run", quiet=True)


def test_what_all_weights_need_is_counted_before_the_first_step() -> None:
    with torch.device("meta"):
        seven = torch.nn.ModuleList([torch.nn.Linear(2**16, 2**16, bias=False), torch.nn.Linear(2**16, 2**15, bias=False)])
    held = fixed_memory(seven, mixed=True)
    assert (held.trained, held.state, held.copies, held.frozen) == (6 * 2**30, 96 * 2**30, 12 * 2**30, 0)
    with pytest.raises(
        InputError, match=r"needs 96\.0 GiB \(16 bytes for each of 6,442,450,944 weights\).*the device has 80\.0 GiB; use.* lora"
    ):
        check_fixed_memory("full", seven, 80 * 2**30, shared=False)
    check_fixed_memory("full", seven, 97 * 2**30, shared=False)
    check_fixed_memory("full", seven, 80 * 2**30, shared=True)
    check_fixed_memory("full", seven, None, shared=False)
    seven[0].to(torch.bfloat16).requires_grad_(False)
    assert (fixed_memory(seven, mixed=False).state, fixed_memory(seven, mixed=False).frozen) == (32 * 2**30, 8 * 2**30)


def test_large_models_are_trained_with_checkpointing_unless_the_config_says_otherwise() -> None:
    with torch.device("meta"):
        large, small = torch.nn.Linear(2**15, 2**15), torch.nn.Linear(2**10, 2**10)
    assert checkpointing(None, large) and not checkpointing(None, small)
    assert not checkpointing(False, large)
    assert checkpointing(True, small)


def test_the_longest_prompts_are_tried() -> None:
    sizes = {"a": (10, 10), "b": (30, 20), "c": (20, 20), "d": (40, 10)}
    tokens = {"a": 1, "b": 5, "c": 4, "d": 6}  # not quite in the order of the areas: sides are rounded to patches
    rows = [Example(name, (Part("query"),), (name,), "yes", ()) for name in "abcdabcd"]

    def prompts(examples: list[Example]) -> dict[str, torch.Tensor]:
        return {"input_ids": torch.zeros(1, tokens[examples[0].item_id])}

    encoder: Any = SimpleNamespace(prompts=prompts)

    def chosen(most: int) -> str:
        return "".join(row.item_id for row in longest_first(rows, encoder, most, lambda name: math.prod(sizes[name])))

    assert chosen(3) == "dbc" and chosen(6) == "dbcadb"


def test_the_size_of_a_picture_is_read_from_the_head_of_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("L", (40, 30)).save(tmp_path / "whole.png")
    (tmp_path / "none.png").write_bytes(b"not a picture")
    (tmp_path / "none.dcm").write_bytes(b"not a picture")
    shutil.copy(get_testdata_file("CT_small.dcm"), tmp_path / "ct.dcm")  # 128 x 128; comes with pydicom
    cohort: Any = SimpleNamespace(image_path=lambda name: tmp_path / name, imported_as=lambda name: "", frame=lambda name: 1)
    names = ("whole.png", "none.png", "missing.png", "ct.dcm", "none.dcm")
    assert [image_area(cohort, name) for name in names] == [1200, 0, 0, 128 * 128, 0]
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # Pillow refuses to open what has more than twice as many
    assert image_area(cohort, "whole.png") == 0


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"), True),
        (MemoryError(), True),
        (RuntimeError("CUDA error: device-side assert triggered"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_errors_that_mean_out_of_memory(error: Exception, expected: bool) -> None:
    def work() -> None:
        raise error

    assert is_out_of_memory(error) is expected
    if expected:
        assert not runs_in_memory(work)
        with pytest.raises(InputError, match=r"^out of memory with batch_size 2$"), report_out_of_memory("with batch_size 2"):
            work()
    else:
        with pytest.raises(type(error)):
            runs_in_memory(work)
        with pytest.raises(type(error)), report_out_of_memory("never"):
            work()


def test_each_attempt_starts_with_nothing_of_the_one_before() -> None:
    made: list[weakref.ref[torch.Tensor]] = []

    def work(rows: int) -> None:
        assert all(reference() is None for reference in made)
        held = torch.ones(rows)
        held.ring = held  # type: ignore[attr-defined]  # as a model and its hooks: only the collector frees it
        made.append(weakref.ref(held))
        if rows > 3:
            raise torch.OutOfMemoryError("no more")

    assert largest_that_fits(work, 12) == 3 and len(made) == 3
    assert largest_that_fits(work, 0) == 0


def test_memory_that_is_short_outside_of_a_step_is_one_line_too(phantom: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from empirical.vlm import loading

    def too_large(*_: Any) -> None:
        raise torch.OutOfMemoryError("no more")

    monkeypatch.setattr(loading, "load_vlm", too_large)
    with pytest.raises(InputError, match="out of memory outside of a step: the model itself hardly fits"):
        finetune(settings(phantom), tmp_path / "run", quiet=True)


def test_without_a_trial_half_is_proposed() -> None:
    assert "8 may fit: set batch_size: 8 and gradient_accumulation: 2" in str(out_of_memory(StepSettings.of(settings(None)), None, []))


def test_a_trial_is_given_the_longest_of_the_plan(phantom: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    chosen, tried = [], []

    def longest(examples: list[Example], encoder: Any, most: int, area: Any) -> list[Example]:
        assert len(examples) == 16 and not hasattr(encoder, "store")  # which would put pictures through the tower, on a full device
        chosen.extend(sorted(examples, key=lambda example: example.item_id)[:most])
        return chosen

    monkeypatch.setattr(trainer_module, "token_log_probabilities", SmallDevice(room=0).forward)
    monkeypatch.setattr(setup, "longest_first", longest)
    monkeypatch.setattr(trainer_module.AnswerTrainer, "try_step", lambda _, examples: tried.append(list(examples)))
    with pytest.raises(InputError, match="8 would fit"):
        finetune(settings(phantom), tmp_path / "run", quiet=True)
    assert tried == [chosen[:8]]


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take any model for a large one, on a device with a limit."""
    monkeypatch.setattr("empirical.training.memory_estimate.LARGE", 0)
    monkeypatch.setattr("empirical.training.setup.device_memory", lambda _: 2**40)
    monkeypatch.setattr("torch.cuda.reset_peak_memory_stats", lambda _: None)
    monkeypatch.setattr("torch.cuda.max_memory_allocated", lambda _: 2**30)
    monkeypatch.setattr("torch.random.fork_rng", lambda **_: plain_fork(devices=[]))


plain_fork = torch.random.fork_rng


def decided(folder: Path) -> tuple[bool, bool]:
    manifest = json.loads((folder / "manifest.json").read_text())
    return manifest["gradient_checkpointing"], manifest["gradient_checkpointing_by_trial"]


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_trial_decides_on_checkpointing_and_leaves_no_trace(
    phantom: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    config = settings(phantom, method=method, steps=3, batch_size=4, lora={"dropout": 0.2}, early_stopping={"every": 2})
    model = finetune(config, tmp_path / "tried", quiet=True)
    assert decided(tmp_path / "tried") == (False, True)
    asked = finetune(config.model_copy(update={"gradient_checkpointing": False}), tmp_path / "asked", quiet=True)
    assert decided(tmp_path / "asked") == (False, False)
    (one,), (other,) = model.glob("*.safetensors"), asked.glob("*.safetensors")
    assert one.read_bytes() == other.read_bytes()
    assert (tmp_path / "tried" / "history.csv").read_text() == (tmp_path / "asked" / "history.csv").read_text()
    card = (model / "README.md").read_text()
    assert "gradient_checkpointing: false" in card


@pytest.mark.usefixtures("large")
def test_what_does_not_fit_is_checkpointed(phantom: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = SmallDevice(room=16)
    monkeypatch.setattr(trainer_module, "token_log_probabilities", device.forward)
    monkeypatch.setattr("empirical.training.setup.checkpointing", lambda asked, _: asked is None)
    with pytest.raises(InputError, match="batch_size 16; 8 would fit"):
        finetune(settings(phantom), tmp_path / "run", quiet=True)
    assert decided(tmp_path / "run") == (True, True)
    assert device.held_at_start[:2] == [0, 0]  # the trial gave back what it held


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize(("allocated", "fits_without_checkpointing"), [(0.89, True), (0.91, False)])
def test_a_tenth_of_the_device_is_to_spare(
    phantom: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allocated: float, fits_without_checkpointing: bool
) -> None:
    monkeypatch.setattr("torch.cuda.max_memory_allocated", lambda _: allocated * 2**40)
    finetune(settings(phantom, batch_size=2), tmp_path / "run", quiet=True)
    assert decided(tmp_path / "run") == (not fits_without_checkpointing, True)


@pytest.mark.usefixtures("large")
def test_adams_moments_are_counted_with_what_the_passes_took(phantom: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = SimpleNamespace(state=2**40)  # of which the moments are half
    trainer: Any = SimpleNamespace(args=SimpleNamespace(device=torch.device("cpu")), try_passes=lambda _: None)
    for allocated, room in ((0.39, True), (0.41, False)):
        monkeypatch.setattr("torch.cuda.max_memory_allocated", lambda _, allocated=allocated: allocated * 2**40)
        assert fits_without_checkpointing(trainer, [], 2**40, held) is room  # type: ignore[arg-type]


@pytest.mark.usefixtures("large")
def test_a_run_that_was_short_in_its_first_step_leaves_the_folder_to_a_smaller_batch_which_is_tried_anew(
    phantom: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as full:
        full.setattr(trainer_module.AnswerTrainer, "try_passes", lambda *_: None)
        full.setattr(trainer_module, "token_log_probabilities", SmallDevice(room=0).forward)
        with pytest.raises(InputError, match="although a trial step fitted"):
            finetune(settings(phantom, batch_size=4), tmp_path / "run", quiet=True)
    finetune(settings(phantom, batch_size=2), tmp_path / "run", quiet=True)
    assert decided(tmp_path / "run") == (False, True)


@pytest.mark.usefixtures("large")
def test_a_step_that_does_not_fit_after_all_is_gone_on_from_with_checkpointing(
    phantom: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings(phantom, steps=6, batch_size=4, save_every=2)
    plain, passes = trainer_module.token_log_probabilities, []

    def full_at_the_fourth_step(*given: Any) -> torch.Tensor:
        passes.append(1)
        if len(passes) == 2 + 4:  # the trial takes two
            raise torch.OutOfMemoryError("no more")
        return plain(*given)

    monkeypatch.setattr(trainer_module, "token_log_probabilities", full_at_the_fourth_step)
    with pytest.raises(InputError, match="although a trial step fitted; run again with the same --out"):
        finetune(config, tmp_path / "run", quiet=True)
    monkeypatch.setattr(trainer_module, "token_log_probabilities", plain)
    resumed = finetune(config, tmp_path / "run", quiet=True)
    assert decided(tmp_path / "run") == (True, False)
    whole = finetune(config, tmp_path / "whole", quiet=True)
    (one,), (other,) = resumed.glob("*.safetensors"), whole.glob("*.safetensors")
    assert one.read_bytes() == other.read_bytes()  # checkpointing changes memory and time, no weights
