"""What a vision tower makes of a batch's images, and where in a model to find it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from empirical.vlm.inference.encoder import Batch


def core_of(model: Any) -> Any:
    """Find the module that turns pixels into features, inside adapters and the language head."""
    return base_of(model).model


def base_of(model: Any) -> Any:
    """Take off the adapters' wrapping.

    Returns the model of transformers (its layers may still hold adapters).
    """
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def image_features(model: Any, batch: Batch) -> Any:
    """Compute the features that a batch's images enter the language model as.

    Returns its ``pooler_output`` holds the features, cut as the family likes it.
    """
    core = core_of(model)
    wanted = inspect.signature(type(core).get_image_features).parameters
    return core.get_image_features(**{name: value for name, value in batch.items() if name in wanted}, return_dict=True)


def flat(features: Any) -> torch.Tensor:
    """Put features into one table, in the order of the prompts.

    Returns (image tokens, width): One row per image token.
    """
    import torch

    table = features if torch.is_tensor(features) else torch.cat(list(features))
    return table.reshape(-1, table.shape[-1])
