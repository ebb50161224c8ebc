"""Adapters that compute in the number format of the layer they sit on, in training as in evaluation; their weights stay float32.

In a step with peft's own layers most of what adapters cost is traffic: the layer's input is brought to float32, dropped out there, and
brought back by autocast; the adapter's output is scaled and added to the layer's in two passes more, each of which rounds. Here the input
stays as it is, the scale goes on the few numbers between the two factors, and the second product is added where the layer's output lies,
in one call that rounds once. No autocast is needed, so that a model is trained by the very arithmetic that it is scored with.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import torch
    from peft.tuners import lora

Model = TypeVar("Model", bound="torch.nn.Module")


def in_base_format(model: Model) -> Model:
    r"""Let the adapters of a model compute in the format of its layers.

    Notes
    -----
    For a layer :math:`W` and factors :math:`A, B` of rank :math:`r` it is :math:`y = Wx + B\,\frac{\alpha}{r}A\,d(x)` (Hu et al. 2021),
    where :math:`d` is dropout. In float32 it is what peft computes, up to the order of the sums.
    """
    from peft.tuners import lora

    for module in model.modules():
        if type(module) is lora.Linear:
            module.__class__ = _class()
    return model


def at_random(model: torch.nn.Module, name: str, size: float, seed: int = 0) -> None:
    """Give an adapter random weights, so that it does something: as peft makes it, the second factor is zero."""
    import torch

    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for path, weight in model.named_parameters():
            if f".{name}." in path:
                weight.copy_(size * torch.randn(weight.shape, generator=draw))


@cache
def _class() -> type[lora.Linear]:
    """Make the class when it is first asked for: torch and peft take long to import."""
    from peft.tuners import lora
    from torch.nn import Linear, functional

    class InBaseFormat(lora.Linear):
        """peft's layer with another forward pass."""

        def forward(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
            names = [name for name in self.active_adapters if name in self.lora_A]
            if args or kwargs or self.disable_adapters or self.merged or not all(map(self._plain, names)):
                return super().forward(x, *args, **kwargs)
            rows = x.reshape(-1, x.shape[-1])  # what is added to in place must be no view: autograd would copy each gradient
            made = self.base_layer(rows)
            for name in names:
                first, second = (factors[name].get_parameter("weight").to(made.dtype) for factors in (self.lora_A, self.lora_B))
                inner = functional.linear(self.lora_dropout[name](rows), first) * self.scaling[name]
                made.addmm_(inner.to(made.dtype), second.T)
            return made.view(*x.shape[:-1], made.shape[-1])

        def _plain(self, name: str) -> bool:
            """Tell whether an adapter is two matrices, and nobody waits for layer or factors to be called: FSDP gathers a factor then."""
            factors = (self.lora_A[name], self.lora_B[name])
            two_matrices = not (name in self.lora_variant or self.lora_bias[name]) and all(type(factor) is Linear for factor in factors)
            return two_matrices and not any(map(_watched, (self.base_layer, *factors)))

    return InBaseFormat


def _watched(layer: torch.nn.Module) -> bool:
    """Tell whether a layer has hooks, which are to see what it makes, not that with an adapter's share in it."""
    return bool(layer._forward_pre_hooks or layer._forward_hooks or layer._backward_pre_hooks or layer._backward_hooks)
