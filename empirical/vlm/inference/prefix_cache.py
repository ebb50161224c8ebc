"""The key-value cache of shared prefixes: a reference is read once, and many queries after it."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from empirical.prompts.example import Example
from empirical.vlm.config import VisionLanguageModel
from empirical.vlm.feature_cache.encoder import CachedEncoder
from empirical.vlm.feature_cache.tower import base_of
from empirical.vlm.inference.kv_cache import CachedPromptState, copy_cache
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    from empirical.vlm.inference.encoder import Batch


def shared_prefix(example: Example) -> Hashable | None:
    """Return a key of what a prompt shows before its query; None when no reference precedes it, or one follows it."""
    kinds = [part.kind for part in example.parts]
    if "query" not in kinds:
        return None
    before, after = example.parts[: kinds.index("query")], kinds[kinds.index("query") + 1 :]
    if "reference" not in kinds[: len(before)] or "reference" in after:
        return None
    return before, example.images[:-1]


class PrefixCache:
    """Reads prompts that share a prefix: the prefix once, up to `batch_size` prefixes in one pass, then the rest of each prompt."""

    def __init__(self, vlm: VisionLanguageModel, encoder: CachedEncoder, batch_size: int = 1) -> None:
        if vlm.family.split_inputs is None:
            raise InputError(f"prefix cache: not valid for family '{vlm.family.model_type}'; set prefix_cache: false")
        self.vlm, self.encoder, self.batch_size = vlm, encoder, batch_size
        self.split_inputs = vlm.family.split_inputs
        self.n_prefilled = 0  # prefixes that went through the model
        self._upcoming: dict[Hashable, Example] = {}
        self._caches: dict[Hashable, tuple[Any, int]] = {}  # keys and values of a batch of prefixes, and the row of this one
        self._used: set[Hashable] = set()

    def schedule(self, examples: Iterable[Example]) -> None:
        """Announce the examples to be read, in order, so that several prefixes can share a pass.

        Earlier prefixes are dropped, so that scores depend on these examples only, to the last bit.
        """
        self._caches, self._upcoming, self._used = {}, {}, set()
        for example in examples:
            self._upcoming.setdefault(shared_prefix(example), example)

    def prefill(self, examples: Sequence[Example]) -> CachedPromptState:
        """Read prompts that share a prefix; replies can then be scored or generated after them."""
        import torch

        from empirical.vlm.inference.scoring import to_device

        model, rows = self.vlm.model, len(examples)
        batch = self.encoder.prompts(examples, side="right")  # not on the device: reading a number back would wait for it
        ids = batch["input_ids"]
        cut = query_start(batch, model, len(examples[0].images))
        _, second = self.split_inputs(base_of(model), batch, cut)
        images = batch.pop("pixel_values").reshape(rows, -1)
        cache = self._prefix_cache(examples[0], rows)
        # The reply begins after each prompt's last real token. Prompts are padded on the right here (the prefix must be in the same
        # slots in all rows), so that token is not at the end of a shorter row. Logits are computed for the last `n_logits` slots only,
        # from the shortest prompt's last token on, and indices into them count from the first of these.
        last = batch["attention_mask"].sum(dim=1) - 1
        n_logits = ids.shape[1] - int(last.min())
        inputs = to_device({"input_ids": ids[:, cut:], "attention_mask": batch["attention_mask"], **second}, model)
        logits = model(**inputs, pixel_values=images[:, -1], past_key_values=cache, use_cache=True, logits_to_keep=n_logits).logits
        index = last - (ids.shape[1] - n_logits)
        first = logits[torch.arange(rows, device=logits.device), index.to(logits.device)].float().log_softmax(dim=-1)
        return CachedPromptState(self.vlm, self.encoder, examples, batch, cache, first)

    def _prefix_cache(self, example: Example, rows: int) -> Any:
        """Return a copy of the cache of an example's prefix, repeated for `rows` rows."""
        import torch

        key = shared_prefix(example)
        if key not in self._caches:
            self._prefill_prefixes(self._next_prefixes(key, example))
        self._used.add(key)
        prefixes, row = self._caches[key]
        cache = copy_cache(prefixes)
        cache.batch_select_indices(torch.full((rows,), row, device=self.vlm.model.device))
        return cache

    def _next_prefixes(self, key: Hashable, example: Example) -> list[Example]:
        """Take an example, and the next ones whose prefixes have the same words and number of tokens: a batch without padding."""
        self._upcoming.pop(key, None)
        parts = _prefix(example).parts
        others = [other for other in self._upcoming.values() if _prefix(other).parts == parts] if self.batch_size > 1 else []
        tokens = self.encoder.image_tokens([_prefix(one) for one in (example, *others)])
        equal = [other for other, length in zip(others, tokens[1:], strict=True) if length == tokens[0]]
        return [example, *equal[: self.batch_size - 1]]

    def _prefill_prefixes(self, examples: Sequence[Example]) -> None:
        """Read the prefixes of several examples in one pass, and drop those that were used."""
        from empirical.vlm.inference.scoring import to_device

        model = self.vlm.model
        batch = self.encoder.prompts(examples, side="right")
        try:
            cut = query_start(batch, model, len(examples[0].images))
        except InputError:
            if len(examples) == 1:
                raise
            self._prefill_prefixes(examples[:1])  # as many tokens, but not the same: for example, a family may name the tiles of an image
            return
        first, _ = self.split_inputs(base_of(model), batch, cut)
        images = batch["pixel_values"].reshape(len(examples), -1)
        inputs = to_device({"input_ids": batch["input_ids"][:, :cut], "attention_mask": batch["attention_mask"][:, :cut], **first}, model)
        cache = model(**inputs, pixel_values=images[:, :-1], use_cache=True, logits_to_keep=1).past_key_values
        unused = {key: value for key, value in self._caches.items() if key not in self._used}
        self._caches = unused | {shared_prefix(example): (cache, row) for row, example in enumerate(examples)}
        self._upcoming = {key: example for key, example in self._upcoming.items() if key not in self._caches}
        self.n_prefilled += len(examples)


def _prefix(example: Example) -> Example:
    """Cut an example off before its query."""
    kinds = [part.kind for part in example.parts]
    return replace(example, parts=example.parts[: kinds.index("query")], images=example.images[:-1])


def query_start(batch: Batch, model: Any, images: int) -> int:
    """Find the position of the query's first image token, the same in all rows, in prompts that show the query last."""
    import torch

    from empirical.vlm.inference.encoder import image_token

    ids = batch["input_ids"]
    is_image = ids == image_token(model)
    begins = is_image.clone()  # the first token of each image
    begins[:, 1:] &= ~is_image[:, :-1]
    if not bool((begins.sum(dim=1) == images).all()):
        raise InputError("prefix cache: the prompt shows images without text between them; set prefix_cache: false")
    starts = (begins * torch.arange(ids.shape[1], device=ids.device)).amax(dim=1)  # of each row's last image
    cut = int(starts[0])
    if not bool((starts == cut).all() & (ids[:, :cut] == ids[:1, :cut]).all()):
        raise InputError("prefix cache: the prompts do not share a beginning; set prefix_cache: false")
    return cut
