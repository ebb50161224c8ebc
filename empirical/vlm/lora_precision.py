"""LoRA adapters that compute in the number format of their layer, in training as in evaluation; their weights stay float32.

Most of the cost of peft's own layers in training is memory traffic: the layer's input is cast to float32 for dropout and cast back by
autocast; the adapter's output is scaled and added to the layer's in two more passes, each of which rounds. Here the input is not cast, the
scale is applied between the two factors, where the tensor is narrow, and the second product is added to the layer's output in place by one
call that rounds once. No autocast is needed, so training and scoring use the same arithmetic.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import torch
    from peft.tuners import lora

Model = TypeVar("Model", bound="torch.nn.Module")


def compute_in_base_dtype(model: Model) -> Model:
    r"""Let the adapters of a model compute in the number format of its layers; the model is changed in place.

    For a layer :math:`W` and factors :math:`A, B` of rank :math:`r` it is :math:`y = Wx + B\,\frac{\alpha}{r}A\,d(x)` (Hu et al. 2021),
    where :math:`d` is dropout. In float32 it equals peft's result, up to the order of the sums.
    """
    from peft.tuners import lora

    for module in model.modules():
        if type(module) is lora.Linear:
            module.__class__ = _layer_class()
    return model


def randomize_adapter(model: torch.nn.Module, name: str, std: float, seed: int = 0) -> None:
    """Give an adapter normal random weights, so that it has an effect: peft initialises the second factor to zero."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for path, weight in model.named_parameters():
            if f".{name}." in path:
                weight.copy_(std * torch.randn(weight.shape, generator=generator))


@cache
def _layer_class() -> type[lora.Linear]:
    """Make the class on first use: torch and peft take long to import."""
    from peft.tuners import lora
    from torch.nn import Linear, functional

    class LinearInBaseDtype(lora.Linear):
        """peft's layer with another forward pass."""

        def forward(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
            names = [name for name in self.active_adapters if name in self.lora_A]
            if args or kwargs or self.disable_adapters or self.merged or not all(map(self._supported, names)):
                return super().forward(x, *args, **kwargs)
            rows = x.reshape(-1, x.shape[-1])  # (rows, inputs). Flat, because autograd copies every gradient of a view written in place
            output = self.base_layer(rows)
            for name in names:
                first, second = (factors[name].get_parameter("weight").to(output.dtype) for factors in (self.lora_A, self.lora_B))
                inner = functional.linear(self.lora_dropout[name](rows), first) * self.scaling[name]
                output.addmm_(inner.to(output.dtype), second.T)
            return output.view(*x.shape[:-1], output.shape[-1])

        def _supported(self, name: str) -> bool:
            """Whether an adapter is two plain matrices without hooks: FSDP gathers a factor's weight in a hook."""
            factors = (self.lora_A[name], self.lora_B[name])
            two_matrices = not (name in self.lora_variant or self.lora_bias[name]) and all(type(factor) is Linear for factor in factors)
            return two_matrices and not any(map(_has_hooks, (self.base_layer, *factors)))

    return LinearInBaseDtype


def _has_hooks(layer: torch.nn.Module) -> bool:
    return bool(layer._forward_pre_hooks or layer._forward_hooks or layer._backward_pre_hooks or layer._backward_hooks)
