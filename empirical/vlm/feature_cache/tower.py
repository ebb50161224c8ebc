"""The vision tower inside a model, and the features that it computes for a batch."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from empirical.vlm.inference.encoder import Batch


def core_of(model: Any) -> Any:
    """Return the module with ``get_image_features``, inside adapters and the language head."""
    return base_of(model).model


def base_of(model: Any) -> Any:
    """Return the transformers model inside a ``PeftModel`` (its layers may still have adapters), or the model itself."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def image_features(model: Any, batch: Batch) -> Any:
    """Compute a batch's image features as the language model gets them; ``pooler_output`` is a tensor or a list, by family."""
    core = core_of(model)
    wanted = inspect.signature(type(core).get_image_features).parameters
    return core.get_image_features(**{name: value for name, value in batch.items() if name in wanted}, return_dict=True)


def flatten_features(features: Any) -> torch.Tensor:
    """Join features, in the order of the prompts, to (image tokens, width)."""
    import torch

    table = features if torch.is_tensor(features) else torch.cat(list(features))
    return table.reshape(-1, table.shape[-1])
