"""The vision tower: its fast way gives what transformers' own way gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from empirical.vlm.doctor.inputs import Outcome
from empirical.vlm.doctor.subject import ModelUnderTest

if TYPE_CHECKING:
    import torch


def fast(subject: ModelUnderTest) -> Outcome:
    """The fast way through the vision tower makes the features of transformers' own, for several images of unlike shapes.

    Returns `detail` The share, or why there is nothing to compare.
    """
    import torch

    model, family = subject.vlm.model, subject.vlm.family
    made = _features(subject)
    with family.own_vision(model) as layers:
        if not layers:
            return True, "not used: switched off, or the family has none"
        own = _features(subject)
    share, allowed = float((made - own).norm() / own.norm()), torch.finfo(model.dtype).eps ** 0.5
    return share <= allowed, f"{layers} layers; features differ by {share:.1e} of their size, allowed {allowed:.1e}"


def _features(subject: ModelUnderTest) -> torch.Tensor:
    """Compute everything that the language model takes from the tower, deeper layers' features included."""
    import torch

    from empirical.vlm.feature_cache.tower import flat, image_features

    batch = subject.encode(subject.example("square", "tall", "wide"), subject.example("large", "tall"))
    with torch.inference_mode():
        made = image_features(subject.vlm.model, batch)
    parts = [made.pooler_output, *(getattr(made, "deepstack_features", None) or [])]
    return torch.cat([flat(part).float().flatten() for part in parts])
