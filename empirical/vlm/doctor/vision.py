"""The fast vision tower computes the features of transformers' own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from empirical.vlm.doctor.model_under_test import ModelUnderTest, Outcome

if TYPE_CHECKING:
    import torch


def fast_vision(subject: ModelUnderTest) -> Outcome:
    """The fast vision tower computes the features of transformers' own, for several images of different shapes."""
    import torch

    model, family = subject.vlm.model, subject.vlm.family
    fast = _features(subject)
    with family.own_vision(model) as layers:
        if not layers:
            return True, "not used: switched off, or the family has none"
        own = _features(subject)
    error, allowed = float((fast - own).norm() / own.norm()), torch.finfo(model.dtype).eps ** 0.5
    return error <= allowed, f"{layers} layers; features differ by {error:.1e} of their size, allowed {allowed:.1e}"


def _features(subject: ModelUnderTest) -> torch.Tensor:
    """Compute all features that the language model gets, including those for its deeper layers, as one vector."""
    import torch

    from empirical.vlm.feature_cache.tower import flatten_features, image_features

    batch = subject.encode(subject.example("square", "tall", "wide"), subject.example("large", "tall"))
    with torch.inference_mode():
        output = image_features(subject.vlm.model, batch)
    parts = [output.pooler_output, *(getattr(output, "deepstack_features", None) or [])]
    return torch.cat([flatten_features(part).float().flatten() for part in parts])
