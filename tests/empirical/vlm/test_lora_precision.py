"""Adapters in the format of their layer: peft's numbers in float32, no worse than peft under autocast in bfloat16, and less to keep."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from peft.tuners import lora
from torch.utils._python_dispatch import TorchDispatchMode

from empirical.training.config import Method
from empirical.training.setup import by_autocast
from empirical.vlm.config import ModelConfig
from empirical.vlm.doctor.arithmetic import float32_arithmetic
from empirical.vlm.lora_precision import compute_in_base_dtype

WIDE, OUT, RANK = 96, 80, 8
SINGLE, HALF = torch.finfo(torch.float32).eps, torch.finfo(torch.bfloat16).eps


def peft_layer(dtype: torch.dtype = torch.float32, bias: bool = True, **changes: Any) -> torch.nn.Module:
    torch.manual_seed(3)
    base = torch.nn.Sequential(torch.nn.Linear(WIDE, OUT, bias=bias, dtype=dtype))
    settings = peft.LoraConfig(**{"r": RANK, "lora_alpha": 12, "lora_dropout": 0.0, "target_modules": ["0"]} | changes)
    model = peft.get_peft_model(base, settings)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    return model


def both(**settings: Any) -> tuple[torch.nn.Module, torch.nn.Module]:
    theirs = peft_layer(**settings)
    return theirs, compute_in_base_dtype(copy.deepcopy(theirs))


def run(model: torch.nn.Module, x: torch.Tensor, autocast: bool = False) -> dict[str, torch.Tensor]:
    """Give the output, and the gradients of a sum of its squares, by the name of what they belong to."""
    model.zero_grad()
    x = x.clone().requires_grad_()
    torch.manual_seed(5)  # of dropout
    with torch.autocast("cpu", torch.bfloat16) if autocast else nullcontext():
        made = model(x)
    made.float().square().sum().backward()
    return {"output": made.detach(), "input": x.grad} | {
        name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None
    }  # type: ignore[dict-item]


def error(made: dict[str, torch.Tensor], exact: dict[str, torch.Tensor]) -> dict[str, float]:
    return {name: float((made[name].double() - value.double()).norm() / value.double().norm()) for name, value in exact.items()}


def inputs(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, WIDE, generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize("shape", [(6,), (2, 5), (2, 3, 4), ()])
@pytest.mark.parametrize("settings", [{}, {"bias": False}, {"lora_dropout": 0.3}, {"use_rslora": True}, {"lora_alpha": 1}])
def test_in_float32_it_is_what_peft_computes(shape: tuple[int, ...], settings: dict[str, Any]) -> None:
    theirs, ours = both(**settings)
    x = inputs(*shape)
    expected, made = run(theirs, x), run(ours, x)
    assert set(made) == set(expected) and made["output"].shape == (*shape, OUT) and any("lora_A" in name for name in made)
    assert max(error(made, expected).values()) < WIDE * SINGLE  # sums of so many terms, in another order


def test_in_bfloat16_it_is_as_near_to_the_truth_as_peft_under_autocast() -> None:
    theirs, ours = both(dtype=torch.bfloat16)
    x = inputs(64, 4).bfloat16()
    exact = run(copy.deepcopy(theirs).double(), x.double())
    made, expected = run(ours, x), run(theirs, x, autocast=True)
    assert made["output"].dtype == expected["output"].dtype == torch.bfloat16
    assert {value.dtype for name, value in made.items() if "lora" in name} == {torch.float32}  # gradients for float32 weights
    own, peers = error(made, exact), error(expected, exact)
    assert all(own[name] < 1.1 * peers[name] for name in exact), (own, peers)
    assert own["output"] < peers["output"] < HALF  # rounded once, not twice


class Written(TorchDispatchMode):
    """Counts the bytes that operations write; views write nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if not func.is_view:
            self.bytes += sum(value.nbytes for value in torch.utils._pytree.tree_leaves(made) if isinstance(value, torch.Tensor))
        return made


def written(model: torch.nn.Module, x: torch.Tensor, autocast: bool = False) -> int:
    with Written() as count:
        run(model, x, autocast)
    return count.bytes


def test_adapters_write_a_third_of_what_they_do_with_peft_under_autocast() -> None:
    theirs, ours = both(dtype=torch.bfloat16, bias=False)
    rows = 512
    x = inputs(rows).bfloat16()
    alone = written(copy.deepcopy(theirs).unload(), x)
    mine, peers = written(ours, x) - alone, written(theirs, x, autocast=True) - alone
    needed = 2 * rows * (OUT + WIDE + WIDE)  # two bytes each: the sum in the output's place; A's share of x's gradient, and the sum
    assert mine < 1.2 * needed  # the rest is as narrow as the rank
    assert mine < peers / 3


def test_what_peft_does_with_adapters_it_still_does() -> None:
    theirs, ours = both()
    x = inputs(5)
    theirs.add_adapter("second", peft.LoraConfig(r=2, target_modules=["0"], init_lora_weights=False))
    ours.add_adapter("second", peft.LoraConfig(r=2, target_modules=["0"], init_lora_weights=False))
    ours.load_state_dict(theirs.state_dict())
    for use in (
        lambda model: model.base_model.set_adapter(["default", "second"]),
        lambda model: model.set_adapter("second"),
        lambda model: model.merge_adapter(),
        lambda model: model.unmerge_adapter(),
    ):
        use(theirs), use(ours)
        assert torch.allclose(ours(x), theirs(x), rtol=0, atol=1e-5)
    with theirs.disable_adapter(), ours.disable_adapter():
        assert torch.equal(ours(x), theirs(x))
    assert torch.allclose(ours.merge_and_unload()(x), theirs(x), rtol=0, atol=1e-5)


@pytest.mark.parametrize("settings", [{"use_dora": True}, {"lora_bias": True}])
def test_other_kinds_of_adapters_are_left_to_peft(settings: dict[str, Any]) -> None:
    theirs, ours = both(**settings)
    x = inputs(5)
    assert torch.equal(ours(x), theirs(x))


@pytest.mark.parametrize("place", ["base_layer", "lora_A.default", "lora_B.default"])
def test_hooks_see_what_they_see_with_peft(place: str) -> None:
    """What a hook on the base layer was given must not change behind its back, and a hook on a factor must be called."""

    def watch(model: torch.nn.Module) -> list[torch.Tensor]:
        seen: list[torch.Tensor] = []
        layer = model.base_model.model[0].get_submodule(place)
        layer.register_forward_hook(lambda _, inputs, output: seen.extend([*inputs, output]))
        layer.register_full_backward_hook(lambda _, inputs, outputs: seen.extend(outputs))
        model(x).square().sum().backward()
        return seen

    x = inputs(2, 3).requires_grad_()
    theirs, ours = both()
    expected, made = watch(theirs), watch(ours)
    assert len(made) == len(expected) == 3
    assert all(torch.equal(one, other) for one, other in zip(made, expected, strict=True))


def test_the_doctors_float32_arithmetic_reaches_adapters() -> None:
    _, ours = both(dtype=torch.bfloat16)
    x = inputs(9).bfloat16()
    with torch.no_grad(), float32_arithmetic():
        made = ours(x)
    exact = copy.deepcopy(ours).double()(x.double()).detach()
    assert made.dtype == torch.float32
    assert float((made - exact).norm() / exact.norm()) < WIDE * SINGLE


def test_only_peft_layers_are_changed() -> None:
    model = compute_in_base_dtype(torch.nn.Sequential(torch.nn.Linear(2, 2)))
    assert type(model[0]) is torch.nn.Linear
    assert isinstance(compute_in_base_dtype(peft_layer()).base_model.model[0], lora.Linear)


@pytest.fixture
def one_process(tmp_path: Path) -> Iterator[None]:
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.usefixtures("one_process")
def test_factors_that_processes_share_one_by_one_are_called() -> None:
    """As peft's policy for FSDP has it: a weight is whole only while its factor is called."""
    from torch.distributed.fsdp import fully_shard

    theirs, ours = both()
    for factors in (ours.base_model.model[0].lora_A, ours.base_model.model[0].lora_B):
        fully_shard(factors["default"], mesh=torch.distributed.init_device_mesh("cpu", (1,)))
    x = inputs(2, 3)
    assert torch.equal(ours(x), theirs(x))
    ours(x).sum().backward()
    assert all(weight.grad is not None for weight in ours.parameters() if weight.requires_grad)


@pytest.mark.parametrize(
    ("method", "dtype", "sharded", "autocast"),
    [
        ("lora", "bfloat16", False, False),
        ("lora", "float32", False, False),
        ("lora", "float16", False, True),
        ("lora", "bfloat16", True, True),
        ("full", "bfloat16", False, True),
        ("full", "float32", False, False),
    ],
)
def test_a_gpu_is_told_to_autocast_only_where_weights_are_wider_than_what_is_asked_for(
    method: Method, dtype: str, sharded: bool, autocast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", str(sharded).lower())
    assert by_autocast(ModelConfig.model_validate({"dtype": dtype}), method) == autocast
