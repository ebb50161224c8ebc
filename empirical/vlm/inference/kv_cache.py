"""Replies read behind prompts that are in the key-value cache already: only the new tokens go through the model."""

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
class CachedDecoding:
    """Prompts that were read, with what they left in the cache; a `empirical.vlm.inference.scoring.Reading`.

    Where prompts of unlike length share a batch, padding stands between a shorter one and its reply. It is masked, and positions are
    counted without it, so it matters only to layers that attend over a window of so many *places* (Gemma 3): there such a batch is read
    the plain way.

    Shapes: `first` (rows, vocabulary).
    """

    vlm: VisionLanguageModel  # the model; its family must be known to read a prompt in two parts exactly
    encoder: Encoder  # the encoder that made the batch
    examples: Sequence[Example]
    # whole prompts, padded on the right, without their pixels; off the device, where positions are counted without waiting for it
    batch: Batch
    cache: Any  # keys and values of these prompts
    first: torch.Tensor  # log-probabilities of the first token of each reply

    @property
    def exact(self) -> bool:
        """Whether a reply that is read behind these prompts scores as in the plain path."""
        lengths = self.batch["attention_mask"].sum(dim=1)
        return not self._slides or bool((lengths == lengths[0]).all())

    @property
    def _slides(self) -> bool:
        return any(getattr(layer, "is_sliding", False) for layer in self.cache.layers)

    def log_probability(self, form: Sequence[int]) -> torch.Tensor:
        """Score a reply of several tokens, by one pass over all of them but the last.

        Returns (rows,): Log-probability that each row's reply begins with it.
        """
        import torch

        if not self.exact:
            return PlainPromptState(self.vlm.model, self.encoder, self.examples).log_probability(form)
        rows, new = len(self.examples), len(form) - 1
        batch, _ = self.encoder.append(self.batch, [form[:-1]] * rows)
        cache = copy_cache(self.cache) if self._slides else self.cache  # what has left a window cannot be put back
        later = self._read(batch, new, cache)
        if not self._slides:
            cache.crop(-new)
        wanted = torch.tensor(form[1:], device=later.device).expand(rows, new)
        return self.first[:, form[0]] + later.gather(-1, wanted[..., None])[..., 0].sum(dim=1)

    def greedy(self, stops: Collection[int], max_new_tokens: int) -> torch.Tensor:
        """Let the model go on, always with the likeliest token; the cache is used up.

        Returns (rows, at most ``max_new_tokens``): Its replies; what comes after the end of one is padding.
        """
        import torch

        padding, ends = self.encoder.processor.tokenizer.pad_token_id, torch.tensor(sorted(stops))
        batch, said = self.batch, [self.first.argmax(dim=-1).cpu()]
        over = torch.isin(said[-1], ends)
        while len(said) < max_new_tokens and not bool(over.all()):
            batch, _ = self.encoder.append(batch, said[-1][:, None].tolist())
            following = self._read(batch, 1, self.cache)[:, -1].argmax(dim=-1).cpu()  # the one time a step waits for the device
            said.append(following.masked_fill(over, padding))
            over |= torch.isin(said[-1], ends)
        return torch.stack(said, dim=1)

    def _read(self, batch: Batch, new: int, cache: Any) -> torch.Tensor:
        """Give log-probabilities, of shape (rows, new, vocabulary), behind each of the last tokens of a batch; the cache grows by them."""
        from empirical.vlm.inference.scoring import to_device

        seen = batch["attention_mask"].shape[1] - new
        places = batch["attention_mask"].cumsum(dim=1)[:, seen:] - 1
        assert self.vlm.family.prefix is not None
        _, further = self.vlm.family.prefix(base_of(self.vlm.model), batch, seen)
        inputs = {"input_ids": batch["input_ids"][:, seen:], "attention_mask": batch["attention_mask"], "position_ids": places}
        inputs = to_device(inputs | further, self.vlm.model)
        return self.vlm.model(**inputs, past_key_values=cache, use_cache=True).logits.float().log_softmax(dim=-1)


def copy_cache(cache: Any) -> Any:
    """Copy a cache, so that what is read behind the copy leaves the original as it is.

    Returns with layers of its own, which hold the same tensors until they grow: a layer that grows makes new ones.
    """
    twin = copy.copy(cache)
    twin.layers = [copy.copy(layer) for layer in cache.layers]
    return twin
