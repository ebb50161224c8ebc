"""Replies after prompts whose keys and values are cached: only the new tokens go through the model."""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from empirical.prompts.example import Example
from empirical.vlm.feature_cache.tower import base_of
from empirical.vlm.inference.scoring import PlainPromptState

if TYPE_CHECKING:
    import torch

    from empirical.vlm.config import VisionLanguageModel
    from empirical.vlm.inference.encoder import Batch, Encoder


@dataclass
class CachedPromptState:
    """A batch of prompts in the key-value cache; a `empirical.vlm.inference.scoring.PromptState`.

    If prompts of unequal length share a batch, there is padding between a shorter one and its reply. It is masked, and positions are
    counted without it, so it matters only to layers that attend over a window of a number of *slots* (Gemma 3): such a batch is read
    the plain way.
    """

    vlm: VisionLanguageModel  # its family must have `split_inputs`
    encoder: Encoder
    examples: Sequence[Example]
    # whole prompts, padded on the right, without pixels; not on the device, so that counting positions does not wait for it
    batch: Batch
    cache: Any  # keys and values of these prompts
    first: torch.Tensor  # (rows, vocabulary): log-probabilities of the first token of each reply

    @property
    def exact(self) -> bool:
        """Whether a reply read after these prompts scores as in the plain way."""
        lengths = self.batch["attention_mask"].sum(dim=1)
        return not self._has_sliding_window or bool((lengths == lengths[0]).all())

    @property
    def _has_sliding_window(self) -> bool:
        return any(getattr(layer, "is_sliding", False) for layer in self.cache.layers)

    def after(self, paths: Sequence[Sequence[int]]) -> torch.Tensor:
        """Read a path of tokens after each prompt: log-probabilities of the token after each of its tokens, (rows, longest, vocabulary)."""
        if not self.exact:
            return PlainPromptState(self.vlm.model, self.encoder, self.examples).after(paths)
        batch, labels = self.encoder.append(self.batch, paths)
        new = labels.shape[1]
        # a full layer is cropped back after the reply; a sliding layer has dropped its oldest keys by then, so a copy is used instead
        cache = copy_cache(self.cache) if self._has_sliding_window else self.cache
        later = self._forward(batch, new, cache)
        if not self._has_sliding_window:
            cache.crop(-new)
        return later

    def greedy(self, stops: Collection[int], max_new_tokens: int) -> torch.Tensor:
        """Generate greedily, (rows, at most ``max_new_tokens``), with padding after the end of a reply; the cache is used up."""
        import torch

        padding, ends = self.encoder.processor.tokenizer.pad_token_id, torch.tensor(sorted(stops))
        batch, tokens = self.batch, [self.first.argmax(dim=-1).cpu()]
        finished = torch.isin(tokens[-1], ends)
        while len(tokens) < max_new_tokens and not bool(finished.all()):
            batch, _ = self.encoder.append(batch, tokens[-1][:, None].tolist())
            following = self._forward(batch, 1, self.cache)[:, -1].argmax(dim=-1).cpu()  # the only time that a step waits for the device
            tokens.append(following.masked_fill(finished, padding))
            finished |= torch.isin(tokens[-1], ends)
        return torch.stack(tokens, dim=1)

    def _forward(self, batch: Batch, new: int, cache: Any) -> torch.Tensor:
        """Return log-probabilities, (rows, new, vocabulary), after each of the last `new` tokens of a batch; the cache grows by them."""
        from empirical.vlm.inference.scoring import to_device

        seen = batch["attention_mask"].shape[1] - new
        # by default a model numbers new tokens by the slots of the cache, padding included; counting the mask leaves padding out
        positions = batch["attention_mask"].cumsum(dim=1)[:, seen:] - 1
        assert self.vlm.family.split_inputs is not None
        _, second = self.vlm.family.split_inputs(base_of(self.vlm.model), batch, seen)
        inputs = {"input_ids": batch["input_ids"][:, seen:], "attention_mask": batch["attention_mask"], "position_ids": positions}
        inputs = to_device(inputs | second, self.vlm.model)
        return self.vlm.model(**inputs, past_key_values=cache, use_cache=True).logits.float().log_softmax(dim=-1)


def copy_cache(cache: Any) -> Any:
    """Copy a cache, so that reading after the copy does not change the original.

    Only the layer objects are copied: a cache mixes kinds of layers (full, sliding) whose states differ, but all of them replace their
    tensors when they grow, and never write into them. So copies share keys and values until then, and cost no memory.
    """
    duplicate = copy.copy(cache)
    duplicate.layers = [copy.copy(layer) for layer in cache.layers]
    return duplicate
